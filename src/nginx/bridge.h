// What every file of the adapter needs between nginx's C and plain C++.

#ifndef UPSTREAM_502_SRC_NGINX_BRIDGE_H_
#define UPSTREAM_502_SRC_NGINX_BRIDGE_H_

#include "ngx_cxx.h"

#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace upstream_502 {

inline char* const kConfOk = NGX_CONF_OK;
inline char* const kConfError = static_cast<char*>(NGX_CONF_ERROR);

inline constexpr ngx_msec_t kUnsetTime = static_cast<ngx_msec_t>(-1);

inline absl::string_view View(const ngx_str_t& text) {
  // Spares each view the check that its length is no negative number.
  if (static_cast<ngx_int_t>(text.len) < 0) {
    __builtin_unreachable();
  }
  return {reinterpret_cast<const char*>(text.data), text.len};
}

// A view of `text` for nginx, which never writes through it.
inline ngx_str_t Str(absl::string_view text) {
  return {text.size(),
          reinterpret_cast<u_char*>(const_cast<char*>(text.data()))};
}

inline ngx_log_t* LogOf(ngx_log_t* log) { return log; }
inline ngx_log_t* LogOf(const volatile ngx_cycle_t* cycle) {
  return cycle->log;
}
inline ngx_log_t* LogOf(const ngx_http_request_t* r) {
  return r->connection->log;
}

// Runs `body`; an exception (memory, mostly) becomes `failed` and a line in the
// log of `owner`. Every function nginx calls is fenced with it: an exception
// that leaves one would end the worker.
template <typename Owner, typename Result, typename Body>
Result Guarded(Owner* owner, Result failed, const Body& body) noexcept {
  try {
    return body();
  } catch (const std::exception& error) {
    ngx_log_error(NGX_LOG_CRIT, LogOf(owner), 0, "upstream_502: %s",
                  error.what());
  } catch (...) {
    ngx_log_error(NGX_LOG_CRIT, LogOf(owner), 0,
                  "upstream_502: unknown exception");
  }
  return failed;
}

template <typename Owner, typename Body>
void Guarded(Owner* owner, const Body& body) noexcept {
  Guarded(owner, 0, [&body] {
    body();
    return 0;
  });
}

// A trivially destructible object in a pool; nullptr when memory is out.
template <typename T, typename... Args>
T* PoolNew(ngx_pool_t* pool, Args&&... args) {
  static_assert(std::is_trivially_destructible_v<T>);
  void* memory = ngx_palloc(pool, sizeof(T));
  return memory == nullptr ? nullptr
                           : new (memory) T{std::forward<Args>(args)...};
}

// A copy of `text` in a pool; empty when memory is out.
inline ngx_str_t PoolCopy(ngx_pool_t* pool, absl::string_view text) {
  auto* memory = static_cast<u_char*>(ngx_pnalloc(pool, text.size() + 1));
  if (memory == nullptr) {
    return {0, nullptr};
  }
  if (!text.empty()) {
    std::memcpy(memory, text.data(), text.size());
  }
  memory[text.size()] = '\0';
  return {text.size(), memory};
}

inline bool UsesTls(const ngx_http_upstream_t& u) {
#if (NGX_HTTP_SSL)
  return u.ssl;
#else
  (void)u;
  return false;
#endif
}

// Unix time in ms, as of this turn of the event loop.
inline int64_t NowMs() {
  const ngx_time_t* now = ngx_timeofday();
  return int64_t{now->sec} * 1000 + static_cast<int64_t>(now->msec);
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_BRIDGE_H_
