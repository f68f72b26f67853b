// From nginx's structs to a question, and from the answer into the note.

#include "ngx_cxx.h"

#include "probe.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "bridge.h"
#include "certificate.h"
#include "context.h"
#include "names.h"
#include "own_event.h"
#include "servers.h"
#include "system/budget.h"
#include "system/probe.h"
#include "upstream_502/verdict/classify.h"
#include "upstream_502/words/finding.h"

namespace upstream_502 {
namespace {

// What a worker asks with.
struct Asker {
  Prober prober;
  Budget budget;
  std::vector<Address> own;  // where nginx listens
};

// This worker's; the master and the cache's processes have none.
constinit std::optional<Asker> asker;

// More often than findings look back.
constexpr ngx_msec_t kLookEvery = 30 * 1000;

// This worker's, too.
OwnEvent look;
int clock_fd = -1;

// It never falls.
int64_t Ticks() { return static_cast<int64_t>(ngx_current_msec); }

void LookAgain(ngx_event_t* event) {
  Guarded(event->log, [] { asker->prober.Look(Ticks()); });
  uint64_t ticks = 0;
  if (clock_fd != -1 && event->active) {
    (void)!read(clock_fd, &ticks, sizeof(ticks));
  } else if (!ngx_exiting) {
    ngx_add_timer(event, kLookEvery);
  }
}

// A clock of the kernel's. A timer of nginx's is something that every timer of
// every request has to find its way past.
int OpenClock() {
  const itimerspec every = {{kLookEvery / 1000, 0}, {kLookEvery / 1000, 0}};
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd != -1 && timerfd_settime(fd, 0, &every, nullptr) == 0) {
    return fd;
  }
  if (fd != -1) {
    close(fd);
  }
  return -1;
}

void LookNowAndThen(ngx_log_t* log) {
  PrepareEvent(&look, LookAgain, nullptr, log);
  clock_fd = OpenClock();
  if (!Hear(&look, clock_fd)) {
    ngx_add_timer(&look.read, kLookEvery);
  }
}

std::vector<Address> OwnListeners(const ngx_cycle_t& cycle) {
  std::vector<Address> own;
  const auto* listening =
      static_cast<const ngx_listening_t*>(cycle.listening.elts);
  for (ngx_uint_t i = 0; i < cycle.listening.nelts; ++i) {
    const Address address =
        AddressOf(listening[i].sockaddr, listening[i].socklen);
    if (address.family != AddressFamily::kNone) {
      own.push_back(address);
    }
  }
  return own;
}

// As in $upstream_addr. nginx may have let go of the peer's own name by now,
// and inside connect() the element has none yet.
absl::string_view PeerName(const ngx_http_upstream_t& u, const Note& note) {
  if (note.element == kNoElement) {
    return "";
  }
  if (u.state != nullptr && u.state->peer != nullptr) {
    return View(*u.state->peer);
  }
  if (!note.peer.empty()) {
    return note.peer;
  }
  return u.peer.name == nullptr ? absl::string_view() : View(*u.peer.name);
}

// What was read of the response as long as its header is not whole, from its
// first byte on; before that lies the header of a cache file. Until the attempt
// stands, the buffer still holds what the one before has said.
absl::string_view Received(const ngx_http_request_t* r, const Attempt& a) {
  const ngx_buf_t& buffer = r->upstream->buffer;
  const u_char* begin = buffer.start;
  if (begin == nullptr || !a.connected || a.header_done) {
    return "";
  }
#if (NGX_HTTP_CACHE)
  begin += r->cache == nullptr ? 0 : r->cache->header_start;
#endif
  return begin >= buffer.last
             ? absl::string_view()
             : absl::string_view(reinterpret_cast<const char*>(begin),
                                 static_cast<size_t>(buffer.last - begin));
}

ProbeRequest Question(const ngx_http_request_t* r, const Failure& failure,
                      absl::string_view peer, const Note& note) {
  const ngx_http_upstream_t& u = *r->upstream;
  const ngx_connection_t* c = u.peer.connection;
  ProbeRequest request = {
      .cause = failure.cause,
      .phase = failure.phase,
      .errno_number = failure.errno_number,
      .tls = UsesTls(u),
      .reused = failure.reused != 0,
      .fd = c == nullptr ? -1 : c->fd,
      .peer = peer,
      .received = Received(r, note.attempt),
      .records = absl::StartsWith(View(u.schema), "fastcgi"),
      .own = asker->own,
      .now_ms = Ticks(),
  };
  if (note.element == kNoElement && u.resolved != nullptr) {
    request.host = View(u.resolved->host);
  }
  return request;
}

bool ConcernsResolver(Cause cause) {
  return cause == Cause::kDnsTimeout || cause == Cause::kDnsError;
}

bool IsAsked(Cause cause) {
  return IsAskedAbout(cause) || ConcernsTls(cause) || ConcernsResolver(cause) ||
         cause == Cause::kNoLiveUpstreams;
}

// Each of the name servers: in nginx they are an array, in Angie a list.
template <typename Connections, typename Visit>
void ForEachResolver(const Connections& servers, const Visit& visit) {
  if constexpr (requires { servers->next; }) {
    for (auto server = servers; server != nullptr; server = server->next) {
      visit(*server);
    }
  } else {
    const auto* all = static_cast<ngx_resolver_connection_t*>(servers.elts);
    std::for_each(all, all + servers.nelts, visit);
  }
}

// The name servers that nginx had to ask.
void AddResolvers(ngx_http_request_t* r, Evidence* evidence) {
  const auto* core = static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_get_module_loc_conf(r, ngx_http_core_module));
  if (core->resolver != nullptr) {
    ForEachResolver(core->resolver->connections,
                    [evidence](const ngx_resolver_connection_t& server) {
                      AppendItem(Named::kResolvers, View(server.server),
                                 evidence);
                    });
  }
}

