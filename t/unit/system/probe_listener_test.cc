// Probes of connections that never came to be: who listens instead, and how
// full is the queue?

#include <netinet/tcp.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "probing.h"

namespace upstream_502 {
namespace {

TEST(ProbeListener, PortClosed) {
  InNetwork([] {
    const Fd near = ListenAt("127.0.0.1:3001");
    const Fd all = ListenAt("0.0.0.0:9999");
    const Fd both = ListenAt("[::]:4000", 16, 0);
    const Fd v6_only = ListenAt("[::]:3002", 16, 1);
    const Fd elsewhere = ListenAt("127.0.0.2:3003");
    const Fd nginx = ListenAt("0.0.0.0:80");
    const Address own[] = {LocalEnd(nginx.get())};
    const Fd client = Connect("127.0.0.1:3000");
    const Evidence evidence = ProbeOf({.cause = Cause::kConnectionRefused,
                                       .phase = Phase::kConnect,
                                       .fd = client.get(),
                                       .peer = "127.0.0.1:3000",
                                       .own = own});
    EXPECT_EQ(evidence.where, Where::kThisMachine);
    EXPECT_EQ(evidence.listening, Seen::kNo);
    EXPECT_EQ(evidence.named, Named::kPorts);
    EXPECT_EQ(evidence.Text(), "3001, 4000, 9999");
    EXPECT_EQ(evidence.named_count, 3);
  });
}

TEST(ProbeListener, WhetherTheServiceIsStillThereIsAskedAgain) {
  InNetwork([] {
    Fd listener = ListenAt("127.0.0.1:3001");
    Prober* prober = new Prober;
    ProbeRequest request = {.cause = Cause::kClosedBeforeResponse,
                            .peer = "127.0.0.1:3001",
                            .now_ms = kNow};
    Evidence evidence;
    prober->Probe(request, &evidence);
    EXPECT_EQ(evidence.listening, Seen::kYes);
    prober->AskAgain(request, &evidence);
    EXPECT_EQ(evidence.listening, Seen::kYes);
    listener.Close();
    Evidence refused = evidence;
    prober->AskAgain(request, &evidence);
    EXPECT_EQ(evidence.listening, Seen::kNo);
    request.cause = Cause::kConnectionRefused;  // there it says nothing new
    prober->AskAgain(request, &refused);
    EXPECT_EQ(refused.listening, Seen::kYes);
    delete prober;
  });
}

TEST(ProbeListener, PortClosedNamesTheNearest) {
  InNetwork([] {
    std::vector<Fd> listeners;
    for (int port = 5000; port < 5040; ++port) {
      listeners.push_back(ListenAt(At("127.0.0.1", port)));
      listeners.push_back(ListenAt(At("[::1]", port)));
    }
    const Evidence evidence =
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:5045"});
    EXPECT_EQ(evidence.Text(),
              "5032, 5033, 5034, 5035, 5036, 5037, 5038, 5039");
    EXPECT_EQ(evidence.named_count, 40);
  });
}

// More of them than are gone through: the port itself is still judged.
TEST(ProbeListener, PortClosedAmongVeryMany) {
  InNetwork([] {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    const int count = InetDiag::kMaxListeners + 100;
    if (limit.rlim_cur < static_cast<rlim_t>(count + 100)) {
      _exit(kSkipped);
    }
    std::vector<Fd> listeners;
    for (int i = 0; i < count; ++i) {
      listeners.push_back(ListenAt(At("127.0.0.1", 2000 + i)));
    }
    const Evidence evidence =
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:1999"});
    EXPECT_EQ(evidence.listening, Seen::kNo);
    EXPECT_EQ(evidence.named_count, 0) << "which they are is not known";
    EXPECT_EQ(evidence.Text(), "");
  });
}

TEST(ProbeListener, OtherAddress) {
  InNetwork([] {
    const Fd v4 = ListenAt("127.0.0.1:3000");
    const Fd other = ListenAt("127.0.0.2:3000");
    const Fd far = ListenAt("[::1]:3001");
    const Fd client = Connect("[::1]:3000");
    const Evidence evidence = ProbeOf({.cause = Cause::kConnectionRefused,
                                       .phase = Phase::kConnect,
                                       .fd = client.get(),
                                       .peer = "[::1]:3000"});
    EXPECT_EQ(evidence.listening, Seen::kNo);
    EXPECT_EQ(evidence.named, Named::kAddresses);
    EXPECT_EQ(evidence.named_count, 2);
    EXPECT_THAT(std::string(evidence.Text()),
                testing::AnyOf("127.0.0.1, 127.0.0.2", "127.0.0.2, 127.0.0.1"));
  });
}

TEST(ProbeListener, V6OnlyIsNoneForV4) {
  InNetwork([] {
    const Fd listener = ListenAt("[::]:3000", 16, 1);
    EXPECT_EQ(
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:3000"})
            .Text(),
        "::");
    EXPECT_EQ(
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "[::1]:3000"})
            .listening,
        Seen::kYes);
  });
}

