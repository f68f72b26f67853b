// Findings as a whole: the examples of docs/findings.md, order, and input that
// is meant to break them. Where the examples differ, they are written with
//
//   UPSTREAM_502_WRITE_DOCS=1 build/cmake/advice_findings_test

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "advice/findings_scene.h"
#include "advice/scene.h"
#include "upstream_502/advice/hint.h"

namespace upstream_502 {
namespace {

Evidence Here(Evidence evidence) {
  evidence.where = Where::kThisMachine;
  return evidence;
}

Evidence Servers() {
  Evidence evidence;
  AppendServer({.address = "10.0.0.1:8080",
                .out = ServerOut::kFailed,
                .fails = 3,
                .last_cause = Cause::kConnectionRefused,
                .seconds_ago = 2,
                .seconds_more = 8},
               &evidence);
  AppendServer({.address = "10.0.0.2:8080"}, &evidence);
  return evidence;
}

Evidence Moved() {
  Evidence evidence;
  SetMoved("app.example", "192.0.2.10", "198.51.100.20", &evidence);
  evidence.moved_seconds = 95;
  return evidence;
}

constexpr absl::string_view kTcp = "127.0.0.1:3001";
constexpr absl::string_view kFar = "192.0.2.10:443";
constexpr absl::string_view kFpm = "unix:/run/php/php8.2-fpm.sock";

// One failure for each finding, as in the document.
std::map<Finding, FindingScene> Examples() {
  return {
      {Finding::kResolverUnanswered,
       {{.cause = Cause::kDnsTimeout},
        {.message = "api.example could not be resolved (110: Operation timed "
                    "out)"},
        Naming(Named::kResolvers, "192.0.2.53:53")}},
      {Finding::kHostsOnly,
       {{.cause = Cause::kDnsError},
        {},
        Naming(Named::kHosts, "192.0.2.10", {.in_hosts = Seen::kYes})}},
      {Finding::kPortClosed,
       {{.cause = Cause::kConnectionRefused},
        {.peer = kTcp},
        Here(Naming(Named::kPorts, "3000, 3002", {.listening = Seen::kNo}))}},
      {Finding::kOtherAddress,
       {{.cause = Cause::kConnectionRefused},
        {.peer = kTcp},
        Here(Naming(Named::kAddresses, "::1", {.listening = Seen::kNo}))}},
      {Finding::kRejected,
       {{.cause = Cause::kConnectionUnreachable,
         .errno_number = 113,
         .response_time = 2},
        {.peer = kFar},
        {.where = Where::kElsewhere}}},
      {Finding::kSocketStale,
       {{.cause = Cause::kConnectionRefused},
        {.peer = kFpm},
        Here({.listening = Seen::kNo,
              .path_fault = PathFault::kNone,
              .path_kind = FileKind::kSocket})}},
      {Finding::kSocketAbsent,
       {{.cause = Cause::kSocketMissing},
        {.peer = kFpm},
        Here(Naming(
            Named::kSockets, "/run/php/php8.3-fpm.sock",
            {.listening = Seen::kNo, .path_fault = PathFault::kAbsent}))}},
      {Finding::kSocketHidden,
       {{.cause = Cause::kSocketMissing},
        {.peer = "unix:/tmp/app.sock"},
        Here({.listening_hidden = Seen::kYes,
              .path_fault = PathFault::kAbsent})}},
      {Finding::kDirectoryMissing,
       {{.cause = Cause::kSocketMissing},
        {.peer = kFpm},
        Here({.path_fault = PathFault::kDirectoryMissing, .path_end = 8})}},
      {Finding::kNotASocket,
       {{.cause = Cause::kConnectionRefused},
        {.peer = kFpm},
        Here({.path_fault = PathFault::kNotASocket,
              .path_kind = FileKind::kFile,
              .path_end = 24})}},
      {Finding::kNoPermission,
       {{.cause = Cause::kPermissionDenied},
        {.peer = kFpm},
        Here({.path_uid = 1000,
              .path_gid = 1000,
              .uid = 33,
              .gid = 33,
              .path_mode = 0660,
              .path_fault = PathFault::kNoPermission,
              .path_end = 24})}},
      {Finding::kConfined,
       {{.cause = Cause::kPermissionDenied, .errno_number = 13},
        {.peer = kTcp},
        Naming(Named::kContext, "system_u:system_r:httpd_t:s0",
               {.confinement = Confinement::kSelinux})}},
      {Finding::kQueueFull,
       {{.cause = Cause::kConnectionTimeout},
        {.peer = kTcp},
        Here({.queue = 129, .queue_max = 128})}},
      {Finding::kSynUnanswered,
       {{.cause = Cause::kConnectionTimeout},
        {.peer = kFar},
        {.requests_to_connect = 6,
         .where = Where::kElsewhere,
         .tcp_state = 2}}},
      {Finding::kSynRepeated,
       {{.cause = Cause::kReadTimeout, .connect_time = 3012}, {.peer = kFar}}},
      {Finding::kNotAccepted,
       {{.cause = Cause::kReadTimeout},
        {.peer = kTcp},
        Here({.queue = 12, .queue_max = 128, .accepted = Seen::kNo})}},
      {Finding::kNotRead,
       {{.cause = Cause::kReadTimeout},
        {.peer = kTcp},
        Here({.unread_bytes = 418, .accepted = Seen::kYes})}},
      {Finding::kNoAnswer,
       {{.cause = Cause::kReadTimeout, .limit = 60000},
        {.peer = kTcp},
        Here({.unread_bytes = 0, .accepted = Seen::kYes})}},
      {Finding::kUnacknowledged,
       {{.cause = Cause::kReadTimeout},
        {.peer = kFar},
        {.unacknowledged_bytes = 418, .last_ack_ms = 60010, .retransmits = 8}}},
      {Finding::kServiceGone,
       {{.cause = Cause::kClosedBeforeResponse},
        {.peer = kTcp},
        Here({.listening = Seen::kNo})}},
      {Finding::kStillListening,
       {{.cause = Cause::kClosedBeforeResponse},
        {.peer = kTcp},
        Here({.listening = Seen::kYes})}},
      {Finding::kOomKill,
       {{.cause = Cause::kClosedBeforeResponse},
        {.peer = kTcp},
        Here({.oom_kills = 1, .oom_seconds = 4})}},
      {Finding::kAnsweredEarly,
       {{.cause = Cause::kSendReset, .bytes_sent = 131072},
        {.peer = kTcp},
        {.early_status = 413}}},
      {Finding::kWrongProtocol,
       {{.cause = Cause::kHeaderInvalid, .protocol = Protocol::kHttp},
        {.peer = kFar},
        {.speaks = Speaks::kTls}}},
      {Finding::kCertificateExpired,
       {{.time_ms = 1790000000000, .cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar},
        {.not_after_s = 1789800000, .verify_error = 10}}},
      {Finding::kCertificateNotYetValid,
       {{.time_ms = 1790000000000, .cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar},
        {.not_before_s = 1790007200, .verify_error = 9}}},
      {Finding::kCertificateName,
       {{.cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar,
         .message = "upstream SSL certificate does not match \"api.example\""},
        Naming(Named::kCertificateNames, "www.example, example")}},
      {Finding::kCertificateUntrusted,
       {{.cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar},
        Naming(Named::kIssuer, "CN=Example CA", {.verify_error = 20})}},
      {Finding::kCertificateChain,
       {{.cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar},
        Naming(Named::kIssuer, "CN=Example CA",
               {.verify_error = 21, .chain_length = 1})}},
      {Finding::kTlsRefusedHere,
       {{.cause = Cause::kTlsProtocolError},
        {.peer = kFar,
         .message = "SSL_do_handshake() failed (SSL: error:0A000102:SSL "
                    "routines::unsupported protocol)"}}},
      {Finding::kNoServerName,
       {{.cause = Cause::kTlsClosed, .phase = Phase::kTls},
        {.peer = kFar},
        {.sni = Seen::kNo}}},
      {Finding::kTlsAlert,
       {{.cause = Cause::kTlsProtocolError},
        {.peer = kFar,
         .message = "SSL_do_handshake() failed (SSL: error:0A00045C:SSL "
                    "routines::tlsv13 alert certificate required:SSL alert "
                    "number 116)"}}},
      {Finding::kH2Error,
       {{.cause = Cause::kProtocolError, .protocol = Protocol::kGrpc},
        {.peer = kTcp, .message = "upstream rejected request with error 7"}}},
      {Finding::kHeaderSize,
       {{.cause = Cause::kHeaderTooBig,
         .protocol = Protocol::kHttp,
         .limit = 4096},
        {.peer = kTcp},
        {.header_bytes = 20052}}},
      {Finding::kIdleClosed,
       {{.cause = Cause::kKeepaliveRace}, {.peer = kTcp}, {.idle_ms = 5004}}},
      {Finding::kClosedInUse,
       {{.cause = Cause::kKeepaliveRace}, {.peer = kTcp}, {.idle_ms = 12}}},
      {Finding::kConnectionsUsed,
       {{.cause = Cause::kLocalExhausted},
        {.message = "512 worker_connections are not enough"},
        {.connections_used = 512, .connections_max = 512}}},
      {Finding::kFilesUsed,
       {{.cause = Cause::kLocalExhausted, .errno_number = 24},
        {},
        {.files_used = 1024,
         .files_max = 1024,
         .files_of = FilesOf::kProcess}}},
      {Finding::kPortsUsed,
       {{.cause = Cause::kLocalExhausted, .errno_number = 99},
        {.peer = kFar},
        {.ports_used = 28231, .ports_max = 28232, .ports_of = PortsOf::kPeer}}},
      {Finding::kPeersDown,
       {{.cause = Cause::kNoLiveUpstreams}, {}, Servers()}},
      {Finding::kNameMoved,
       {{.cause = Cause::kConnectionTimeout}, {.peer = kFar}, Moved()}},
      {Finding::kNotRetried,
       {{.cause = Cause::kErrorStatus,
         .received_status = 503,
         .not_retried = NotRetried::kNotListed}}},
      {Finding::kSentAgain, {{.cause = Cause::kReadTimeout, .sent_to = 2}}},
  };
}

// For each finding that only many failures show, all that came.
std::map<Finding, Scene> Situations() {
  std::map<Finding, Scene> all;
  Failed replayed = Because(Cause::kErrorStatus);
  replayed.received_status = 502;
  const auto with = [&all](Finding finding) -> Scene& {
    return all.try_emplace(finding, "app", Protocol::kHttp)
        .first->second.At(kMinute);
  };
  with(Finding::kFromCache).Good(20).Bad(1, replayed).Replayed(12);

  Failed head = Because(Cause::kReadTimeout);
  head.method = "HEAD";
  with(Finding::kOneMethod).Good(211).Bad(14, head).Good(1);

  Failed late = Because(Cause::kClosedBeforeResponse);
  late.response_time = 30004;
  Failed early = late;
  early.response_time = 12040;
  with(Finding::kAlwaysAfter)
      .Good(50)
      .Bad(2, early)
      .At(kMinute + 5000)
      .Bad(31, late)
      .Good(1);

  Failed kept = Because(Cause::kClosedBeforeResponse);
  kept.reused = true;
  kept.evidence.emplace().idle_ms = 300020;
  with(Finding::kOnlyReused).Good(417).Bad(22, kept).Good(1);

  Failed large = Because(Cause::kSendReset);
  large.bytes_sent = 1048576;
  with(Finding::kOnlyLarge).Good(239).Bad(9, large).Good(1);
  return all;
}

std::string Told(const Scene& scene, Finding finding) {
  for (const DiagnosisFinding& told : scene.One().findings) {
    if (told.finding == finding) {
      return std::string(told.text);
    }
  }
  return "";
}

// What is said of each finding, as the document quotes it.
std::map<Finding, std::string> Sentences() {
  std::map<Finding, std::string> sentences;
  for (const auto& [finding, scene] : Examples()) {
    sentences[finding] = Says(scene, finding);
  }
  for (const auto& [finding, scene] : Situations()) {
    sentences[finding] = Told(scene, finding);
  }
  return sentences;
}

std::string Document() {
  const std::filesystem::path room =
      std::filesystem::path(__FILE__).parent_path();
  return (room.parent_path().parent_path().parent_path() / "docs/findings.md")
      .string();
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

// The sentences that the document has as examples are really said.
TEST(FindingsTest, ExamplesOfTheDocumentAreWhatIsSaid) {
  std::string document = Read(Document());
  const bool write = std::getenv("UPSTREAM_502_WRITE_DOCS") != nullptr;
  const auto sentences = Sentences();
  EXPECT_EQ(sentences.size(), kFindingCount);
  for (const auto& [finding, text] : sentences) {
    ASSERT_FALSE(text.empty()) << FindingName(finding);
    const size_t section =
        document.find(absl::StrCat("\n## ", FindingName(finding), "\n"));
    ASSERT_NE(section, std::string::npos) << FindingName(finding);
    const size_t begin = document.find("\n> ", section) + 3;
    const size_t end = document.find('\n', begin);
    if (write) {
      document.replace(begin, end - begin, text);
    } else {
      EXPECT_EQ(document.substr(begin, end - begin), text);
    }
  }
  if (write) {
    std::ofstream(Document()) << document;
  }
}

TEST(FindingsTest, EveryFindingButThoseOfDiagnosesIsMade) {
  const auto examples = Examples();
  EXPECT_EQ(examples.size(), static_cast<size_t>(Finding::kFromCache));
  for (const auto& [finding, scene] : examples) {
    EXPECT_EQ(Find(scene)[0].finding, finding) << NamesOf(scene);
  }
}

// Only the message and what nginx did not do tell something by themselves.
TEST(FindingsTest, NothingIsSaidThatWasNotSeen) {
  for (const auto& [finding, scene] : Examples()) {
    Failure failure = scene.failure;
    failure.not_retried = NotRetried::kUnknown;
    failure.sent_to = 0;
    failure.connect_time = -1;
    FailureText text = scene.text;
    text.message = "";
    EXPECT_TRUE(Findings(failure, text, nullptr).empty())
        << FindingName(finding);
    const Evidence nothing;
    EXPECT_TRUE(Findings(failure, text, &nothing).empty())
        << FindingName(finding);
  }
}

// The same evidence with another cause says nothing that the table does not
// have.
TEST(FindingsTest, CausesAreThoseOfTheTable) {
  for (const auto& [finding, scene] : Examples()) {
    for (size_t i = 0; i < kCauseCount; ++i) {
      FindingScene other = scene;
      other.failure.cause = static_cast<Cause>(i);
      for (const Found& found : Find(other)) {
        const absl::string_view causes = Info(found.finding).causes;
        EXPECT_TRUE(causes == "any" ||
                    absl::StrContains(causes, CauseName(other.failure.cause)))
            << FindingName(found.finding);
      }
    }
  }
}

TEST(FindingsTest, WhyIsTheFirstFindingElseTheHint) {
  const FindingScene closed = Examples()[Finding::kPortClosed];
  EXPECT_EQ(Why(closed.failure, closed.text, &closed.evidence),
            Says(closed, Finding::kPortClosed));
  EXPECT_EQ(Why(closed.failure, closed.text, nullptr),
            Hint(closed.failure, closed.text));
  FindingScene both = closed;
  both.failure.not_retried = NotRetried::kOnlyServer;
  both.evidence.oom_kills = 1;
  both.evidence.oom_seconds = 2;
  EXPECT_EQ(NamesOf(both), "port_closed oom_kill not_retried");
  // That it was not retried is not why it failed.
  EXPECT_EQ(Why(both.failure, both.text, nullptr),
            Hint(both.failure, both.text));
}

TEST(FindingsTest, OfAnEvent) {
  const FindingScene closed = Examples()[Finding::kPortClosed];
  Event event;
  event.failure = closed.failure;
  event.peer = std::string(closed.text.peer);
  EXPECT_TRUE(Findings(event).empty());
  event.evidence = closed.evidence;
  EXPECT_EQ(Findings(event).size(), 1u);
}

void ExpectPlain(const std::vector<Found>& found) {
  for (const Found& one : found) {
    ASSERT_LT(static_cast<size_t>(one.finding), kFindingCount);
    ASSERT_FALSE(one.text.empty());
    ASSERT_LE(one.text.size(), 300u) << one.text;
    ASSERT_NE(one.text.back(), '.') << one.text;
    for (const char c : one.text) {
      ASSERT_TRUE(c >= ' ' && c <= '~') << one.text;
    }
  }
}

std::string Hostile(int kind) {
  switch (kind) {
    case 0:
      return std::string(65536, 'a');
    case 1:
      return std::string("\0\0<script>alert(1)</script>\x1b[2J\r\nX: y", 38);
    case 2:
      return "\xff\xfe\xc3\x28\xe2\x80\xae gnp";
    case 3:
      return std::string(65536, '.');
    case 4:
      return "unix:" + std::string(300, '\x80');
    default:
      return "";
  }
}

TEST(FindingsTest, HostileTextIsPlainAndBounded) {
  for (const auto& [finding, scene] : Examples()) {
    for (int kind = 0; kind <= 5; ++kind) {
      const std::string bad = Hostile(kind);
      const std::string message = absl::StrCat(scene.text.message, bad);
      const std::string named =
          absl::StrCat("upstream SSL certificate does not match \"", bad, "\"");
      const std::string name = absl::StrCat(
          bad, " could not be resolved (110: Operation timed out)");
      const std::string memcached =
          absl::StrCat("memcached sent invalid response: \"", bad);
      Evidence evidence = scene.evidence;
      for (size_t i = 0; i < evidence.text.size(); ++i) {
        evidence.text[i] = bad.empty() ? '\0' : bad[i % bad.size()];
      }
      evidence.text_size = 255;
      for (const Evidence& seen : {scene.evidence, evidence}) {
        for (const std::string& line : {message, named, name, memcached}) {
          ExpectPlain(Findings(
              scene.failure,
              {.upstream = bad, .peer = bad, .method = bad, .message = line},
              &seen));
          ExpectPlain(Findings(scene.failure,
                               {.peer = scene.text.peer, .message = line},
                               &seen));
        }
      }
    }
  }
}

// What is read back from shared memory may be any bytes.
TEST(FindingsTest, AnyBytesAreTaken) {
  std::mt19937 random(502);
  constexpr absl::string_view kPeers[] = {"", kTcp, kFpm, kFar};
  for (int round = 0; round < 20000; ++round) {
    Evidence evidence;
    Failure failure;
    unsigned char bytes[sizeof(Evidence)];
    for (unsigned char& byte : bytes) {
      const unsigned number = static_cast<unsigned>(random());
      byte = static_cast<unsigned char>(round % 2 == 0 ? number : number % 4);
    }
    std::memcpy(&evidence, bytes, sizeof(evidence));
    std::memcpy(&failure, bytes, sizeof(failure));
    failure.cause = static_cast<Cause>(random() % 34);
    failure.errno_number = static_cast<int16_t>(random() % 128);
    ExpectPlain(Findings(failure, {.peer = kPeers[random() % 4]}, &evidence));
  }
}

}  // namespace
}  // namespace upstream_502
