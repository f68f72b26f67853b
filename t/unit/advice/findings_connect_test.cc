// Findings about connecting: ports, rules, paths, queues.

#include "advice/findings_scene.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kPeer = "127.0.0.1:3001";
constexpr absl::string_view kSocket = "unix:/run/app/app.sock";

FindingScene Refused(Evidence evidence) {
  return {{.cause = Cause::kConnectionRefused,
           .phase = Phase::kConnect,
           .errno_number = 111},
          {.peer = kPeer},
          evidence};
}

FindingScene OnSocket(Cause cause, Evidence evidence) {
  evidence.where = Where::kThisMachine;
  return {
      {.cause = cause, .phase = Phase::kConnect}, {.peer = kSocket}, evidence};
}

TEST(FindingsConnectTest, PortClosedSaysWhatIsListenedOn) {
  const Evidence none = {.where = Where::kThisMachine, .listening = Seen::kNo};
  EXPECT_EQ(Says(Refused(none), Finding::kPortClosed),
            "nothing listens on 127.0.0.1:3001");
  EXPECT_EQ(Says(Refused(Naming(Named::kPorts, "3000, 3002", none)),
                 Finding::kPortClosed),
            "nothing listens on 127.0.0.1:3001; open ports at that address: "
            "3000, 3002");
  EXPECT_EQ(NamesOf(Refused(Naming(Named::kPorts, "3000", none, 7))),
            "port_closed");
  EXPECT_TRUE(
      absl::EndsWith(Says(Refused(Naming(Named::kPorts, "3000", none, 7)),
                          Finding::kPortClosed),
                     "3000 (and 7 more)"));
}

TEST(FindingsConnectTest, PortClosedNeedsThisMachineAndAnAnswer) {
  EXPECT_EQ(NamesOf(Refused({.where = Where::kThisMachine})), "");
  EXPECT_EQ(NamesOf(Refused({.listening = Seen::kNo})), "");
  EXPECT_EQ(
      NamesOf(Refused({.where = Where::kElsewhere, .listening = Seen::kNo})),
      "");
  FindingScene timeout =
      Refused({.where = Where::kThisMachine, .listening = Seen::kNo});
  timeout.failure.cause = Cause::kConnectionTimeout;
  EXPECT_EQ(NamesOf(timeout), "");
}

TEST(FindingsConnectTest, OtherAddressTakesThePlaceOfPortClosed) {
  FindingScene scene =
      Refused(Naming(Named::kAddresses, "::1, 192.0.2.7",
                     {.where = Where::kThisMachine, .listening = Seen::kNo}));
  EXPECT_EQ(NamesOf(scene), "other_address");
  EXPECT_EQ(Says(scene, Finding::kOtherAddress),
            "nothing listens on 127.0.0.1:3001; that port is open, but only "
            "on ::1, 192.0.2.7");
  scene.failure.cause = Cause::kConnectionTimeout;
  EXPECT_EQ(NamesOf(scene), "other_address");
  scene.evidence.listening = Seen::kYes;
  EXPECT_EQ(NamesOf(scene), "");
}

TEST(FindingsConnectTest, RejectedWhereAServiceListens) {
  FindingScene scene = Refused({.listener_uid = 33,
                                .where = Where::kThisMachine,
                                .listening = Seen::kYes});
  EXPECT_TRUE(absl::StartsWith(Says(scene, Finding::kRejected),
                               "a service (uid 33) listens on 127.0.0.1:3001, "
                               "and the connection was refused"));
  scene.failure.cause = Cause::kPermissionDenied;
  EXPECT_EQ(NamesOf(scene), "rejected");
  scene.evidence.listening = Seen::kNo;
  EXPECT_EQ(NamesOf(scene), "");
  // A unix socket is not a firewall's business.
  EXPECT_EQ(
      NamesOf(OnSocket(Cause::kConnectionRefused, {.listening = Seen::kYes})),
      "");
}

TEST(FindingsConnectTest, UnreachableAtOnceWasSaidByARule) {
  FindingScene scene = {{.cause = Cause::kConnectionUnreachable,
                         .phase = Phase::kConnect,
                         .errno_number = 113,
                         .response_time = 2},
                        {.peer = "198.51.100.7:80"},
                        {.where = Where::kElsewhere}};
  EXPECT_EQ(
      Says(scene, Finding::kRejected),
      "a router or a firewall's rule said after 2 ms that "
      "198.51.100.7:80 is unreachable, unless others were waiting already "
      "for a machine that is missing (ip neigh)");
  scene.failure.response_time = 3070;  // nobody is there
  EXPECT_EQ(NamesOf(scene), "");
  scene.failure.response_time = 600;  // began while others waited for nobody
  EXPECT_EQ(NamesOf(scene), "");
  scene.failure.response_time = -1;
  EXPECT_EQ(NamesOf(scene), "");
  scene.failure.response_time = 0;
  scene.failure.errno_number = 101;  // no route at all
  EXPECT_EQ(NamesOf(scene), "");
  scene.text.message = "connect() to 198.51.100.7:80 failed (101: Network is";
  EXPECT_EQ(NamesOf(scene), "");
  scene.text.message = "connect() failed (101: Network is unreachable)";
  scene.failure.response_time = 3;  // not of this machine's
  EXPECT_EQ(Says(scene, Finding::kRejected),
            "a router or a firewall's rule said after 3 ms that "
            "198.51.100.7:80 is unreachable");
  scene.failure.errno_number = 113;
  scene.evidence.where = Where::kUnknown;
  EXPECT_EQ(NamesOf(scene), "");
}

