#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <algorithm>

#include "absl/strings/match.h"
#include "account.h"
#include "bridge.h"
#include "elements.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kUnixPrefix = "unix:";

// A run as it is accounted.
struct Run {
  Record* record;
  ngx_http_request_t* request;
  const ngx_http_upstream_t* upstream;
  Store* store;
  int64_t now;
  int rc;
  absl::string_view name;
  uint32_t row;
  uint32_t end;
};

// The peer of an element: its name, where that is kept, and its row.
struct Peer {
  absl::string_view name = "";
  uint32_t row = kNoPeer;
};

uint32_t Worker() { return static_cast<uint32_t>(ngx_worker); }

int32_t Milliseconds(ngx_msec_t value) {
  return value == kUnsetTime
             ? -1
             : static_cast<int32_t>(std::min<ngx_msec_t>(value, INT32_MAX));
}

// FastCGI without keep-alive ends its body with the connection: nginx takes a
// body for whole that is shorter than its Content-Length. Record headers are
// in read_length too, so that this is certain where it is said.
bool IsCutFastcgi(const ngx_http_upstream_t* u) {
  return EndedShort(u) && View(u->schema) == "fastcgi://";
}

// Whether the last attempt of a run that ended with `rc`, and of which no line
// was logged, did not fail: Classify would say so too.
bool EndedWell(const ngx_http_upstream_t* u, const State& state, int rc) {
  return rc <= 0 && !IsGatewayStatus(state.status) && !ServedStale(u) &&
         !IsCutFastcgi(u);
}

// Completes what Classify wants to know of an element.
void Describe(const Run& run, const State& state, absl::string_view peer,
              bool last, bool recognized, Attempt* attempt) {
  const ngx_http_upstream_t* u = run.upstream;
  const bool header_done = state.header_time != kUnsetTime;
  // What a line said that did not end the attempt is out of date by now.
  if (!recognized) {
    attempt->connected = state.connect_time != kUnsetTime;
    attempt->request_sent = attempt->connected;
    attempt->header_done = header_done;
    attempt->bytes_received = static_cast<uint64_t>(state.bytes_received);
  }
  attempt->protocol = ProtocolOf(u);
  attempt->ending = last ? Ending::kFinal : Ending::kRetried;
  attempt->unix_socket = absl::StartsWith(peer, kUnixPrefix);
#if (NGX_HTTP_SSL)
  attempt->tls = u->ssl;
#endif
  attempt->upgraded = last && u->upgrade;
  attempt->status = static_cast<uint16_t>(state.status);
  attempt->rc = run.rc;
  if (header_done) {
    // Stale content replaces what the upstream has said.
    attempt->received_status = static_cast<uint16_t>(
        last && !ServedStale(u) && u->headers_in.status_n != 0
            ? u->headers_in.status_n
            : state.status);
    if (last && ServedStale(u) &&
        state.status >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
      attempt->ending = Ending::kRetried;  // given up for the stale copy
    }
  }
  if (last && run.rc == 0 && IsCutFastcgi(u)) {
    attempt->rc = NGX_HTTP_BAD_GATEWAY;  // what nginx says of other cut bodies
  }
}

// nginx's own limit that decided; -1 where none did.
int64_t DecidingLimit(const ngx_http_upstream_t* u, Cause cause,
                      absl::string_view message) {
  const ngx_http_upstream_conf_t* conf = u->conf;
  if (conf == nullptr) {
    return -1;
  }
  if (cause == Cause::kHeaderTooBig) {
    return static_cast<int64_t>(conf->buffer_size);
  }
  if (cause == Cause::kBodyTimeout) {
    return Milliseconds(conf->read_timeout);
  }
  ngx_msec_t timeout = kUnsetTime;
  if (cause == Cause::kReadTimeout) {
    timeout = conf->read_timeout;
  } else if (cause == Cause::kSendTimeout) {
    timeout = conf->send_timeout;
  } else if (cause == Cause::kConnectionTimeout ||
             cause == Cause::kTlsTimeout) {
    timeout = conf->connect_timeout;
  }
  return timeout != kUnsetTime &&
                 absl::StartsWith(message, "upstream timed out")
             ? Milliseconds(timeout)
             : -1;
}

