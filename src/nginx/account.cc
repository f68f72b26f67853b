// Accounts runs: each attempt is described, judged, remembered and counted.

#include "ngx_cxx.h"

#include "account.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "incident_log.h"
#include "measure.h"
#include "probe.h"
#include "retry.h"
#include "servers.h"
#include "upstream_502/advice/findings.h"
#include "upstream_502/verdict/classify.h"

namespace upstream_502 {
namespace {

// A run as it is accounted.
struct Run {
  Context* context;
  ngx_http_request_t* request;
  const ngx_http_upstream_t* upstream;
  Protocol protocol;
  Store* store;
  int64_t now;
  int rc;
  absl::string_view name;
  absl::string_view target;
  uint32_t row;
  uint32_t end;  // behind its last element
};

// An element of r->upstream_states while it is looked at.
struct Element {
  uint32_t index = kNoElement;
  const State* state = nullptr;
  bool last = true;      // of its run
  uint32_t attempt = 0;  // its number in the request, from 1; 0: none was made
  uint32_t sent = 0;     // attempts up to it that sent the request, or a part
  int64_t later = 0;     // ms that the elements behind it took
};

// The peer of an element: its name, where that is known, and its row.
struct Peer {
  absl::string_view name = "";
  uint32_t row = kNoPeer;
};

uint32_t Worker() { return static_cast<uint32_t>(ngx_worker); }

// What nginx speaks with the upstream. The schemes of a module differ by TLS
// alone. A tunnel has none.
Protocol ProtocolOf(const Context& context) {
  const ngx_http_upstream_t* u = context.upstream;
  const UpstreamHook* hook = context.hook;
  if (kShortcuts && hook != nullptr && hook->finalize != nullptr &&
      hook->finalize == context.finalize && hook->tls == UsesTls(*u)) {
    return hook->protocol;
  }
  return ParseProtocol(u->schema.len == 0 && u->conf != nullptr
                           ? View(u->conf->module)
                           : View(u->schema));
}

Run MakeRun(Context* context, int rc) {
  Run run{.context = context,
          .request = context->request,
          .upstream = context->upstream,
          .protocol = ProtocolOf(*context),
          .store = &GetMainConf(context->request)->zone.store,
          .now = NowMs(),
          .rc = rc,
          .name = {},
          .target = {},
          .row = kNoUpstream,
          .end = StateCount(context->request)};
  if (context->hook != nullptr) {
    run.name = View(context->hook->name);
    run.row = context->hook->row;
  } else {
    const CountedAs counted =
        HowCounted(run.request, run.upstream, context->location);
    run.name = counted.name;
    run.target = counted.target;
    run.row = RowOf(GetMainConf(run.request), counted);
  }
  return run;
}

Note* FindNote(const Run& run, uint32_t element) {
  return run.context->notes.Find(run.context->runs, element);
}

// Visits the attempts of the run from the element `begin` on, in order, in a
// time that grows with their number: a request may try thousands of peers.
// Returns how many there are.
template <typename Visit>
uint32_t ForEachElement(const Run& run, uint32_t begin, const Visit& visit) {
  if (begin >= run.end) {
    return 0;
  }
  const State* states = States(run.request);
  Element element;
  for (uint32_t i = 0; i < begin; ++i) {
    element.attempt += IsPause(states[i]) ? 0U : 1U;
    element.sent += states[i].bytes_sent > 0 ? 1U : 0U;
  }
  for (uint32_t i = begin; i < run.end; ++i) {
    element.later += TimeOf(states[i]);
  }
  const uint32_t before = element.attempt;
  for (uint32_t i = begin; i < run.end; ++i) {
    element.last = i + 1 == run.end;
    element.later -= TimeOf(states[i]);
    if (!element.last && IsPause(states[i])) {
      run.context->notes.PassOn(run.context->runs, i);
      continue;
    }
    element.index = i;
    element.state = &states[i];
    ++element.attempt;
    element.sent += states[i].bytes_sent > 0 ? 1U : 0U;
    visit(element);
  }
  return element.attempt - before;
}

// A group without a live server is named in the place of one.
bool IsGroup(const Run& run, absl::string_view peer) {
  const ngx_http_upstream_srv_conf_t* group = run.upstream->upstream;
  return group != nullptr && peer == View(group->host);
}

Peer PeerOf(const Run& run, const State& state, const Note* note) {
  const bool named = state.peer != nullptr && state.peer->len != 0;
  const absl::string_view name = named             ? View(*state.peer)
                                 : note != nullptr ? note->peer
                                                   : absl::string_view();
  if (name.empty() || IsGroup(run, name)) {
    return {name, kNoPeer};
  }
  MainConf* conf = GetMainConf(run.request);
  return {name, named ? PeerRowOf(conf, run.row, state.peer, run.now)
                      : FindPeerRow(&conf->zone, run.row, name, run.now)};
}

// Completes what Classify wants to know of an element. What a line said that
// did not end the attempt is out of date by now.
void Describe(const Run& run, const Element& element, const Peer& peer,
              bool recognized, Attempt* attempt) {
  const ngx_http_upstream_t* u = run.upstream;
  const State& state = *element.state;
  const bool header_done = state.header_time != kUnsetTime;
  const bool stale = element.last && ServedStale(u);
  if (!recognized) {
    attempt->connected = state.connect_time != kUnsetTime;
    attempt->request_sent = attempt->connected;
    attempt->header_done = header_done;
    attempt->bytes_received = static_cast<uint64_t>(state.bytes_received);
  }
  attempt->protocol = run.protocol;
  attempt->ending = element.last ? Ending::kFinal : Ending::kRetried;
  attempt->peer_named = peer.row != kNoPeer;
  attempt->unix_socket = absl::StartsWith(peer.name, "unix:");
  attempt->tls = UsesTls(*u);
  attempt->upgraded = element.last && u->upgrade;
  attempt->status = static_cast<uint16_t>(state.status);
  attempt->rc = run.rc;
  attempt->received_status = 0;
  if (attempt->upgraded && !recognized && run.rc == NGX_HTTP_GATEWAY_TIME_OUT) {
    // What nginx says of a silent connection, as information to nobody.
    attempt->message = "upstream timed out (110: Connection timed out)";
    attempt->line.reset();
  }
  attempt->not_http =
      element.last && header_done && !stale && IsPassedAsNoHttp(run.request, u);
  if (header_done && !attempt->not_http) {
    // Stale content replaces what the upstream has said.
    attempt->received_status = static_cast<uint16_t>(
        element.last && !stale && u->headers_in.status_n != 0
            ? u->headers_in.status_n
            : state.status);
    if (stale && state.status >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
      attempt->ending = Ending::kRetried;  // given up for the stale copy
    }
  }
  if (element.last && run.rc == 0 && IsCutFastcgi(u)) {
    attempt->rc = NGX_HTTP_BAD_GATEWAY;  // what nginx says of other cut bodies
  }
}

// The peer's name for as long as the request: a zone's peer may change its own
// before, and a row may be another peer's by then.
absl::string_view KeepPeer(const Run& run, const Peer& peer) {
  return View(PoolCopy(run.request->pool, peer.name));
}

// What came of it: how many servers have had the request, and why no other one
// was asked where it is the last failure, which no stale copy hides.
void AddRetries(const Run& run, const Element& element, const Attempt& attempt,
                Failure* failure) {
  const uint32_t servers = run.context->hook != nullptr
                               ? CountServers(*run.context->hook)
                               : ServersOf(run.upstream);
  failure->sent_to =
      static_cast<uint8_t>(std::min<uint32_t>(element.sent, UINT8_MAX));
  failure->group_size =
      static_cast<uint16_t>(std::min<uint32_t>(servers, UINT16_MAX));
  // What auth_request makes of an answer comes too late for another server.
  if (element.state != nullptr && element.last && !ServedStale(run.upstream) &&
      !(attempt.line && attempt.line->says == Says::kAuthStatus)) {
    SayWhyNotRetried({.request = run.request,
                      .upstream = run.upstream,
                      .rc = run.rc,
                      .attempts = run.end - run.context->begin,
                      .servers = servers,
                      .stream_closed = attempt.line && attempt.line->says ==
                                                           Says::kStreamClosed},
                     failure);
  }
}

// Keeps the failure for variables and its event.
void Remember(const Run& run, const Element& element, const Peer& peer,
              const Failure& failure, Note* note) {
  note->failed = true;
  note->last = element.last;
  note->run_status = run.rc;
  note->failure = failure;
  // Now is when the run ended.
  note->failure.time_ms = run.now - element.later;
  note->failure.attempt = static_cast<uint16_t>(element.attempt);
  if (element.state != nullptr) {
    AddTimes(*element.state, &note->failure);
  }
  if (failure.phase <= Phase::kConnect) {
    note->failure.connect_time = -1;  // Angie notes it before it knows
  }
  AddLimit(note->attempt, run.request, run.upstream, &note->failure);
  note->failure.event_stream =
      failure.cause == Cause::kBodyTimeout && IsEventStream(run.upstream);
  AddRetries(run, element, note->attempt, &note->failure);
  note->upstream = run.name;
  note->target = run.target;
  note->peer = KeepPeer(run, peer);
  note->rows = run.store->Remember(run.row);
  ngx_log_debug4(NGX_LOG_DEBUG_HTTP, run.request->connection->log, 0,
                 "upstream_502 attempt %uD failed: cause %d, phase %d, rc %d",
                 element.attempt, static_cast<int>(failure.cause),
                 static_cast<int>(failure.phase), run.rc);
}

// Whether and how the attempt failed; then it is remembered, in `note` where it
// has one. nullptr where it did not, or memory is out.
const Note* Judge(const Run& run, const Element& element, const Peer& peer,
                  const Attempt& attempt, Note* note) {
  const std::optional<Failure> failure = Classify(attempt);
  if (!failure) {
    return nullptr;
  }
  if (note == nullptr) {
    note = run.context->notes.Add(run.request->pool, run.context->runs,
                                  element.index, 0);
  }
  if (note != nullptr) {
    if (&attempt != &note->attempt) {
      note->attempt = attempt;
    }
    Remember(run, element, peer, *failure, note);
    if (element.last && (!note->recognized || note->evidence != nullptr)) {
      AskAtEnd(run.request, note->failure, note);
    }
  }
  return note;
}

const Note* JudgeElement(const Run& run, const Element& element,
                         const Peer& peer, Note* note) {
  if (note != nullptr) {
    Describe(run, element, peer, note->recognized, &note->attempt);
    return Judge(run, element, peer, note->attempt, note);
  }
  Attempt attempt;
  Describe(run, element, peer, false, &attempt);
  return Judge(run, element, peer, attempt, nullptr);
}

// What the kernel's answers say is counted with it. Where nothing was asked,
// nothing is made up of sentences: a flood must stay cheap.
void CountFailure(const Run& run, uint32_t peer, const Note& note) {
  const uint64_t opened = run.store->AddFailedAttempt(
      run.row, peer, Worker(), run.now, note.failure,
      note.evidence == nullptr ? std::vector<Finding>()
                               : FindingKinds(note.failure,
                                              {.upstream = note.upstream,
                                               .peer = note.peer,
                                               .message = note.attempt.message},
                                              note.evidence));
  if (opened != 0) {
    LogOpened(GetMainConf(run.request), opened);
  }
}

void AccountElement(const Run& run, const Element& element) {
  Note* note = FindNote(run, element.index);
  const Peer peer = PeerOf(run, *element.state, note);
  const Note* failed = JudgeElement(run, element, peer, note);
  if (failed != nullptr) {
    CountFailure(run, peer.row, *failed);
  } else if (peer.row != kNoPeer) {
    run.store->AddAttempt(peer.row, Worker(), run.now,
                          element.state->header_time != kUnsetTime);
  }
}

// It was counted as an attempt that went well; of those no peer has a failure.
void AccountUselessElement(const Run& run, const Element& element,
                           absl::string_view message, const Line& line) {
  Note* note = FindNote(run, element.index);
  if (note != nullptr && note->failed) {
    return;  // that explains it
  }
  const Peer peer = PeerOf(run, *element.state, note);
  Attempt attempt;
  Describe(run, element, peer, false, &attempt);
  if (line.says == Says::kSliceMissing && run.request == run.request->main) {
    attempt.received_status = 0;  // the first slice's
  }
  attempt.message = View(PoolCopy(run.request->pool, message));
  attempt.line = line;
  const Note* failed = Judge(run, element, peer, attempt, note);
  if (failed != nullptr) {
    CountFailure(run, kNoPeer, *failed);
  }
}

// nginx gave up before an attempt.
void AccountNoAttempt(const Run& run) {
  Note* note = FindNote(run, kNoElement);
  Attempt attempt = note == nullptr ? Attempt() : note->attempt;
  attempt.protocol = run.protocol;
  attempt.ending = Ending::kNoAttempt;
  attempt.rc = run.rc;
  attempt.connected = attempt.request_sent = attempt.header_done = false;
  attempt.bytes_received = 0;
  const Note* failed = Judge(run, Element(), Peer(), attempt, note);
  if (failed != nullptr) {
    CountFailure(run, kNoPeer, *failed);
  }
}

// Of the first run of a configured upstream that is accounted.
void LearnProtocol(const Run& run) {
  UpstreamHook* hook = run.context->hook;
  if (hook != nullptr && hook->finalize != nullptr) {
    return;
  }
  run.store->SetProtocol(run.row, run.protocol);
  if (hook != nullptr && run.protocol != Protocol::kUnknown) {
    hook->finalize = run.context->finalize;
    hook->protocol = run.protocol;
    hook->tls = UsesTls(*run.upstream);
    hook->grpc = IsGrpc(run.protocol);
  }
}

}  // namespace

void CountFirstSuccess(const ngx_http_request_t* r, const UpstreamHook& hook) {
  MainConf* conf = GetMainConf(r);
  Store& store = conf->zone.store;
  const int64_t now = NowMs();
  const ngx_str_t* peer = States(r)[0].peer;
  if (peer->len != 0) {
    store.AddAttempt(PeerRowOf(conf, hook.row, peer, now), Worker(), now,
                     /*success=*/true);
  }
  store.AddRequest(hook.row, Worker(), now, 1);
  if (hook.grpc) {
    CountGrpcStatus(*r->upstream, &store, hook.row);
  }
}

// Flattened: calls would cost a failure some hundred instructions.
[[gnu::flatten, gnu::noinline]] void AccountRun(Context* context, int rc) {
  if (!context->open) {
    return;
  }
  context->open = false;
  const Run run = MakeRun(context, rc);
  LearnProtocol(run);
  const uint32_t begin = std::max(context->begin, context->accounted);
  const uint32_t attempts = ForEachElement(
      run, begin,
      [&run](const Element& element) { AccountElement(run, element); });
  if (run.end <= context->begin && rc >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
    AccountNoAttempt(run);
  }
  run.store->AddRequest(run.row, Worker(), run.now, attempts);
  if (begin < run.end && IsGrpc(run.protocol)) {
    CountGrpcStatus(*run.upstream, run.store, run.row);
  }
  context->accounted = run.end;
}

void AccountUseless(Context* context, absl::string_view message,
                    const Line& line) {
  const Run run = MakeRun(context, 0);
  if (!context->open && run.end > context->begin) {
    ForEachElement(run, run.end - 1, [&](const Element& element) {
      AccountUselessElement(run, element, message, line);
    });
  }
}

[[gnu::noinline]] void Peek(Context* context) {
  const Run run = MakeRun(context, 0);
  ForEachElement(run, context->begin, [&run](const Element& element) {
    const State& state = *element.state;
    const bool relayed = IsGatewayStatus(static_cast<int>(state.status)) &&
                         state.header_time != kUnsetTime;
    Note* note = FindNote(run, element.index);
    if ((!element.last || relayed) && (note == nullptr || !note->failed)) {
      JudgeElement(run, element, PeerOf(run, state, note), note);
    }
  });
}

}  // namespace upstream_502