TEST(FindingsConnectTest, StaleSocket) {
  const Evidence stale = {.listening = Seen::kNo,
                          .path_fault = PathFault::kNone,
                          .path_kind = FileKind::kSocket};
  EXPECT_EQ(
      Says(OnSocket(Cause::kConnectionRefused, stale), Finding::kSocketStale),
      "/run/app/app.sock is there, but nobody listens on it");
  Evidence evidence = stale;
  evidence.listening = Seen::kNotAsked;
  EXPECT_EQ(NamesOf(OnSocket(Cause::kConnectionRefused, evidence)), "");
  evidence = stale;
  evidence.path_kind = FileKind::kUnknown;
  EXPECT_EQ(NamesOf(OnSocket(Cause::kConnectionRefused, evidence)), "");
  evidence = stale;
  evidence.listening_hidden = Seen::kYes;
  EXPECT_EQ(NamesOf(OnSocket(Cause::kConnectionRefused, evidence)),
            "socket_hidden");
}

TEST(FindingsConnectTest, AbsentSocketAndItsNeighbours) {
  const FindingScene scene = OnSocket(
      Cause::kSocketMissing, Naming(Named::kSockets, "/run/app/app2.sock",
                                    {.listening = Seen::kNo,
                                     .path_fault = PathFault::kAbsent,
                                     .path_end = 17}));
  EXPECT_EQ(Says(scene, Finding::kSocketAbsent),
            "/run/app/app.sock is not there, its directory is; listened on "
            "near by: /run/app/app2.sock");
  FindingScene hidden = scene;
  hidden.evidence.listening_hidden = Seen::kYes;
  EXPECT_EQ(NamesOf(hidden), "socket_hidden");
  EXPECT_EQ(Says(hidden, Finding::kSocketHidden),
            "a service listens on /run/app/app.sock, but not on the file seen "
            "here: it runs in another mount namespace (PrivateTmp, a "
            "container), or its file was removed or replaced");
  hidden.failure.cause = Cause::kBacklogFull;
  EXPECT_EQ(NamesOf(hidden), "");
}

TEST(FindingsConnectTest, MissingDirectoryIsNamed) {
  const Evidence evidence = {.path_fault = PathFault::kDirectoryMissing,
                             .path_end = 8};
  EXPECT_EQ(Says(OnSocket(Cause::kSocketMissing, evidence),
                 Finding::kDirectoryMissing),
            "the directory /run/app is not there");
  EXPECT_EQ(NamesOf(OnSocket(Cause::kSocketMissing,
                             {.path_fault = PathFault::kUnclear})),
            "");
}

TEST(FindingsConnectTest, WhatIsThereInsteadOfASocket) {
  Evidence evidence = {.path_fault = PathFault::kNotASocket,
                       .path_kind = FileKind::kFile,
                       .path_end = 17};
  EXPECT_EQ(
      Says(OnSocket(Cause::kConnectionRefused, evidence), Finding::kNotASocket),
      "/run/app/app.sock is a file, not a socket");
  // Where nginx's user may not write to it.
  EXPECT_EQ(NamesOf(OnSocket(Cause::kPermissionDenied, evidence)),
            "not_a_socket");
  evidence.path_end = 8;
  EXPECT_EQ(
      Says(OnSocket(Cause::kSocketMissing, evidence), Finding::kNotASocket),
      "/run/app is a file, not a directory");
  evidence.path_kind = FileKind::kUnknown;
  EXPECT_EQ(NamesOf(OnSocket(Cause::kConnectionRefused, evidence)), "");
}

TEST(FindingsConnectTest, PermissionThatIsMissing) {
  Evidence evidence = {.path_uid = 1000,
                       .path_gid = 1001,
                       .uid = 33,
                       .gid = 33,
                       .path_mode = 0750,
                       .path_fault = PathFault::kNoPermission,
                       .path_kind = FileKind::kDirectory,
                       .path_end = 8};
  EXPECT_EQ(Says(OnSocket(Cause::kPermissionDenied, evidence),
                 Finding::kNoPermission),
            "nginx's user (uid 33, gid 33) may not pass /run/app: mode 0750, "
            "owner uid 1000, gid 1001");
  evidence.path_end = 17;
  EXPECT_TRUE(
      absl::StrContains(Says(OnSocket(Cause::kPermissionDenied, evidence),
                             Finding::kNoPermission),
                        "may not write to /run/app/app.sock: "));
  evidence.path_fault = PathFault::kUnclear;  // an access list
  EXPECT_EQ(NamesOf(OnSocket(Cause::kPermissionDenied, evidence)), "");
}

