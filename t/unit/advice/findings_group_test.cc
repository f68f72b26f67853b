// Findings about names, groups, limits and retries.

#include "advice/findings_scene.h"

namespace upstream_502 {
namespace {

TEST(FindingsGroupTest, NameServersThatDidNotAnswer) {
  FindingScene scene = {
      {.cause = Cause::kDnsTimeout, .phase = Phase::kResolve},
      {.message = "api.example could not be resolved (110: Operation timed "
                  "out)"},
      Naming(Named::kResolvers, "192.0.2.53:53")};
  EXPECT_EQ(Says(scene, Finding::kResolverUnanswered),
            "api.example: name server 192.0.2.53:53 did not answer within "
            "resolver_timeout");
  scene.failure.cause = Cause::kDnsError;
  scene.text.message = "a.example could not be resolved (2: Server failure)";
  EXPECT_EQ(Says(scene, Finding::kResolverUnanswered),
            "a.example: name server 192.0.2.53:53 answered SERVFAIL: it failed "
            "to look the name up");
  scene.text.message = "a.example could not be resolved (5: Operation refused)";
  AppendItem(Named::kResolvers, "192.0.2.54:53", &scene.evidence);
  EXPECT_EQ(Says(scene, Finding::kResolverUnanswered),
            "a.example: name servers 192.0.2.53:53, 192.0.2.54:53 answered "
            "REFUSED: it does not serve this machine");
  // There is no such name: they did answer.
  scene.text.message = "a.example could not be resolved (3: Host not found)";
  EXPECT_EQ(NamesOf(scene), "");
  scene.text.message = "a.example could not be resolved (2: Server failure)";
  scene.evidence = {};
  EXPECT_EQ(NamesOf(scene), "");
}

TEST(FindingsGroupTest, NameInHostsFile) {
  FindingScene scene = {
      {.cause = Cause::kDnsError, .phase = Phase::kResolve},
      {},
      Naming(Named::kHosts, "192.0.2.1", {.in_hosts = Seen::kYes})};
  EXPECT_EQ(Says(scene, Finding::kHostsOnly),
            "the name is 192.0.2.1 in /etc/hosts, which nginx's resolver does "
            "not read");
  scene.evidence.in_hosts = Seen::kNo;
  EXPECT_EQ(NamesOf(scene), "");
}

FindingScene NoLive() {
  FindingScene scene = {{.cause = Cause::kNoLiveUpstreams}};
  AppendServer({.address = "10.0.0.1:80",
                .out = ServerOut::kFailed,
                .fails = 3,
                .last_cause = Cause::kConnectionRefused,
                .seconds_ago = 2,
                .seconds_more = 8},
               &scene.evidence);
  AppendServer({.address = "10.0.0.2:80"}, &scene.evidence);
  AppendServer({.address = "10.0.0.3:80", .out = ServerOut::kTried},
               &scene.evidence);
  AppendServer({.address = "10.0.0.4:80",
                .out = ServerOut::kMaxConns,
                .conns = 4,
                .max_conns = 4},
               &scene.evidence);
  return scene;
}

TEST(FindingsGroupTest, EveryServerAndWhyItWasOut) {
  FindingScene scene = NoLive();
  EXPECT_EQ(Says(scene, Finding::kPeersDown),
            "10.0.0.1:80 failed 3 times (last connection_refused, 2 s ago; out "
            "for 8 s more), 10.0.0.2:80 is marked down, 10.0.0.3:80 was tried "
            "by this request, 10.0.0.4:80 has 4 of 4 connections (max_conns)");
  for (int i = 0; i < 20; ++i) {
    AppendServer({.address = "10.0.1.1:80"}, &scene.evidence);
  }
  const std::string text = Says(scene, Finding::kPeersDown);
  EXPECT_TRUE(absl::EndsWith(text, " more")) << text;
  EXPECT_LE(text.size(), 300u);
  scene.failure.cause = Cause::kConnectionRefused;
  EXPECT_EQ(NamesOf(scene), "");
  EXPECT_EQ(NamesOf({{.cause = Cause::kNoLiveUpstreams},
                     {},
                     Naming(Named::kServers, "10.0.0.1:80, x")}),
            "");
}

TEST(FindingsGroupTest, NameThatMoved) {
  FindingScene scene = {{.cause = Cause::kConnectionTimeout},
                        {.peer = "192.0.2.1:80"}};
  SetMoved("app.example", "192.0.2.1", "198.51.100.1, 198.51.100.2",
           &scene.evidence);
  EXPECT_EQ(Says(scene, Finding::kNameMoved),
            "app.example was 192.0.2.1 when the configuration was loaded, and "
            "nginx still connects there; it now resolves to 198.51.100.1, "
            "198.51.100.2: reload nginx");
  scene.evidence.named_count = 9;
  scene.evidence.moved_seconds = 95;
  scene.evidence.follows = Seen::kYes;
  EXPECT_EQ(Says(scene, Finding::kNameMoved),
            "app.example was 192.0.2.1 when the configuration was loaded, and "
            "nginx still connects there; it has resolved to 198.51.100.1, "
            "198.51.100.2 (and 7 more) for at least 95 s: reload nginx, or use "
            "\"server ... resolve\"");
  scene.failure.cause = Cause::kHeaderTooBig;
  EXPECT_EQ(NamesOf(scene), "");
}

// A name that is one address after the other leads to a service all the same.
TEST(FindingsGroupTest, NameHasNotMovedFromWhereTheRequestWasTaken) {
  FindingScene scene = {{.cause = Cause::kReadTimeout},
                        {.peer = "127.0.0.2:80"}};
  SetMoved("cdn.example", "127.0.0.2", "127.0.0.3", &scene.evidence);
  const auto moves = [&scene](Evidence with) {
    scene.evidence.where = with.where;
    scene.evidence.accepted = with.accepted;
    scene.evidence.unread_bytes = with.unread_bytes;
    scene.evidence.unacknowledged_bytes = with.unacknowledged_bytes;
    return !Says(scene, Finding::kNameMoved).empty();
  };
  EXPECT_FALSE(moves({.unacknowledged_bytes = 0,
                      .unread_bytes = 0,
                      .where = Where::kThisMachine,
                      .accepted = Seen::kYes}));
  EXPECT_FALSE(moves({.unread_bytes = 100,
                      .where = Where::kThisMachine,
                      .accepted = Seen::kYes}));
  EXPECT_FALSE(moves({.unacknowledged_bytes = 0, .where = Where::kElsewhere}));
  // Nobody took it, or nobody knows.
  EXPECT_TRUE(moves({.where = Where::kThisMachine, .accepted = Seen::kNo}));
  EXPECT_TRUE(moves({.unacknowledged_bytes = 90, .where = Where::kElsewhere}));
  EXPECT_TRUE(moves({}));
  scene.failure.bytes_received = 12;
  EXPECT_FALSE(moves({}));
  // Somebody else may be there now.
  scene.failure = {.cause = Cause::kTlsCertificateInvalid};
  EXPECT_TRUE(moves({.where = Where::kThisMachine, .accepted = Seen::kYes}));
}

TEST(FindingsGroupTest, LongNameThatMovedIsNotCut) {
  FindingScene scene = {{.cause = Cause::kReadTimeout}, {}};
  SetMoved(std::string(255, 'n'), "2001:db8:1111:2222:3333:4444:5555:6666",
           "2001:db8:1111:2222:3333:4444:5555:7777", &scene.evidence);
  scene.evidence.named_count = 9;
  scene.evidence.moved_seconds = INT32_MAX;
  scene.evidence.follows = Seen::kYes;
  const std::string text = Says(scene, Finding::kNameMoved);
  EXPECT_EQ(text.substr(text.size() - 20), "\"server ... resolve\"");
}

FindingScene Exhausted(int number, Evidence evidence) {
  return {{.cause = Cause::kLocalExhausted,
           .errno_number = static_cast<int16_t>(number)},
          {.peer = "192.0.2.7:80"},
          evidence};
}

TEST(FindingsGroupTest, Connections) {
  FindingScene scene =
      Exhausted(0, {.connections_used = 512, .connections_max = 512});
  EXPECT_EQ(NamesOf(scene), "");
  scene.text.message = "512 worker_connections are not enough";
  EXPECT_EQ(Says(scene, Finding::kConnectionsUsed),
            "512 of 512 connections of this worker are in use "
            "(worker_connections; a proxied request takes two)");
  scene.evidence.connections_max = -1;
  EXPECT_EQ(NamesOf(scene), "");
}

TEST(FindingsGroupTest, Files) {
  const Evidence own = {
      .files_used = 64, .files_max = 64, .files_of = FilesOf::kProcess};
  EXPECT_EQ(NamesOf(Exhausted(24, own)), "files_used");
  EXPECT_EQ(NamesOf(Exhausted(105, own)), "");  // no buffer space
  EXPECT_EQ(NamesOf(Exhausted(23, own)), "");   // the machine's, not ours
  EXPECT_EQ(Says(Exhausted(23, {.files_used = 999,
                                .files_max = 999,
                                .files_of = FilesOf::kMachine}),
                 Finding::kFilesUsed),
            "999 of 999 files of the whole machine are open (fs.file-max)");
}

TEST(FindingsGroupTest, Ports) {
  FindingScene scene = Exhausted(
      99,
      {.ports_used = 28200, .ports_max = 28232, .ports_of = PortsOf::kPeer});
  EXPECT_EQ(Says(scene, Finding::kPortsUsed),
            "28200 of 28232 local ports are in use towards 192.0.2.7:80: "
            "keepalive in upstream{} needs fewer, "
            "net.ipv4.ip_local_port_range gives more");
  scene.evidence.ports_of = PortsOf::kPeerAtLeast;
  EXPECT_TRUE(absl::StartsWith(Says(scene, Finding::kPortsUsed), "at least "));
  scene.evidence.ports_of = PortsOf::kMachine;
  EXPECT_TRUE(
      absl::StartsWith(Says(scene, Finding::kPortsUsed), "this machine has "));
  scene.evidence.ports_of = PortsOf::kNotAsked;
  EXPECT_EQ(NamesOf(scene), "");
  // An address that cannot be had, as ::1 without IPv6.
  scene.evidence.ports_of = PortsOf::kPeer;
  scene.evidence.ports_used = 3;
  EXPECT_EQ(NamesOf(scene), "");
}

std::string WhyNotRetried(Failure failure, FailureText text = {}) {
  return Says({failure, text}, Finding::kNotRetried);
}

TEST(FindingsGroupTest, NotRetriedNamesTheWord) {
  const struct {
    Cause cause;
    absl::string_view message;
    int status;
    absl::string_view word;
  } kCases[] = {
      {Cause::kConnectionRefused, "", 0, "\"error\""},
      {Cause::kConnectionTimeout, "upstream timed out (110: x)", 0,
       "\"timeout\""},
      {Cause::kConnectionTimeout, "connect() failed (110: x)", 0, "\"error\""},
      {Cause::kReadTimeout, "", 0, "\"timeout\""},
      {Cause::kHeaderTooBig, "", 0, "\"invalid_header\""},
      {Cause::kHeaderIncomplete, "upstream prematurely closed connection", 0,
       "\"error\""},
      {Cause::kHeaderIncomplete, "upstream prematurely closed stream", 0,
       "\"invalid_header\""},
      {Cause::kErrorStatus, "", 503, "\"http_503\""},
      {Cause::kErrorStatus, "", 501, "this case"},
      {Cause::kUnknown, "", 0, "this case"},
  };
  for (const auto& c : kCases) {
    const std::string text =
        WhyNotRetried({.cause = c.cause,
                       .received_status = static_cast<uint16_t>(c.status),
                       .not_retried = NotRetried::kNotListed},
                      {.message = c.message});
    EXPECT_TRUE(absl::StartsWith(text,
                                 "no other server was asked: "
                                 "proxy_next_upstream does not have "))
        << text;
    EXPECT_TRUE(absl::StrContains(text, c.word)) << text;
  }
}

TEST(FindingsGroupTest, NotRetriedForOtherReasons) {
  EXPECT_EQ(WhyNotRetried({.not_retried = NotRetried::kOnlyServer}),
            "no other server was asked: the group has this one only");
  EXPECT_EQ(WhyNotRetried({.protocol = Protocol::kFastcgi,
                           .not_retried = NotRetried::kMethod},
                          {.method = "POST"}),
            "no other server was asked: POST is not repeated once it was sent; "
            "\"non_idempotent\" in fastcgi_next_upstream would");
  EXPECT_EQ(
      WhyNotRetried({.not_retried = NotRetried::kTries, .next_limit = 2}),
      "no other server was asked: proxy_next_upstream_tries 2 is used up");
  EXPECT_EQ(
      WhyNotRetried({.not_retried = NotRetried::kTimeout, .next_limit = 5000}),
      "no other server was asked: proxy_next_upstream_timeout 5s is used up");
  EXPECT_EQ(WhyNotRetried({.protocol = Protocol::kUwsgi,
                           .not_retried = NotRetried::kStreamed}),
            "no other server was asked: the request's body was passed on as "
            "it came and is not kept (uwsgi_request_buffering off)");
  EXPECT_EQ(WhyNotRetried({.not_retried = NotRetried::kBegun}),
            "no other server was asked: the response was on its way to the "
            "client");
  EXPECT_EQ(
      WhyNotRetried({.not_retried = NotRetried::kNoneLeft, .group_size = 3}),
      "no other server was asked: none was left of the group's 3 servers");
  EXPECT_EQ(WhyNotRetried({.not_retried = NotRetried::kNoneLeft}),
            "no other server was asked: the group had no other one");
  EXPECT_EQ(WhyNotRetried({}), "");
  EXPECT_EQ(WhyNotRetried({.not_retried = NotRetried::kBegun},
                          {.message = "auth request unexpected status: 500"}),
            "");
  EXPECT_EQ(
      WhyNotRetried({.rescued = 1, .not_retried = NotRetried::kOnlyServer}),
      "");
  EXPECT_EQ(WhyNotRetried({.not_retried = static_cast<NotRetried>(99)}), "");
}

TEST(FindingsGroupTest, SentToSeveral) {
  EXPECT_EQ(Says({{.sent_to = 2}}, Finding::kSentAgain),
            "the request had been sent to 2 servers: it may have been carried "
            "out so many times");
  EXPECT_TRUE(absl::StrContains(Says({{.sent_to = 255}}, Finding::kSentAgain),
                                "at least 255"));
  EXPECT_EQ(NamesOf({{.sent_to = 1}}), "");
  EXPECT_EQ(NamesOf({{.sent_to = 0}}), "");
}

}  // namespace
}  // namespace upstream_502