// The times and counts of an element.
void AddTimes(const State& state, const Element& element, EventFacts* facts) {
  facts->connect_time = Milliseconds(state.connect_time);
  facts->header_time = Milliseconds(state.header_time);
  facts->response_time = Milliseconds(state.response_time);
  facts->bytes_sent = static_cast<uint64_t>(state.bytes_sent);
  facts->bytes_received = static_cast<uint64_t>(state.bytes_received);
  // Now is when the run ended.
  facts->time_ms -= element.later;
  facts->attempt = static_cast<uint16_t>(element.attempt);
}

// The peer's name for as long as the request. A zone's peer may change its
// own before; a row never does.
absl::string_view KeepPeer(const Run& run, const Peer& peer) {
  return run.store->IsOther(peer.row)
             ? View(PoolCopy(run.request->pool, peer.name))
             : run.store->PeerName(peer.row);
}

// Remembers the failure for variables and its event.
void Remember(const Run& run, const Element& element, const Judgment& judgment,
              const Peer& peer) {
  NotedAttempt* failure = element.noted;
  if (!failure->failed) {
    failure->failed = true;
    failure->event_id = 0;
    ++run.record->failure_count;
  }
  failure->last = element.index == kNoElement || element.index + 1 == run.end;
  failure->run_status = run.rc;
  failure->verdict = judgment.verdict;
  failure->facts = judgment.facts;
  failure->facts.time_ms = run.now;
  failure->facts.limit = DecidingLimit(run.upstream, judgment.verdict.cause,
                                       failure->attempt.message);
  if (element.index != kNoElement) {
    AddTimes(States(run.request)[element.index], element, &failure->facts);
  }
  failure->upstream = run.name;
  failure->peer = KeepPeer(run, peer);
  failure->rows = {run.row, peer.row};
}

[[gnu::cold]] void WarnOfOverflow(Zone* zone, int64_t now) {
  if (zone->store.TakeOverflowWarning(now)) {
    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "upstream_502_zone \"%V\" is full, further peers are counted "
                  "under \"(other)\"",
                  &zone->name);
  }
}

inline uint32_t FindPeer(Zone* zone, uint32_t upstream, absl::string_view peer,
                         int64_t now) {
  const uint32_t row = zone->store.FindOrAddPeer(upstream, peer);
  if (zone->store.IsOther(row)) {
    WarnOfOverflow(zone, now);
  }
  return row;
}

// The row of the peer with this name, a string that stays where it is: the
// row is remembered.
uint32_t PeerRowOf(MainConf* conf, uint32_t upstream, const ngx_str_t* name,
                   int64_t now) {
  uint32_t* row = RememberedRow(conf, name);
  if (!conf->zone.store.IsPeer(*row, upstream,
                               reinterpret_cast<const char*>(name->data),
                               name->len)) {
    *row = FindPeer(&conf->zone, upstream, View(*name), now);
  }
  return *row;
}

Peer PeerOf(const Run& run, const State& state, const NotedAttempt* noted) {
  MainConf* conf = GetMainConf(run.request);
  if (state.peer != nullptr && state.peer->len != 0) {
    return {View(*state.peer), PeerRowOf(conf, run.row, state.peer, run.now)};
  }
  if (noted == nullptr || noted->peer.empty()) {
    return {};
  }
  return {noted->peer, FindPeer(&conf->zone, run.row, noted->peer, run.now)};
}

void CountFailure(const Run& run, uint32_t peer_row, const Verdict& verdict,
                  int64_t time_to_failure) {
  run.store->AddFailedAttempt(run.row, peer_row, Worker(),
                              {.cause = verdict.cause,
                               .errno_class = verdict.errno_class,
                               .time_ms = run.now,
                               .time_to_failure = time_to_failure});
}

// Whether and why an attempt has failed; then it is remembered.
const Verdict& Conclude(const Run& run, const Peer& peer,
                        const Element& element) {
  const Judgment& judgment = classifier.Judge(element.noted->attempt);
  if (judgment.verdict.failed) {
    Remember(run, element, judgment, peer);
  }
  return judgment.verdict;
}

