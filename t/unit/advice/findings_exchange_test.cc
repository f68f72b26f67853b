// Findings about connections that stood.

#include "advice/findings_scene.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kPeer = "127.0.0.1:9000";

FindingScene Of(Cause cause, Evidence evidence) {
  return {{.cause = cause, .protocol = Protocol::kHttp, .limit = 60000},
          {.peer = kPeer},
          evidence};
}

FindingScene Here(Cause cause, Evidence evidence) {
  evidence.where = Where::kThisMachine;
  return Of(cause, evidence);
}

TEST(FindingsExchangeTest, NotAccepted) {
  const Evidence evidence = {.queue = 12, .accepted = Seen::kNo};
  for (const Cause cause :
       {Cause::kReadTimeout, Cause::kSendTimeout, Cause::kTlsTimeout}) {
    EXPECT_EQ(NamesOf(Here(cause, evidence)), "not_accepted");
  }
  EXPECT_EQ(Says(Here(Cause::kReadTimeout, evidence), Finding::kNotAccepted),
            "the kernel took the connection to 127.0.0.1:9000, the service "
            "never did; 12 wait for it: all its workers are busy or stuck, it "
            "is out of file descriptors, or only starting");
  EXPECT_EQ(NamesOf(Of(Cause::kReadTimeout, evidence)), "");
  EXPECT_EQ(NamesOf(Here(Cause::kReadTimeout, {.queue = 12})), "");
  EXPECT_EQ(NamesOf(Here(Cause::kBodyTimeout, evidence)), "");
}

TEST(FindingsExchangeTest, NotRead) {
  const FindingScene scene =
      Here(Cause::kReadTimeout, {.unread_bytes = 71, .accepted = Seen::kYes});
  EXPECT_EQ(NamesOf(scene), "not_read");
  EXPECT_EQ(Says(scene, Finding::kNotRead),
            "the service on 127.0.0.1:9000 took the connection and left 71 "
            "bytes of the request unread");
  // In the accept queue the bytes are unread, too.
  EXPECT_EQ(NamesOf(Here(Cause::kReadTimeout,
                         {.unread_bytes = 71, .accepted = Seen::kNo})),
            "not_accepted");
  EXPECT_EQ(NamesOf(Here(Cause::kReadTimeout, {.accepted = Seen::kYes})), "");
}

// What PHP-FPM leaves of every request whose script does not read the body: the
// record that says there is none.
TEST(FindingsExchangeTest, AnEmptyRecordOfFastcgiIsNotUnread) {
  FindingScene scene =
      Here(Cause::kReadTimeout, {.unread_bytes = 8, .accepted = Seen::kYes});
  EXPECT_EQ(NamesOf(scene), "not_read");
  scene.failure.protocol = Protocol::kFastcgi;
  EXPECT_EQ(NamesOf(scene), "no_answer");
  scene.evidence.unread_bytes = 9;
  EXPECT_EQ(NamesOf(scene), "not_read");
}

TEST(FindingsExchangeTest, NoAnswerHere) {
  const Evidence evidence = {
      .unacknowledged_bytes = 0, .unread_bytes = 0, .accepted = Seen::kYes};
  EXPECT_EQ(Says(Here(Cause::kReadTimeout, evidence), Finding::kNoAnswer),
            "the service on 127.0.0.1:9000 has read all of the request, and no "
            "answer came within 60s");
  EXPECT_TRUE(absl::StrContains(
      Says(Here(Cause::kBodyTimeout, evidence), Finding::kNoAnswer),
      "nothing more of the answer came within 60s"));
  EXPECT_EQ(NamesOf(Here(Cause::kReadTimeout,
                         {.unacknowledged_bytes = 0, .unread_bytes = 0})),
            "");
  // Its kernel has it all, whether the service does is not known.
  EXPECT_EQ(NamesOf(Here(Cause::kReadTimeout,
                         {.unacknowledged_bytes = 0, .accepted = Seen::kYes})),
            "");
  EXPECT_EQ(NamesOf(Here(Cause::kSendTimeout, evidence)), "");
}

TEST(FindingsExchangeTest, NoAnswerElsewhere) {
  FindingScene scene = Of(Cause::kReadTimeout, {.unacknowledged_bytes = 0,
                                                .where = Where::kElsewhere});
  EXPECT_EQ(Says(scene, Finding::kNoAnswer),
            "nobody in this network namespace holds the other end of the "
            "connection to 127.0.0.1:9000, all of the request was "
            "acknowledged, and no answer came within 60s");
  scene.text.peer = "192.0.2.7:9000";
  EXPECT_EQ(
      Says(scene, Finding::kNoAnswer),
      "the machine of 192.0.2.7:9000 has acknowledged all of the request, and "
      "no answer came within 60s");
  scene.evidence.unacknowledged_bytes = 5;
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.unacknowledged_bytes = -1;
  EXPECT_EQ(NamesOf(scene), "");
}