TEST(ProbeListener, RefusedThoughServiceListens) {
  InNetwork([] {
    for (const char* at : {"127.0.0.1:3000", "0.0.0.0:3000", "[::]:3000"}) {
      const Fd listener = ListenAt(at, 7, 0);
      const Evidence evidence = ProbeOf(
          {.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:3000"});
      EXPECT_EQ(evidence.listening, Seen::kYes) << at;
      EXPECT_EQ(evidence.queue, 0);
      EXPECT_EQ(evidence.queue_max, 7);
      EXPECT_EQ(evidence.listener_uid, geteuid());
      EXPECT_EQ(evidence.named, Named::kNothing);
    }
  });
}

TEST(ProbeListener, NothingIsSaidOfOneBoundToAnInterface) {
  InNetwork([] {
    const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Name name = NameOf("127.0.0.1:3000");
    if (setsockopt(listener.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0) {
      _exit(kSkipped);
    }
    ASSERT_EQ(bind(listener.get(), name.get(), name.size), 0);
    ASSERT_EQ(listen(listener.get(), 5), 0);
    const Evidence evidence =
        ProbeOf({.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:3000"});
    EXPECT_EQ(evidence.listening, Seen::kNotAsked);
    EXPECT_EQ(evidence.named, Named::kNothing);
  });
}

TEST(ProbeListener, QueueFull) {
  InNetwork([] {
    const Pair pair("127.0.0.1", 0);  // room for one
    const Fd waiting = Connect(pair.peer);
    const Evidence evidence = ProbeOf({.cause = Cause::kConnectionTimeout,
                                       .phase = Phase::kConnect,
                                       .fd = waiting.get(),
                                       .peer = pair.peer});
    EXPECT_EQ(evidence.tcp_state, TCP_SYN_SENT);
    EXPECT_EQ(evidence.requests_to_connect, 1);
    EXPECT_EQ(evidence.listening, Seen::kYes);
    EXPECT_EQ(evidence.queue, 1);
    EXPECT_EQ(evidence.queue_max, 0);
    // The same when the socket is no longer there.
    EXPECT_EQ(
        ProbeOf({.cause = Cause::kConnectionTimeout, .peer = pair.peer}).queue,
        1);
  });
}

TEST(ProbeListener, RequestsToConnectAreCounted) {
  InNetwork([] {
    const Pair pair("127.0.0.1", 0);
    const Fd waiting = Connect(pair.peer);
    Evidence evidence;
    EXPECT_TRUE(Within([&] {
      evidence = ProbeOf({.cause = Cause::kConnectionTimeout,
                          .phase = Phase::kConnect,
                          .fd = waiting.get(),
                          .peer = pair.peer});
      return evidence.requests_to_connect == 2;
    }));
    EXPECT_EQ(evidence.retransmits, 1);
  });
}

}  // namespace
}  // namespace upstream_502