// What is kept of an attempt without a line. nullptr when memory is out.
[[gnu::noinline]] NotedAttempt* NewSilent(Record* record, uint32_t element) {
  NotedAttempt* noted = NewAttempt(record, element, 0);
  if (noted != nullptr) {
    noted->attempt = Attempt();
  }
  return noted;
}

// False when memory is out.
bool KeepSilent(const Run& run, Element* element) {
  if (element->noted == nullptr) [[unlikely]] {
    element->noted = NewSilent(run.record, element->index);
  }
  return element->noted != nullptr;
}

// The element's `noted` is not nullptr.
const Verdict& Judge(const Run& run, const Peer& peer, const Element& element) {
  NotedAttempt* noted = element.noted;
  Describe(run, States(run.request)[element.index], peer.name,
           element.index + 1 == run.end, noted->recognized, &noted->attempt);
  return Conclude(run, peer, element);
}

void AccountElement(const Run& run, const State& state, Element* element) {
  const Peer peer = PeerOf(run, state, element->noted);
  if ((element->noted != nullptr || element->index + 1 != run.end ||
       !EndedWell(run.upstream, state, run.rc)) &&
      KeepSilent(run, element)) {
    const Verdict& verdict = Judge(run, peer, *element);
    if (verdict.failed) {
      CountFailure(run, peer.row, verdict, element->noted->facts.response_time);
      return;
    }
  }
  if (peer.row != kNoPeer) {
    run.store->AddAttempt(peer.row, Worker(), run.now,
                          state.header_time != kUnsetTime);
  }
}

Run MakeRun(Record* record, int rc) {
  Run run{};
  run.record = record;
  run.request = record->request;
  run.upstream = record->upstream;
  run.store = &GetMainConf(run.request)->zone.store;
  run.now = NowMs();
  run.rc = rc;
  run.end = StateCount(run.request);
  if (record->hook != nullptr) {
    run.name = View(record->hook->name);
    run.row = record->hook->row;
  } else {
    run.name = View(UpstreamName(run.request, run.upstream));
    run.row = run.name.empty()
                  ? kNoUpstream
                  : run.store->FindOrAddUpstream(run.name, Protocol::kUnknown);
  }
  return run;
}

// nginx gave up before an attempt.
void AccountNoAttempt(const Run& run) {
  Element element;
  element.noted = TakeKept(run.record);  // there can be no more than this
  if (!KeepSilent(run, &element)) {
    return;
  }
  Attempt& attempt = element.noted->attempt;
  attempt.protocol = ProtocolOf(run.upstream);
  attempt.ending = Ending::kNoAttempt;
  attempt.rc = run.rc;
  attempt.connected = attempt.request_sent = attempt.header_done = false;
  attempt.bytes_received = 0;
  const Peer nobody;
  const Verdict& verdict = Conclude(run, nobody, element);
  if (verdict.failed) {
    CountFailure(run, kNoPeer, verdict, -1);
  }
  Put(run.record, element.noted);
}

void NoteProtocol(const Run& run) {
  UpstreamHook* hook = run.record->hook;
  if (hook == nullptr || hook->finalize == nullptr) {
    const Protocol protocol = ProtocolOf(run.upstream);
    run.store->SetProtocol(run.row, protocol);
    if (hook != nullptr && protocol != Protocol::kUnknown) {
      hook->finalize = run.record->finalize;
    }
  }
}

// Of a run with more than one attempt, or none, or of which nothing is kept.
// A copy of the run, so that the usual one need not be in memory.
[[gnu::noinline]] void CountOtherRun(Run run, uint32_t begin) {
  ForEachElement(run.record, begin, run.end,
                 [&run](const State& state, Element* element) {
                   AccountElement(run, state, element);
                 });
  if (run.end <= run.record->begin &&
      run.rc >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
    AccountNoAttempt(run);
  }
}

