// A report with a bit of everything, for the tests of the renderers.

#ifndef UPSTREAM_502_T_UNIT_SAMPLE_H_
#define UPSTREAM_502_T_UNIT_SAMPLE_H_

#include <string>
#include <utility>

#include "upstream_502/report/parts.h"

namespace upstream_502 {

inline constexpr int64_t kSampleNow = 1763675011000;  // 2025-11-20 21:43:31 UTC

// Everything a client, a backend or a configuration could try.
inline const char kNasty[] =
    "</script><b onload=\"x\">'\\\"\n\r\t\x01\x1b[31m\x7f\xc2\x9b\xe2\x80\xae"
    "\xff\xfe\xc3(\xed\xa0\x80 caf\xc3\xa9 {le=\"1\"} # EOF";

template <typename Counts, typename Key>
auto& CountOf(Counts& counts, Key key) {
  return counts[static_cast<size_t>(key)];
}

inline PeerStats SamplePeer(std::string addr, uint64_t attempts,
                            uint64_t failures, Cause cause) {
  PeerStats peer;
  peer.addr = std::move(addr);
  peer.attempts = attempts;
  peer.failures = failures;
  peer.last_success = kSampleNow - 2000;
  if (failures > 0) {
    CountOf(peer.causes, cause) = failures;
    CountOf(peer.errno_classes, ErrnoClass::kRefused) = failures;
    peer.first_failure = kSampleNow - 600000;
    peer.last_failure = kSampleNow - 3250;
    peer.last_cause = cause;
  }
  return peer;
}

// PHP behind two peers; the first refuses.
inline UpstreamStats SampleTroubled() {
  UpstreamStats upstream;
  upstream.name = "php";
  upstream.protocol = Protocol::kFastcgi;
  upstream.seen = true;
  upstream.requests = 100;
  upstream.attempts = 110;
  upstream.failures = 12;
  upstream.rescued = 4;
  CountOf(upstream.responses[1], Origin::kNginx) = 5;
  CountOf(upstream.responses[1], Origin::kUpstream) = 2;
  CountOf(upstream.responses[2], Origin::kNginx) = 1;
  CountOf(upstream.causes, Cause::kConnectionRefused) = 10;
  CountOf(upstream.causes, Cause::kErrorStatus) = 2;
  CountOf(upstream.errno_classes, ErrnoClass::kRefused) = 10;
  CountOf(upstream.findings, Finding::kPortClosed) = 9;
  upstream.history.start = kSampleNow / kMinuteMs * kMinuteMs - 59 * kMinuteMs;
  upstream.history.buckets[58] = {40, 2, 1};
  upstream.history.buckets[59] = {60, 10, 6};
  upstream.time_to_failure.counts[0] = 10;
  upstream.time_to_failure.counts[kTimeBuckets] = 2;
  upstream.time_to_failure.sum = 400004;
  upstream.time_to_failure.count = 12;
  upstream.peers = {
      SamplePeer("127.0.0.1:9000", 60, 10, Cause::kConnectionRefused),
      SamplePeer("127.0.0.1:9001", 50, 2, Cause::kErrorStatus)};
  return upstream;
}

inline UpstreamStats SampleHealthy(std::string name) {
  UpstreamStats upstream;
  upstream.name = std::move(name);
  upstream.protocol = Protocol::kHttp;
  upstream.seen = true;
  upstream.requests = upstream.attempts = 1000;
  upstream.peers = {SamplePeer("10.0.0.1:80", 1000, 0, Cause::kUnknown)};
  return upstream;
}

// Nobody listens, but on another port.
inline Evidence SampleEvidence() {
  Evidence evidence;
  evidence.asked = 1;
  evidence.where = Where::kThisMachine;
  evidence.listening = Seen::kNo;
  evidence.named = Named::kPorts;
  evidence.named_count = 1;
  evidence.text_size = 4;
  absl::string_view("9001").copy(evidence.text.data(), 4);
  return evidence;
}

inline Event SampleEvent(uint64_t id) {
  Event event;
  event.id = id;
  event.failure.time_ms = kSampleNow - 3250;
  event.failure.cause = Cause::kConnectionRefused;
  event.failure.phase = Phase::kConnect;
  event.failure.protocol = Protocol::kFastcgi;
  event.failure.rescued = 1;
  event.failure.errno_class = ErrnoClass::kRefused;
  event.failure.errno_number = 111;
  event.failure.status = 502;
  event.failure.client_status = 200;
  event.failure.attempt = 1;
  event.failure.attempts = 2;
  event.failure.response_time = 1;
  event.upstream = "php";
  event.peer = "127.0.0.1:9000";
  event.method = "GET";
  event.host = "example.com";
  event.uri = "/index.php";
  event.request_id = "d41d8cd98f00b204e9800998ecf8427e";
  event.message = "connect() failed (111: Connection refused)";
  event.evidence = SampleEvidence();
  return event;
}

// A 502 for which no attempt could be made: nothing optional is known.
inline Event SampleBareEvent(uint64_t id) {
  Event event;
  event.id = id;
  event.failure.time_ms = kSampleNow - 1000;
  event.failure.cause = Cause::kResolverMissing;
  event.failure.phase = Phase::kResolve;
  event.upstream = "api";
  return event;
}

// Over for an hour; the newest event that says why is gone.
inline Incident SampleIncident(uint64_t id) {
  Incident incident;
  incident.id = id;
  incident.upstream = "php";
  incident.protocol = Protocol::kFastcgi;
  incident.start = kSampleNow - 3900000;
  incident.end = kSampleNow - 3600000;
  incident.attempts = 50;
  incident.failures = 40;
  incident.rescued = 10;
  incident.responses = {0, 28, 2};
  CountOf(incident.causes, Cause::kConnectionRefused) = 38;
  CountOf(incident.causes, Cause::kReadTimeout) = 2;
  CountOf(incident.findings, Finding::kPortClosed) = 30;
  CountOf(incident.findings, Finding::kNotRetried) = 5;
  incident.spans[0] = 30;
  incident.spans[5] = 10;
  incident.peers = {{"127.0.0.1:9000", 38}, {"(other)", 2}};
  incident.texts = {{Finding::kPortClosed, "nothing listens on port 9000"}};
  incident.first_event = 3;
  incident.last_event = 9;
  incident.generation = 2;
  incident.since_reload = true;
  return incident;
}

inline Diagnosis SampleDiagnosis() {
  Diagnosis diagnosis;
  diagnosis.upstream = "php";
  diagnosis.severity = Severity::kDegraded;
  diagnosis.pattern = Pattern::kPartial;
  diagnosis.cause = Cause::kConnectionRefused;
  diagnosis.share = 10.0 / 12;
  diagnosis.since = kSampleNow - 600000;
  diagnosis.peers = {"127.0.0.1:9000"};
  diagnosis.summary = "nothing listens on 127.0.0.1:9000";
  diagnosis.checks = {"ss -ltnp 'sport = :9000'",
                      "systemctl status php8.2-fpm"};
  diagnosis.findings = {{Finding::kPortClosed,
                         "nothing listens on port 9000 of this machine", 9}};
  return diagnosis;
}

inline Report SampleReport() {
  Report report;
  Snapshot& snapshot = report.snapshot;
  snapshot.server = {.hostname = "web-1",
                     .nginx_version = "1.22.1",
                     .module_version = "0.1.0",
                     .pid = 1234,
                     .time = kSampleNow,
                     .start_time = kSampleNow - 3600000,
                     .load_time = kSampleNow - 60000,
                     .generation = 3};
  snapshot.zone.name = "upstream_502";
  snapshot.zone.size = 4194304;
  snapshot.zone.peers = 4;
  snapshot.zone.peers_max = 1024;
  snapshot.zone.events = 2;
  snapshot.zone.events_max = 1024;
  snapshot.zone.events_total = 12;
  UpstreamStats none;
  none.name = "(none)";
  none.seen = true;
  CountOf(none.responses[1], Origin::kConfig) = 7;
  UpstreamStats unseen = SampleHealthy("unseen");
  unseen.seen = false;
  unseen.requests = unseen.attempts = unseen.peers[0].attempts = 0;
  snapshot.upstreams = {none, SampleHealthy("api"), SampleTroubled(), unseen};

  Totals& totals = snapshot.totals;
  const UpstreamStats& troubled = snapshot.upstreams[2];
  totals.requests = 1100;
  totals.attempts = 1110;
  totals.failures = 12;
  totals.rescued = 4;
  totals.responses = troubled.responses;
  CountOf(totals.responses[1], Origin::kConfig) = 7;
  totals.causes = troubled.causes;
  totals.findings = troubled.findings;
  CountOf(totals.time_to_failure, Cause::kConnectionRefused) =
      troubled.time_to_failure;
  totals.requests_history.start = troubled.history.start;
  totals.requests_history.buckets[59] = 60;
  CountOf(totals.causes_history, Cause::kConnectionRefused)[59] = 10;

  snapshot.events = {SampleBareEvent(12), SampleEvent(11)};
  snapshot.incidents = {SampleIncident(2), SampleIncident(1)};
  snapshot.incidents[0].open = true;
  snapshot.incidents[0].start = kSampleNow - 10000;
  snapshot.incidents[0].end = kSampleNow - 3250;
  snapshot.events[1].incident = 2;
  report.diagnoses = {SampleDiagnosis()};
  return report;
}

// The same shape with kNasty wherever text goes.
inline Report NastyReport() {
  Report report = SampleReport();
  Snapshot& snapshot = report.snapshot;
  std::string longer;
  for (int i = 0; i < 6; ++i) {
    longer += kNasty;
  }
  snapshot.server.hostname = snapshot.server.nginx_version =
      snapshot.server.module_version = snapshot.zone.name = longer;
  for (UpstreamStats& upstream : snapshot.upstreams) {
    upstream.name += longer;
    for (PeerStats& peer : upstream.peers) {
      peer.addr += longer;
    }
  }
  for (Event& event : snapshot.events) {
    event.upstream += longer;
    event.peer = event.method = event.host = event.uri = event.request_id =
        event.message = longer;
    event.evidence = SampleEvidence();
    event.evidence->text_size = Evidence::kTextRoom;
    longer.copy(event.evidence->text.data(), Evidence::kTextRoom);
  }
  for (Incident& incident : snapshot.incidents) {
    incident.upstream += longer;
    incident.texts[0].text = incident.peers[0].addr = longer;
  }
  for (Diagnosis& diagnosis : report.diagnoses) {
    diagnosis.upstream += longer;
    diagnosis.summary = diagnosis.findings[0].text = longer;
    diagnosis.peers = diagnosis.checks = {String(longer), String(longer)};
  }
  return report;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_SAMPLE_H_