// What nginx knows, and not the kernel.
void AddOwn(ngx_http_request_t* r, const Failure& failure,
            absl::string_view peer, Evidence* evidence) {
  if (ConcernsTls(failure.cause)) {
    AddCertificate(r->upstream, failure, evidence);
  }
  if (ConcernsResolver(failure.cause)) {
    AddResolvers(r, evidence);
  }
  const Context* context = AttachedContext(r);
  if (failure.cause == Cause::kNoLiveUpstreams && context != nullptr &&
      context->hook != nullptr) {
    AddServers(r, *context->hook, context->begin, evidence);
  }
  if (IsOfCause(Finding::kNameMoved, failure.cause) && context != nullptr &&
      context->hook != nullptr) {
    AskName(
        r, *context->hook, peer,
        [](absl::string_view name) { return asker->prober.MayBeHost(name); },
        evidence);
  }
  if (failure.cause == Cause::kLocalExhausted && failure.errno_number == 0) {
    const volatile ngx_cycle_t* cycle = ngx_cycle;
    evidence->connections_max = static_cast<int32_t>(cycle->connection_n);
    evidence->connections_used =
        static_cast<int32_t>(cycle->connection_n - cycle->free_connection_n);
  }
}

// What of the attempt decides which cause it is: as good as the cause for
// counting kinds of failures, and nothing has to be judged for those that are
// too many to be asked about.
int KindOf(const Attempt& a) {
  const unsigned facts =
      (a.reused ? 1U : 0U) | (a.connected ? 2U : 0U) | (a.sending ? 4U : 0U) |
      (a.header_done ? 8U : 0U) | (a.tls_started ? 16U : 0U) |
      (a.tls_handshaked ? 32U : 0U) | (a.request_sent ? 64U : 0U) |
      (a.bytes_received > 0 ? 128U : 0U);
  const unsigned says = a.line ? static_cast<unsigned>(a.line->says) : 0;
  const unsigned error =
      a.line ? static_cast<unsigned>(a.line->errno_number) & 0xff : 0;
  return static_cast<int>(facts << 16 | says << 8 | error);
}

// Where no peer was chosen the name that could not be resolved counts as one.
bool TakeBudget(const ngx_http_request_t* r, const Note& note) {
  const ngx_http_upstream_t& u = *r->upstream;
  const absl::string_view peer =
      note.element == kNoElement && u.resolved != nullptr
          ? View(u.resolved->host)
          : PeerName(u, note);
  return asker->budget.Take(ProbeKey(peer, KindOf(note.attempt)), Ticks());
}

[[gnu::noinline]] void Ask(ngx_http_request_t* r, const Failure& failure,
                           Note* note) {
  auto* evidence =
      IsAsked(failure.cause) ? PoolNew<Evidence>(r->pool) : nullptr;
  if (evidence == nullptr) {
    return;
  }
  const absl::string_view peer = PeerName(*r->upstream, *note);
  if (failure.cause == Cause::kNoLiveUpstreams) {
    evidence->asked = 1;  // there is no peer to ask about
  } else {
    asker->prober.Probe(Question(r, failure, peer, *note), evidence);
  }
  AddOwn(r, failure, peer, evidence);
  note->evidence = evidence;
  ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                 "upstream_502 asked about attempt %uD: cause %d, listening %d",
                 note->element, static_cast<int>(failure.cause),
                 static_cast<int>(evidence->listening));
}

bool MayAsk(ngx_http_request_t* r) {
  return asker && GetLocConf(r)->evidence != 0;
}

}  // namespace

void StartProbing(ngx_cycle_t* cycle) {
  const auto* conf = static_cast<MainConf*>(
      ngx_http_cycle_get_module_main_conf(cycle, ngx_http_upstream_502_module));
  if (conf == nullptr || !conf->asks ||
      (ngx_process != NGX_PROCESS_WORKER &&
       ngx_process != NGX_PROCESS_SINGLE)) {
    return;
  }
  asker.emplace();
  asker->own = OwnListeners(*cycle);
  asker->prober.Warm(Ticks());
  LookNowAndThen(cycle->log);
  StartAskingNames();
}

void StopProbing() { StopAskingNames(); }

// Judged as if nginx gave up now, which it mostly does: what it will say of the
// attempt is not known before.
void AskAtLine(ngx_http_request_t* r, Note* note) {
  if (!MayAsk(r) || !TakeBudget(r, *note)) {
    return;
  }
  const ngx_err_t error = ngx_errno;  // nginx may look at it after its line
  Attempt attempt = note->attempt;
  attempt.tls = UsesTls(*r->upstream);
  attempt.unix_socket =
      absl::StartsWith(PeerName(*r->upstream, *note), "unix:");
  attempt.ending =
      note->element == kNoElement ? Ending::kNoAttempt : Ending::kFinal;
  attempt.rc = NGX_HTTP_BAD_GATEWAY;
  const std::optional<Failure> failure = Classify(attempt);
  if (failure) {
    Ask(r, *failure, note);
  }
  ngx_set_errno(error);
}

void AskAtEnd(ngx_http_request_t* r, const Failure& failure, Note* note) {
  if (note->evidence != nullptr) {
    if (asker) {
      asker->prober.AskAgain(
          Question(r, failure, PeerName(*r->upstream, *note), *note),
          note->evidence);
    }
    return;
  }
  if (MayAsk(r) && IsAsked(failure.cause) && TakeBudget(r, *note)) {
    Ask(r, failure, note);
  }
}

}  // namespace upstream_502