void CountRun(Record* record, int rc) {
  const Run run = MakeRun(record, rc);
  NoteProtocol(run);
  const uint32_t begin = std::max(record->begin, record->accounted);
  if (HasOneElement(*record, begin, run.end)) [[likely]] {
    NotedAttempt* noted = record->noted;
    Element element = {.index = 0, .attempt = 1, .noted = noted};
    record->noted = nullptr;
    AccountElement(run, States(run.request)[0], &element);
    Put(record, noted);
  } else {
    CountOtherRun(run, begin);
  }
  run.store->AddRequest(run.row, Worker(), run.now, run.end - begin);
}

// A request that ended in 500 before its upstream was set up: nginx's
// upstream module gave up without a word.
bool FailedSilently(const ngx_http_request_t* r) {
  return r->err_status == 500 && r->upstream_states == nullptr &&
         !r->upstream->header_sent && r->upstream->headers_in.status_n == 0;
}

}  // namespace

// Flattened: their calls would cost a failure 200 instructions more.
[[gnu::flatten]] void AccountRun(Record* record, int rc) {
  if (!record->open) {
    return;
  }
  record->open = false;
  CountRun(record, rc);
  record->accounted = StateCount(record->request);
  record->noted = nullptr;
}

bool CountPlainRun(const ngx_http_request_t* r, const UpstreamHook& hook,
                   int rc) {
  const State& state = States(r)[0];
  if (StateCount(r) != 1 || state.peer == nullptr || state.peer->len == 0 ||
      !EndedWell(r->upstream, state, rc)) {
    return false;
  }
  MainConf* conf = GetMainConf(r);
  const int64_t now = NowMs();
  conf->zone.store.AddAttempt(PeerRowOf(conf, hook.row, state.peer, now),
                              Worker(), now, state.header_time != kUnsetTime);
  conf->zone.store.AddRequest(hook.row, Worker(), now, 1);
  return true;
}

void CloseRun(Record* record, int status) {
  AccountRun(record, record->finalize == nullptr ? status : 0);
}

uint32_t RunBegin(const ngx_http_request_t* r) {
  uint32_t begin = StateCount(r);
  while (begin > 0 && !IsSeparator(States(r)[begin - 1])) {
    --begin;
  }
  return begin;
}

void CatchUp(ngx_http_request_t* r, int status) {
  ngx_http_upstream_t* u = r->upstream;
  if (u == nullptr || u->cleanup != nullptr) {
    return;  // none, or at work
  }
  Record* record = FindRecord(r);
  if (record != nullptr && record->open) {
    CloseRun(record, status);
    return;
  }
  const bool silent = record == nullptr && FailedSilently(r);
  // Where `u->upstream` is set, the run was seen or is not to be counted.
  if (u->upstream != nullptr || !GetLocConf(r)->enable ||
      (!silent &&
       StateCount(r) <= (record == nullptr ? 0 : record->accounted))) {
    return;
  }
  record = FindOrAddRecord(r);
  if (record == nullptr) {
    return;
  }
  record->upstream = u;
  record->hook = HookOf(r, u);
  record->begin = RunBegin(r);
  record->open = true;
  ++record->runs;
  AccountRun(record, silent ? 500 : 0);
}

void Settle(ngx_http_request_t* r) {
  ForEachRecord(r, [](Record* record) {
    if (IsUnsettled(*record)) {
      CatchUp(record->request, RequestStatus(record->request));
    }
  });
  if (FindRecord(r) == nullptr) {
    CatchUp(r, RequestStatus(r));
  }
}

void Peek(Record* record) {
  if (!record->open) {
    return;
  }
  const Run run = MakeRun(record, 0);
  ForEachElement(record, record->begin, run.end,
                 [&run](const State& state, Element* element) {
                   const bool last = element->index + 1 == run.end;
                   const bool relayed = IsGatewayStatus(state.status) &&
                                        state.header_time != kUnsetTime;
                   const Peer peer = PeerOf(run, state, element->noted);
                   if ((!last || relayed) && KeepSilent(run, element) &&
                       !element->noted->failed) {
                     Judge(run, peer, *element);
                   }
                 });
}

}  // namespace upstream_502
