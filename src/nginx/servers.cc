// Reads nginx's peers.

#include "ngx_cxx.h"

#include "servers.h"

#include <dlfcn.h>

#include <algorithm>

#include "bridge.h"
#include "context.h"

namespace upstream_502 {
namespace {

using Peer = ngx_http_upstream_rr_peer_t;
using Peers = ngx_http_upstream_rr_peers_t;

// More than an operator reads, and than the text has room for.
constexpr uint32_t kMost = 64;

// What file a function's code comes from.
const void* FileOf(const void* function) {
  Dl_info info;
  return dladdr(function, &info) == 0 ? nullptr : info.dli_fbase;
}

// The peers of `run` stand in the elements: few, or the last ones of many.
bool WasTried(const ngx_http_request_t* r, uint32_t begin,
              const ngx_str_t& name) {
  const uint32_t end = StateCount(r);
  for (uint32_t i = std::max(begin, end - std::min(end, kMost)); i < end; ++i) {
    const ngx_str_t* peer = States(r)[i].peer;
    if (peer != nullptr && View(*peer) == View(name)) {
      return true;
    }
  }
  return false;
}

// A number that other processes write to.
template <typename Number>
Number Read(const Number& number) {
  return __atomic_load_n(&number, __ATOMIC_RELAXED);
}

// When a server failed last, and until when it is left alone for that. Angie
// notes the second, nginx has it follow from when it was asked last.
struct Spell {
  time_t failed;
  time_t until;
};

template <typename P>
Spell SpellOf(const P& peer) {
  if constexpr (requires { peer.recover_at; }) {
    const time_t until = Read(peer.recover_at);
    return {until - peer.fail_timeout, until};
  } else {
    return {Read(peer.accessed), Read(peer.checked) + peer.fail_timeout};
  }
}

// The order is that in which nginx asks. False where it could be chosen.
bool Describe(const Peer& peer, bool tried, time_t now, ServerFacts* server) {
  const ngx_uint_t fails = Read(peer.fails);
  const Spell spell = SpellOf(peer);
  const ngx_uint_t conns = Read(peer.conns);
  server->address = View(peer.name);
  server->conns = static_cast<uint32_t>(conns);
  server->max_conns = static_cast<uint32_t>(peer.max_conns);
  server->fails = static_cast<uint32_t>(fails);
  if (Read(peer.down) != 0) {
    server->out = ServerOut::kDown;
    return true;
  }
  if (tried) {
    server->out = ServerOut::kTried;
    return true;
  }
  if (peer.max_fails != 0 && fails >= peer.max_fails && now <= spell.until) {
    server->out = ServerOut::kFailed;
    server->seconds_ago = static_cast<int32_t>(now - spell.failed);
    server->seconds_more = static_cast<int32_t>(spell.until - now);
    return true;
  }
  server->out = ServerOut::kMaxConns;
  return peer.max_conns != 0 && conns >= peer.max_conns;
}

// Why it failed last, as was counted here; it has a row, since it has failed.
Cause LastCause(const ngx_http_request_t* r, const UpstreamHook& hook,
                absl::string_view peer) {
  Store& store = GetMainConf(r)->zone.store;
  const uint32_t row = store.FindOrAddPeer(hook.row, peer);
  const uint8_t cause =
      store.arena().peers[row].last_cause.load(std::memory_order_relaxed);
  return store.IsOther(row) || cause >= kCauseCount ? Cause::kUnknown
                                                    : static_cast<Cause>(cause);
}

// Whether other processes add and remove peers while this one looks: they do
// where nginx follows the names of servers. nginx before 1.27.3 has no such
// servers; everywhere else the list stays as the configuration made it.
template <typename P>
bool IsChanging(const P& peers) {
  if constexpr (requires { peers.resolve; }) {
    return peers.shpool != nullptr && peers.resolve != nullptr;
  } else {
    return false;
  }
}

#if (NGX_HTTP_UPSTREAM_ZONE)

// nginx's lock for readers, if it can be had without waiting for a writer.
class TriedLock {
 public:
  TriedLock(Peers* peers, bool needed) {
    if (needed) {
      constexpr auto kWriter = static_cast<ngx_atomic_uint_t>(-1);
      const ngx_atomic_uint_t readers = peers->rwlock;
      held_ = readers < kWriter - 1 &&
                      ngx_atomic_cmp_set(&peers->rwlock, readers, readers + 1)
                  ? &peers->rwlock
                  : nullptr;
      missed_ = held_ == nullptr;
    }
  }
  ~TriedLock() {
    if (held_ != nullptr) {
      ngx_rwlock_unlock(held_);
    }
  }
  TriedLock(const TriedLock&) = delete;
  TriedLock& operator=(const TriedLock&) = delete;

  bool missed() const { return missed_; }

 private:
  ngx_atomic_t* held_ = nullptr;
  bool missed_ = false;
};

#else

struct TriedLock {
  TriedLock(Peers*, bool) {}
  bool missed() const { return false; }
};

#endif

// A failure never waits for another process. A list that stays as it was is
// read as it is: what changes in it are numbers, each of which is one word, and
// which may be of two moments. One that changes is read under nginx's own lock
// if nobody writes just now; else nothing is said.
void AddPeers(const ngx_http_request_t* r, const UpstreamHook& hook,
              Peers* peers, uint32_t begin, Evidence* evidence) {
  const TriedLock lock(peers, IsChanging(*peers));
  if (lock.missed()) {
    return;
  }
  uint32_t count = 0;
  for (const Peer* peer = peers->peer; peer != nullptr && count < kMost;
       peer = peer->next, ++count) {
    ServerFacts server;
    if (Describe(*peer, WasTried(r, begin, peer->name), ngx_time(), &server)) {
      if (server.out == ServerOut::kFailed) {
        server.last_cause = LastCause(r, hook, server.address);
      }
      AppendServer(server, evidence);
    }
  }
}

// A zone's peers were put there by nginx's own module when the zone was made.
Peers* PeersOf(const UpstreamHook& hook) {
  auto* peers = static_cast<Peers*>(hook.upstream->peer.data);
  if (!hook.own_peers) {
    return nullptr;
  }
#if (NGX_HTTP_UPSTREAM_ZONE)
  const ngx_shm_zone_t* zone = hook.upstream->shm_zone;
  const void* memory = zone == nullptr ? nullptr : zone->shm.addr;
  if (peers->shpool != memory) {
    return nullptr;
  }
#endif
  return peers;
}

}  // namespace

// A balancer of another module may keep something else there, and nothing in it
// says so. nginx's own are all part of its program (or of one file with this
// module), and their peers name the group by the address of its very name.
bool HasOwnPeers(const ngx_http_upstream_srv_conf_t& upstream) {
  const void* own =
      FileOf(reinterpret_cast<void*>(ngx_http_upstream_init_round_robin_peer));
  return own != nullptr &&
         own == FileOf(reinterpret_cast<void*>(upstream.peer.init)) &&
         upstream.peer.data != nullptr &&
         static_cast<Peers*>(upstream.peer.data)->name == &upstream.host;
}

uint32_t CountServers(const UpstreamHook& hook) {
  uint32_t count = 0;
  for (const Peers* peers = PeersOf(hook); peers != nullptr;
       peers = peers->next) {
    count += static_cast<uint32_t>(peers->number);
  }
  return count;
}

void AddServers(const ngx_http_request_t* r, const UpstreamHook& hook,
                uint32_t begin, Evidence* evidence) {
  for (Peers* peers = PeersOf(hook); peers != nullptr; peers = peers->next) {
    AddPeers(r, hook, peers, begin, evidence);
  }
}

}  // namespace upstream_502