TEST(FindingsConnectTest, ConfinedWhereModesDoNotForbid) {
  Evidence evidence = Naming(Named::kContext, "system_u:system_r:httpd_t:s0",
                             {.path_fault = PathFault::kNone,
                              .path_kind = FileKind::kSocket,
                              .confinement = Confinement::kSelinux});
  FindingScene scene = OnSocket(Cause::kPermissionDenied, evidence);
  scene.failure.errno_number = 13;
  EXPECT_EQ(Says(scene, Finding::kConfined),
            "the modes of the path allow it, and nginx is confined by SELinux "
            "(system_u:system_r:httpd_t:s0): look for the denial with ausearch "
            "-m avc");
  scene.evidence.path_fault = PathFault::kUnclear;
  EXPECT_EQ(NamesOf(scene), "");
  scene.text.peer = kPeer;
  scene.evidence.listening = Seen::kYes;
  EXPECT_EQ(NamesOf(scene), "confined");
  EXPECT_TRUE(absl::StrContains(Says(scene, Finding::kConfined),
                                "httpd_can_network_connect"));
  scene.failure.errno_number = 1;  // the packet filter's
  EXPECT_EQ(NamesOf(scene), "rejected");
  scene.failure.errno_number = 13;
  scene.evidence.confinement = Confinement::kNone;
  EXPECT_EQ(NamesOf(scene), "rejected");
  scene.evidence.confinement = Confinement::kAppArmor;
  EXPECT_TRUE(absl::StrContains(Says(scene, Finding::kConfined), "AppArmor"));
}

TEST(FindingsConnectTest, QueueIsFull) {
  FindingScene scene =
      OnSocket(Cause::kBacklogFull,
               {.queue = 3, .queue_max = 2, .listening = Seen::kYes});
  EXPECT_EQ(Says(scene, Finding::kQueueFull),
            "the accept queue of /run/app/app.sock is full: 3 wait, there is "
            "room for 2");
  scene.evidence.queue = 1;
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.queue = 0;  // listen(0), and nobody waits
  scene.evidence.queue_max = 0;
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.queue = 5;
  scene.evidence.queue_max = -1;
  EXPECT_EQ(NamesOf(scene), "");
}

TEST(FindingsConnectTest, RequestsToConnectWithoutAnswer) {
  FindingScene scene = {
      {.cause = Cause::kConnectionTimeout, .phase = Phase::kConnect},
      {.peer = "198.51.100.7:80"},
      {.requests_to_connect = 3, .where = Where::kElsewhere, .tcp_state = 2}};
  EXPECT_EQ(Says(scene, Finding::kSynUnanswered),
            "3 connection requests to 198.51.100.7:80 had no answer: dropped "
            "on the way or by a full accept queue there, or there is no such "
            "machine");
  scene.evidence.tcp_state = 1;  // it stands
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.tcp_state = 2;
  scene.evidence.requests_to_connect = -1;
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence = {.queue = 2,
                    .queue_max = 1,
                    .requests_to_connect = 3,
                    .where = Where::kThisMachine,
                    .listening = Seen::kYes,
                    .tcp_state = 2};
  EXPECT_EQ(NamesOf(scene), "queue_full");
  scene.evidence.queue = 0;
  EXPECT_TRUE(
      absl::StrContains(Says(scene, Finding::kSynUnanswered), "this machine"));
}

TEST(FindingsConnectTest, ConnectionThatTookSeconds) {
  FindingScene scene = {{.cause = Cause::kReadTimeout,
                         .phase = Phase::kHeader,
                         .protocol = Protocol::kHttp},
                        {.peer = "198.51.100.7:80"}};
  const struct {
    int32_t ms;
    absl::string_view lost;
  } kCases[] = {{1000, "1 connection request was"},
                {1030, "1 connection request was"},
                {3050, "2 connection requests were"},
                {7199, "3 connection requests were"},
                {15004, "4 connection requests were"}};
  for (const auto& c : kCases) {
    scene.failure.connect_time = c.ms;
    EXPECT_TRUE(absl::StrContains(Says(scene, Finding::kSynRepeated), c.lost))
        << c.ms;
  }
  for (const int32_t ms : {-1, 0, 999, 1200, 2000, 2999, 5000, 60000}) {
    scene.failure.connect_time = ms;
    EXPECT_EQ(NamesOf(scene), "") << ms;
  }
  scene.failure.connect_time = 3050;
  scene.evidence.retransmissions = 1;  // the worker was late
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.retransmissions = 2;
  EXPECT_EQ(NamesOf(scene), "syn_repeated");
  scene.failure.connect_time = 1030;
  scene.failure.protocol = Protocol::kHttps;  // its handshake counts
  EXPECT_EQ(NamesOf(scene), "");
  scene.failure.protocol = Protocol::kHttp;
  scene.evidence.rtt_us = 900000;  // the path is that slow
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.rtt_us = 900;
  scene.failure.phase = Phase::kConnect;  // it never stood
  EXPECT_EQ(NamesOf(scene), "");
}

}  // namespace
}  // namespace upstream_502