TEST(FindingsExchangeTest, Unacknowledged) {
  const Evidence dropped = {.unacknowledged_bytes = 39,
                            .last_ack_ms = 8000,
                            .unread_bytes = 0,
                            .accepted = Seen::kYes,
                            .retransmits = 3,
                            .backoff = 2};
  EXPECT_EQ(NamesOf(Here(Cause::kReadTimeout, dropped)), "unacknowledged");
  EXPECT_EQ(Says(Here(Cause::kReadTimeout, dropped), Finding::kUnacknowledged),
            "127.0.0.1:9000 never acknowledged 39 bytes, sent 4 times; it last "
            "did 8000 ms ago: the network or the machine, not the service");
  EXPECT_EQ(
      NamesOf(Of(Cause::kBodyTimeout,
                 {.unacknowledged_bytes = 39, .retransmits = 0, .probes = 3})),
      "unacknowledged");
  // A service that does not read: its machine answers each probe.
  EXPECT_EQ(NamesOf(Of(Cause::kSendTimeout, {.unacknowledged_bytes = 3807232,
                                             .retransmits = 0,
                                             .backoff = 7,
                                             .probes = 1})),
            "");
  // Nobody was asked, all is on its way for the first time.
  EXPECT_EQ(NamesOf(Of(Cause::kReadTimeout, {.unacknowledged_bytes = 39})), "");
  EXPECT_EQ(
      NamesOf(Of(Cause::kReadTimeout,
                 {.unacknowledged_bytes = 39, .retransmits = 0, .probes = 0})),
      "");
  // The queue was full, so the kernel there dropped it.
  EXPECT_EQ(NamesOf(Here(Cause::kReadTimeout, {.unacknowledged_bytes = 39,
                                               .accepted = Seen::kNo,
                                               .retransmits = 3})),
            "not_accepted");
}

TEST(FindingsExchangeTest, ServiceIsGoneOrStillListens) {
  for (const Cause cause :
       {Cause::kSendReset, Cause::kKeepaliveRace, Cause::kClosedBeforeResponse,
        Cause::kResetBeforeResponse, Cause::kHeaderIncomplete,
        Cause::kBodyIncomplete}) {
    EXPECT_EQ(NamesOf(Here(cause, {.listening = Seen::kNo})), "service_gone");
    EXPECT_EQ(NamesOf(Here(cause, {.listening = Seen::kYes})),
              "still_listening");
    EXPECT_EQ(NamesOf(Here(cause, {})), "");
    EXPECT_EQ(NamesOf(Of(cause,
                         {.where = Where::kElsewhere, .listening = Seen::kNo})),
              "");
    // Its file was replaced, it may run on.
    EXPECT_EQ(NamesOf(Here(cause, {.listening = Seen::kNo,
                                   .listening_hidden = Seen::kYes})),
              "");
  }
  EXPECT_EQ(NamesOf(Here(Cause::kReadTimeout, {.listening = Seen::kNo})), "");
}

TEST(FindingsExchangeTest, OomKillOfThisMachineLately) {
  const Evidence killed = {.oom_kills = 2, .oom_seconds = 3};
  FindingScene scene = Here(Cause::kClosedBeforeResponse, killed);
  EXPECT_EQ(Says(scene, Finding::kOomKill),
            "the kernel killed 2 processes of this machine for want of memory "
            "within the last 3 seconds (dmesg | grep -i oom)");
  scene.evidence.oom_seconds = 61;
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.oom_seconds = -1;
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence = killed;
  scene.evidence.where = Where::kElsewhere;
  EXPECT_EQ(NamesOf(scene), "");
  EXPECT_EQ(NamesOf(Here(Cause::kClosedBeforeResponse,
                         {.oom_kills = 0, .oom_seconds = 3})),
            "");
  EXPECT_EQ(
      NamesOf(Here(Cause::kConnectionRefused,
                   {.oom_kills = 1, .oom_seconds = 3, .listening = Seen::kNo})),
      "port_closed oom_kill");
}

// What was killed before the connection stood is another one.
TEST(FindingsExchangeTest, OomKillComesFirstWhereItWasMeanwhile) {
  const auto found = [](int32_t seconds, int32_t response_time,
                        int32_t idle_ms = -1) {
    FindingScene scene =
        Here(Cause::kClosedBeforeResponse, {.idle_ms = idle_ms,
                                            .oom_kills = 1,
                                            .oom_seconds = seconds,
                                            .listening = Seen::kYes});
    scene.failure.response_time = response_time;
    return NamesOf(scene);
  };
  EXPECT_EQ(found(5, 5), "oom_kill still_listening");
  EXPECT_EQ(found(5, 4), "still_listening oom_kill");
  EXPECT_EQ(found(5, -1), "still_listening oom_kill");
  EXPECT_EQ(found(1, 0), "oom_kill still_listening");
  EXPECT_EQ(found(6, 4999), "still_listening oom_kill");
  EXPECT_EQ(found(6, 5000), "oom_kill still_listening");
  EXPECT_EQ(found(6, 10, 4990), "oom_kill still_listening");
}

