// The netlink socket and the reading of answers, from the kernel and from
// nowhere good.

#include "system/netlink.h"

#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sockets.h"
#include "system/inet_diag.h"
#include "system/probe.h"
#include "system/unix_diag.h"

namespace upstream_502 {
namespace {

constexpr uint32_t kSequence = 7;

std::string Message(uint16_t type, const std::string& payload,
                    uint32_t sequence = kSequence, int longer = 0) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<uint32_t>(
      static_cast<int>(sizeof(header) + payload.size()) + longer);
  header.nlmsg_type = type;
  header.nlmsg_seq = sequence;
  std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
  message += payload;
  message.resize((message.size() + 3) & ~size_t{3});
  return message;
}

std::string Number(int number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

std::string Attribute(uint16_t type, const std::string& payload) {
  const nlattr header = {static_cast<uint16_t>(sizeof(nlattr) + payload.size()),
                         type};
  std::string text(reinterpret_cast<const char*>(&header), sizeof(header));
  text += payload;
  text.resize((text.size() + 3) & ~size_t{3});
  return text;
}

struct Read {
  Answer answer;
  std::vector<std::string> payloads;
};

Read ReadOf(const std::string& bytes, bool dump) {
  Read read;
  // Of its own size on the heap, where a sanitizer sees every step beyond.
  const std::vector<char> copy(bytes.begin(), bytes.end());
  read.answer = ReadAnswer(kSequence, dump, {copy.data(), copy.size()},
                           [&read](absl::string_view payload) {
                             read.payloads.emplace_back(payload);
                             return payload != "enough";
                           });
  return read;
}

TEST(ReadAnswer, TakesOneOrAll) {
  const std::string two = Message(SOCK_DIAG_BY_FAMILY, "one") +
                          Message(SOCK_DIAG_BY_FAMILY, "two") +
                          Message(NLMSG_DONE, Number(0));
  EXPECT_EQ(ReadOf(two, true).answer, Answer::kComplete);
  EXPECT_EQ(ReadOf(two, true).payloads.size(), 2U);
  EXPECT_EQ(ReadOf(two, false).answer, Answer::kComplete);
  EXPECT_EQ(ReadOf(two, false).payloads.size(), 1U);
  EXPECT_EQ(ReadOf(Message(SOCK_DIAG_BY_FAMILY, "one"), true).answer,
            Answer::kMore);
  EXPECT_EQ(ReadOf(Message(SOCK_DIAG_BY_FAMILY, "enough") + two, true).answer,
            Answer::kStopped);
}

TEST(ReadAnswer, NeverTakesThatOfAnotherRequest) {
  const std::string others =
      Message(SOCK_DIAG_BY_FAMILY, "old", kSequence - 1) +
      Message(NLMSG_DONE, Number(0), kSequence - 1) +
      Message(NLMSG_ERROR, Number(-ENOENT), 0);
  for (const bool dump : {false, true}) {
    EXPECT_EQ(ReadOf(others, dump).answer, Answer::kMore);
    EXPECT_TRUE(ReadOf(others, dump).payloads.empty());
  }
  EXPECT_EQ(
      ReadOf(others + Message(SOCK_DIAG_BY_FAMILY, "ours"), false).payloads,
      std::vector<std::string>{"ours"});
}

TEST(ReadAnswer, TellsNoSuchSocketFromNoAnswer) {
  EXPECT_EQ(ReadOf(Message(NLMSG_ERROR, Number(-ENOENT)), false).answer,
            Answer::kNoEntry);
  // Nobody there to go through the sockets.
  EXPECT_EQ(ReadOf(Message(NLMSG_ERROR, Number(-ENOENT)), true).answer,
            Answer::kAbsent);
  EXPECT_EQ(ReadOf(Message(NLMSG_DONE, Number(-ENOENT)), true).answer,
            Answer::kAbsent);
  EXPECT_EQ(ReadOf(Message(NLMSG_ERROR, Number(-EPERM)), false).answer,
            Answer::kAbsent);
  EXPECT_EQ(ReadOf(Message(NLMSG_ERROR, "x"), false).answer, Answer::kAbsent);
  EXPECT_EQ(ReadOf(Message(NLMSG_DONE, ""), true).answer, Answer::kAbsent);
  EXPECT_EQ(ReadOf(Message(NLMSG_DONE, Number(0)), false).answer,
            Answer::kAbsent);
  EXPECT_EQ(ReadOf(Message(99, "what"), true).answer, Answer::kAbsent);
}

TEST(ReadAnswer, LengthsThatCannotBe) {
  const std::string good = Message(SOCK_DIAG_BY_FAMILY, "good");
  for (const int longer : {-20, -16, -5, 1, 100, 0x7fffff00}) {
    const Read read = ReadOf(
        good + Message(SOCK_DIAG_BY_FAMILY, "bad!", kSequence, longer), true);
    if (longer != -5) {  // of a shorter one the rest is no message
      EXPECT_EQ(read.answer, Answer::kAbsent) << longer;
    }
    EXPECT_LE(read.payloads.size(), 2U);
  }
  for (size_t size = 1; size < good.size(); ++size) {
    EXPECT_EQ(ReadOf(good.substr(0, size), true).answer, Answer::kAbsent);
  }
  EXPECT_EQ(ReadOf("", true).answer, Answer::kMore);
}

std::string InetPayload() {
  inet_diag_msg message = {};
  message.idiag_family = AF_INET6;
  message.idiag_state = 10;
  message.id.idiag_sport = htons(80);
  return {reinterpret_cast<const char*>(&message), sizeof(message)};
}

TEST(ParseInetSocket, CutAndForeign) {
  InetSocket socket;
  const std::string whole =
      InetPayload() + Attribute(INET_DIAG_SKV6ONLY, std::string(1, '\1'));
  ASSERT_TRUE(ParseInetSocket(whole, &socket));
  EXPECT_EQ(socket.local.port, 80);
  EXPECT_TRUE(socket.v6_wildcard);
  EXPECT_TRUE(socket.v6_only);
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<char> cut(whole.begin(),
                                whole.begin() + static_cast<int>(size));
    const bool parsed = ParseInetSocket({cut.data(), size}, &socket);
    EXPECT_TRUE(!parsed || size == sizeof(inet_diag_msg) ||
                size >= whole.size() - 3)
        << size;
  }
  std::string foreign = whole;
  foreign[0] = AF_UNIX;
  EXPECT_FALSE(ParseInetSocket(foreign, &socket));
}

TEST(ParseUnixSocket, NamesAndHostileAttributes) {
  unix_diag_msg message = {};
  message.udiag_family = AF_UNIX;
  message.udiag_ino = 5;
  const std::string fixed(reinterpret_cast<const char*>(&message),
                          sizeof(message));
  UnixSocket socket;
  std::string whole =
      fixed + Attribute(UNIX_DIAG_NAME, std::string("/a\0b", 4));
  ASSERT_TRUE(ParseUnixSocket(whole, &socket));
  EXPECT_EQ(socket.name, "/a");
  whole = fixed + Attribute(UNIX_DIAG_NAME, std::string("\0abstract", 9));
  ASSERT_TRUE(ParseUnixSocket(whole, &socket));
  EXPECT_EQ(socket.name, std::string("\0abstract", 9));
  whole = fixed + Attribute(UNIX_DIAG_NAME, "");
  ASSERT_TRUE(ParseUnixSocket(whole, &socket));
  EXPECT_EQ(socket.name, "");
  for (const uint16_t type : {UNIX_DIAG_VFS, UNIX_DIAG_PEER, UNIX_DIAG_RQLEN}) {
    whole = fixed + Attribute(type, "cut");
    EXPECT_FALSE(ParseUnixSocket(whole, &socket));
  }
  const nlattr huge = {0xffff, UNIX_DIAG_NAME};
  whole = fixed + std::string(reinterpret_cast<const char*>(&huge), 4);
  EXPECT_FALSE(ParseUnixSocket(whole, &socket));
  const nlattr zero = {0, UNIX_DIAG_NAME};
  whole = fixed + std::string(reinterpret_cast<const char*>(&zero), 4);
  EXPECT_FALSE(ParseUnixSocket(whole, &socket));
}

// Good messages, mangled: nothing is read beyond the end, and it does end.
TEST(ReadAnswer, Mangled) {
  std::mt19937 random(502);
  int answers[5] = {};  // by Answer
  const std::string good =
      Message(
          SOCK_DIAG_BY_FAMILY,
          InetPayload() + Attribute(INET_DIAG_SKV6ONLY, std::string(1, '\1'))) +
      Message(SOCK_DIAG_BY_FAMILY,
              InetPayload() + Attribute(UNIX_DIAG_NAME, "/run/app.sock")) +
      Message(NLMSG_DONE, Number(0));
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good;
    for (unsigned i = 0; i <= random() % 4; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    const std::vector<char> copy(bytes.begin(), bytes.end());
    size_t taken = 0;
    const Answer answer =
        ReadAnswer(kSequence, random() % 2 == 0, {copy.data(), copy.size()},
                   [&](absl::string_view payload) {
                     // A part of what came, which no other payload has.
                     EXPECT_GE(payload.data(), copy.data() + taken);
                     taken = static_cast<size_t>(payload.data() - copy.data()) +
                             payload.size();
                     EXPECT_LE(taken, copy.size());
                     InetSocket inet;
                     if (ParseInetSocket(payload, &inet)) {
                       EXPECT_GE(payload.size(), sizeof(inet_diag_msg));
                     }
                     UnixSocket socket;
                     if (ParseUnixSocket(payload, &socket)) {
                       EXPECT_LE(socket.name.size(), payload.size());
                     }
                     return true;
                   });
    ++answers[static_cast<size_t>(answer)];
  }
  const auto of = [&](Answer answer) {
    return answers[static_cast<size_t>(answer)];
  };
  EXPECT_EQ(of(Answer::kStopped), 0);  // nobody wanted that
  EXPECT_GT(of(Answer::kMore), 0);
  EXPECT_GT(of(Answer::kComplete), 0);
  EXPECT_GT(of(Answer::kAbsent), 0);
}

int LowestFree() {
  const Fd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  return fd.get();
}

TEST(Netlink, OpensAtFirstUseAndAgainAfterFork) {
  const int before = LowestFree();
  Netlink netlink;
  EXPECT_EQ(LowestFree(), before);
  ASSERT_TRUE(netlink.Open(0));
  EXPECT_NE(LowestFree(), before);
  EXPECT_NE(fcntl(before, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(before, F_GETFL) & O_NONBLOCK, 0);
  struct stat ours = {};
  ASSERT_EQ(fstat(before, &ours), 0);
  InChild([&] {
    struct stat theirs = {};
    ASSERT_TRUE(netlink.Open(0));
    ASSERT_EQ(fstat(before, &theirs), 0);
    EXPECT_NE(theirs.st_ino, ours.st_ino);
    InetDiag diag(&netlink);
    EXPECT_EQ(diag.Listeners(1, [](const InetSocket&) { return true; }),
              Answer::kComplete);
  });
  InetDiag diag(&netlink);
  EXPECT_EQ(diag.Listeners(1, [](const InetSocket&) { return true; }),
            Answer::kComplete);
}

TEST(Netlink, AskedWithoutASocket) {
  Netlink netlink;
  InetDiag diag(&netlink);
  InetSocket socket;
  Address address;
  ASSERT_TRUE(ParseAddress("127.0.0.1:1", &address));
  EXPECT_EQ(diag.Find(address, {}, &socket), Answer::kAbsent);
}

TEST(Netlink, GoesOnAfterADumpThatWasEnded) {
  InNetwork([] {
    // So many that the kernel is not done when the first of them is read.
    constexpr int kCount = 900;
    std::vector<Fd> listeners;
    for (int i = 0; i < kCount; ++i) {
      listeners.push_back(ListenAt(At("127.0.0.1", 2000 + i)));
    }
    Netlink netlink;
    InetDiag diag(&netlink);
    for (int round = 0; round < 3; ++round) {
      ASSERT_TRUE(netlink.Open(0));
      EXPECT_EQ(diag.Listeners(0, [](const InetSocket&) { return false; }),
                Answer::kStopped);
      ASSERT_TRUE(netlink.Open(0));
      int seen = 0;
      const Answer answer = diag.Listeners(0, [&seen](const InetSocket&) {
        ++seen;
        return true;
      });
      // On a machine that is slow it may have been ended by its time.
      EXPECT_TRUE(answer == Answer::kComplete ? seen == kCount
                                              : answer == Answer::kStopped);
      ASSERT_TRUE(netlink.Open(0));
      InetSocket socket;
      ASSERT_EQ(diag.Find(LocalEnd(listeners[7].get()), {}, &socket),
                Answer::kComplete);
      EXPECT_EQ(socket.local.port, 2007);
    }
  });
}

TEST(Netlink, OutOfDescriptors) {
  InChild([] {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = static_cast<rlim_t>(LowestFree());
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    Netlink netlink;
    EXPECT_FALSE(netlink.Open(0));
    limit.rlim_cur = before;
    setrlimit(RLIMIT_NOFILE, &limit);
    EXPECT_FALSE(netlink.Open(999));  // not tried so soon
    EXPECT_TRUE(netlink.Open(1000));
  });
}

// As a service manager's RestrictAddressFamilies does.
bool ForbidNetlink() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(Netlink, ForbiddenMeansNothingIsSeen) {
  const Folder folder;
  const std::string unix_peer = "unix:" + (folder / "app.sock");
  const Fd listener = ListenAt("127.0.0.1:0");
  const std::string peer = At("127.0.0.1", PortOf(listener));
  const Fd client = Connect(peer);
  InChild([&] {
    if (!ForbidNetlink()) {
      _exit(kSkipped);
    }
    Prober* prober = new Prober;
    prober->Warm(0);
    for (const std::string& name : {peer, unix_peer}) {
      for (size_t i = 0; i < kCauseCount; ++i) {
        Evidence evidence;
        prober->Probe({.cause = static_cast<Cause>(i),
                       .fd = client.get(),
                       .peer = name,
                       .now_ms = 1},
                      &evidence);
        EXPECT_EQ(evidence.listening, Seen::kNotAsked);
        EXPECT_EQ(evidence.accepted, Seen::kNotAsked);
        EXPECT_EQ(evidence.queue, Evidence::kNotSeen);
        EXPECT_NE(evidence.where, Where::kElsewhere);
      }
    }
    Evidence evidence;
    prober->Probe({.cause = Cause::kReadTimeout,
                   .fd = client.get(),
                   .peer = peer,
                   .now_ms = 1},
                  &evidence);
    EXPECT_EQ(evidence.tcp_state, 1);  // what needs no netlink is there
    delete prober;
  });
}

}  // namespace
}  // namespace upstream_502
