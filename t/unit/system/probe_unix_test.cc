// Probes of peers behind a unix socket.

#include <grp.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sockets.h"
#include "system/probe.h"

namespace upstream_502 {
namespace {

constexpr int64_t kNow = 1000000;

Evidence ProbeOf(ProbeRequest request) {
  request.now_ms = kNow;
  Prober* prober = new Prober;
  Evidence evidence;
  prober->Probe(request, &evidence);
  delete prober;
  return evidence;
}

std::string PeerOf(const std::string& path) { return "unix:" + path; }

TEST(ProbeUnix, NotAcceptedThenNotReadThenRead) {
  const Folder folder;
  const std::string path = folder / "app.sock";
  const std::string peer = PeerOf(path);
  const Fd listener = ListenAt(UnixName(path), 5);
  const Fd other = Connect(UnixName(path));
  const Fd client = Connect(UnixName(path));
  Send(client, "0123456789");
  const ProbeRequest request = {
      .cause = Cause::kReadTimeout, .fd = client.get(), .peer = peer};
  Evidence evidence = ProbeOf(request);
  EXPECT_EQ(evidence.where, Where::kThisMachine);
  EXPECT_EQ(evidence.accepted, Seen::kNo);
  EXPECT_EQ(evidence.listening, Seen::kYes);
  EXPECT_EQ(evidence.queue, 2);
  EXPECT_EQ(evidence.queue_max, 5);
  EXPECT_EQ(evidence.tcp_state, 0);

  const Fd first = Accept(listener);
  EXPECT_EQ(ProbeOf(request).accepted, Seen::kNo);
  const Fd server = Accept(listener);
  evidence = ProbeOf(request);
  EXPECT_EQ(evidence.accepted, Seen::kYes);
  EXPECT_EQ(evidence.unread_bytes, 10);
  EXPECT_EQ(evidence.queue, 0);

  char buffer[16];
  EXPECT_EQ(recv(server.get(), buffer, sizeof(buffer), 0), 10);
  EXPECT_EQ(ProbeOf(request).unread_bytes, 0);
}

TEST(ProbeUnix, QueueFull) {
  const Folder folder;
  const std::string path = folder / "app.sock";
  const std::string peer = PeerOf(path);
  const Fd listener = ListenAt(UnixName(path), 1);
  std::vector<Fd> clients;
  int error = 0;
  while (error == 0) {
    clients.push_back(Connect(UnixName(path), &error));
  }
  EXPECT_EQ(error, EAGAIN);
  const Evidence evidence = ProbeOf({.cause = Cause::kBacklogFull,
                                     .phase = Phase::kConnect,
                                     .fd = clients.back().get(),
                                     .peer = peer});
  EXPECT_EQ(evidence.queue, 2);
  EXPECT_EQ(evidence.queue_max, 1);
}

TEST(ProbeUnix, Stale) {
  const Folder folder;
  const std::string path = folder / "app.sock";
  const std::string peer = PeerOf(path);
  Fd listener = ListenAt(UnixName(path));
  listener.Close();
  const Evidence evidence =
      ProbeOf({.cause = Cause::kConnectionRefused, .peer = peer});
  EXPECT_EQ(evidence.listening, Seen::kNo);
  EXPECT_EQ(evidence.listening_hidden, Seen::kNo);
  EXPECT_EQ(evidence.path_fault, PathFault::kNone);
  EXPECT_EQ(evidence.path_kind, FileKind::kSocket);
  EXPECT_EQ(evidence.oom_kills, 0);
}

TEST(ProbeUnix, NotASocket) {
  const Folder folder;
  const std::string path = folder / "app.sock";
  const std::string peer = PeerOf(path);
  Fd(open(path.c_str(), O_CREAT | O_RDONLY, 0600)).Close();
  const Evidence evidence =
      ProbeOf({.cause = Cause::kConnectionRefused, .peer = peer});
  EXPECT_EQ(evidence.path_fault, PathFault::kNotASocket);
  EXPECT_EQ(evidence.path_kind, FileKind::kFile);
}

TEST(ProbeUnix, AbsentNamesThoseNearBy) {
  // Where no other service of the machine has a socket with such a name.
  InNetwork([] {
    const Folder folder;
    ASSERT_EQ(mkdir((folder / "other").c_str(), 0755), 0);
    const Fd beside = ListenAt(UnixName(folder / "admin.sock"));
    const Fd like = ListenAt(UnixName(folder / "php8.3-fpm.sock"));
    const Fd far = ListenAt(UnixName(folder / "other/x.sock"));
    const Fd far_like = ListenAt(UnixName(folder / "other/PHP-fpm.sock"));
    const std::string peer = PeerOf(folder / "php8.2-fpm.sock");
    const Evidence evidence =
        ProbeOf({.cause = Cause::kSocketMissing, .peer = peer});
    EXPECT_EQ(evidence.path_fault, PathFault::kAbsent);
    EXPECT_EQ(evidence.listening, Seen::kNo);
    EXPECT_EQ(evidence.named, Named::kSockets);
    // The kernel's order is none.
    const std::string text(evidence.Text());
    EXPECT_NE(text.find(folder / "php8.3-fpm.sock"), text.npos) << text;
    EXPECT_NE(text.find(folder / "other/PHP-fpm.sock"), text.npos) << text;
    EXPECT_NE(text.find(folder / "admin.sock"), text.npos) << text;
    EXPECT_GT(text.find(folder / "admin.sock"),
              text.find(folder / "php8.3-fpm.sock"));
    EXPECT_EQ(text.find("x.sock"), text.npos) << text;
  });
}

TEST(ProbeUnix, NamesMoreThanFit) {
  const Folder folder;
  std::vector<Fd> listeners;
  for (int i = 0; i < 30; ++i) {
    listeners.push_back(
        ListenAt(UnixName(folder / absl::StrCat("service", i, ".sock"))));
  }
  const std::string peer = PeerOf(folder / "service.sock");
  const Evidence evidence =
      ProbeOf({.cause = Cause::kSocketMissing, .peer = peer});
  EXPECT_EQ(evidence.named_count, 30);
  EXPECT_GT(evidence.text_size, 60);
  EXPECT_TRUE(absl::EndsWith(evidence.Text(), ".sock")) << evidence.Text();
}

TEST(ProbeUnix, HiddenByAnotherMountNamespaceOrRemoved) {
  const Folder folder;
  const std::string path = folder / "app.sock";
  const std::string peer = PeerOf(path);
  const Fd listener = ListenAt(UnixName(path));
  ASSERT_EQ(unlink(path.c_str()), 0);
  Evidence evidence = ProbeOf({.cause = Cause::kSocketMissing, .peer = peer});
  EXPECT_EQ(evidence.listening, Seen::kNo);
  EXPECT_EQ(evidence.listening_hidden, Seen::kYes);
  EXPECT_EQ(evidence.named, Named::kNothing);
  // Another file in its place is not what it listens on.
  Fd stale = ListenAt(UnixName(path));
  stale.Close();
  evidence = ProbeOf({.cause = Cause::kConnectionRefused, .peer = peer});
  EXPECT_EQ(evidence.listening, Seen::kNo);
  EXPECT_EQ(evidence.listening_hidden, Seen::kYes);
}

TEST(ProbeUnix, ListenerKnownByAnotherName) {
  const Folder folder;
  ASSERT_EQ(symlink(folder.path().c_str(), (folder / "link").c_str()), 0);
  const Fd listener = ListenAt(UnixName(folder / "app.sock"));
  const std::string peer = PeerOf(folder / "link/app.sock");
  EXPECT_EQ(
      ProbeOf({.cause = Cause::kConnectionRefused, .peer = peer}).listening,
      Seen::kYes);
}

TEST(ProbeUnix, NoPermission) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs another user";
  }
  const Folder folder;
  ASSERT_EQ(mkdir((folder / "private").c_str(), 0750), 0);
  const std::string path = folder / "private/app.sock";
  const std::string peer = PeerOf(path);
  const Fd listener = ListenAt(UnixName(path));
  ASSERT_EQ(chmod(path.c_str(), 0660), 0);
  InChild([&] {
    ASSERT_EQ(setgroups(0, nullptr), 0);
    ASSERT_EQ(setgid(65534), 0);
    ASSERT_EQ(setuid(65534), 0);
    const Evidence evidence =
        ProbeOf({.cause = Cause::kPermissionDenied, .peer = peer});
    EXPECT_EQ(evidence.path_fault, PathFault::kNoPermission);
    EXPECT_EQ(peer.substr(5, evidence.path_end), folder / "private");
    EXPECT_EQ(evidence.path_mode, 0750);
    EXPECT_EQ(evidence.path_uid, 0U);
    EXPECT_EQ(evidence.uid, 65534U);
    EXPECT_NE(evidence.confinement, Confinement::kNotAsked);
  });
}

}  // namespace
}  // namespace upstream_502