TEST(FindingsExchangeTest, AnsweredEarly) {
  FindingScene scene = Of(Cause::kSendReset, {.early_status = 413});
  scene.failure.bytes_sent = 8192;
  EXPECT_EQ(Says(scene, Finding::kAnsweredEarly),
            "the upstream had answered 413 and closed before it had read the "
            "request, of which 8192 bytes were sent: the body is above its "
            "limit");
  for (const int status : {-1, 0, 100, 103, 199, 600}) {
    scene.evidence.early_status = static_cast<int16_t>(status);
    EXPECT_EQ(NamesOf(scene), "") << status;
  }
}

// The answer tells why it ended.
TEST(FindingsExchangeTest, NothingElseEndedWhereItHadAnswered) {
  const FindingScene scene =
      Here(Cause::kSendReset, {.early_status = 413, .listening = Seen::kYes});
  EXPECT_EQ(NamesOf(scene), "answered_early");
}

// Its Content-Length was above its body: the connection stands.
TEST(FindingsExchangeTest, AStreamThatEndedIsNoConnectionThatDid) {
  FindingScene scene =
      Here(Cause::kHeaderIncomplete, {.listening = Seen::kYes});
  EXPECT_EQ(NamesOf(scene), "still_listening");
  scene.text.message = "upstream prematurely closed stream";
  EXPECT_EQ(NamesOf(scene), "");
}

// Most of the answer is to come yet.
TEST(FindingsExchangeTest, AnInterimResponseIsNoAnswerThatStopped) {
  FindingScene scene =
      Here(Cause::kBodyTimeout, {.unread_bytes = 0, .accepted = Seen::kYes});
  EXPECT_EQ(NamesOf(scene), "no_answer");
  scene.failure.received_status = 103;
  EXPECT_EQ(NamesOf(scene), "");
}

TEST(FindingsExchangeTest, IdleOrInUse) {
  FindingScene scene = Of(Cause::kKeepaliveRace, {.idle_ms = 1500});
  EXPECT_EQ(NamesOf(scene), "idle_closed");
  EXPECT_TRUE(
      absl::StrContains(Says(scene, Finding::kIdleClosed), "idle for 1500 ms"));
  scene.evidence.idle_ms = 1000;
  EXPECT_EQ(NamesOf(scene), "idle_closed");
  scene.evidence.idle_ms = 999;
  EXPECT_EQ(NamesOf(scene), "closed_in_use");
  EXPECT_TRUE(absl::StrContains(Says(scene, Finding::kClosedInUse),
                                "idle for only 999 ms"));
  scene.evidence.idle_ms = 0;
  EXPECT_EQ(NamesOf(scene), "closed_in_use");
  scene.evidence.idle_ms = -1;
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.idle_ms = 1500;
  scene.failure.cause = Cause::kReadTimeout;
  EXPECT_EQ(NamesOf(scene), "");
  // Idleness ends no service.
  EXPECT_EQ(NamesOf(Here(Cause::kKeepaliveRace,
                         {.idle_ms = 1500, .listening = Seen::kNo})),
            "service_gone");
}

TEST(FindingsExchangeTest, HeaderSize) {
  FindingScene scene = {{.cause = Cause::kHeaderTooBig,
                         .protocol = Protocol::kFastcgi,
                         .limit = 4096},
                        {.peer = kPeer},
                        {.header_bytes = 20052}};
  EXPECT_EQ(Says(scene, Finding::kHeaderSize),
            "the response header has 20052 bytes, fastcgi_buffer_size is 4k: "
            "fastcgi_buffer_size 20k suffices");
  scene.evidence.header_bytes = 8192;
  EXPECT_TRUE(
      absl::StrContains(Says(scene, Finding::kHeaderSize), "size 8k suf"));
  scene.evidence.header_bytes = -1;  // its end was not found
  EXPECT_EQ(NamesOf(scene), "");
  scene.evidence.header_bytes = 4000;
  EXPECT_EQ(NamesOf(scene), "");
  scene.failure.limit = -1;
  EXPECT_EQ(Says(scene, Finding::kHeaderSize),
            "the response header has 4000 bytes: fastcgi_buffer_size 4k "
            "suffices");
}

}  // namespace
}  // namespace upstream_502
