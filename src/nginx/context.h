// The one object that is kept of a request (or subrequest) whose upstream had
// trouble: its run at work, and notes about its attempts. A request that goes
// well never has one.

#ifndef UPSTREAM_502_SRC_NGINX_CONTEXT_H_
#define UPSTREAM_502_SRC_NGINX_CONTEXT_H_

#include "ngx_cxx.h"

#include <cstdint>

#include "absl/types/span.h"
#include "hooks.h"
#include "upstream_502/verdict/note.h"

namespace upstream_502 {

using State = ngx_http_upstream_state_t;

// The notes of one request, in the order of its attempts, each found by its
// run and its element of r->upstream_states. They live in the request's pool.
class Notes {
 public:
  Notes() = default;
  Notes(const Notes&) = delete;
  Notes& operator=(const Notes&) = delete;

  // nullptr where there is none. Most are the last one.
  Note* Find(uint32_t run, uint32_t element) const {
    if (count_ == 0) {
      return nullptr;
    }
    if (Is(*at_[count_ - 1], run, element)) {
      return at_[count_ - 1];
    }
    Note* const* place = Place(run, element);
    return place != at_ + count_ && Is(**place, run, element) ? *place
                                                              : nullptr;
  }
  // Where there was none, with `room` bytes for a message; nullptr when memory
  // is out.
  Note* Add(ngx_pool_t* pool, uint32_t run, uint32_t element, size_t room);

  // What was said of `element` is the next one's, unless that has its own.
  void PassOn(uint32_t run, uint32_t element) {
    Note* note = Find(run, element);
    if (note != nullptr && Find(run, element + 1) == nullptr) {
      ++note->element;
    }
  }

  absl::Span<Note* const> all() const { return {at_, count_}; }

 private:
  static bool Is(const Note& note, uint32_t run, uint32_t element) {
    return note.run == run && note.element == element;
  }
  // Where the note is or would be: at the end, mostly.
  Note** Place(uint32_t run, uint32_t element) const {
    Note** end = at_ + count_;
    return count_ == 0 || IsBefore(*end[-1], run, element)
               ? end
               : Search(run, element);
  }
  Note** Search(uint32_t run, uint32_t element) const;
  bool MakeRoom(ngx_pool_t* pool);

  Note* few_[2] = {};  // until there are more
  Note** at_ = few_;
  uint32_t count_ = 0;
  uint32_t room_ = 2;
};

struct Family;

struct Context {
  ngx_http_request_t* request = nullptr;
  Family* family = nullptr;  // of its main request
  Context* older = nullptr;  // made before it in that family
  Notes notes;               // of all its runs
  uint32_t runs = 0;         // begun so far
  uint32_t accounted = 0;    // elements before this one are counted
  // Of the locations that its runs were asked by the one that tells least.
  RecordUri record_uri = RecordUri::kFull;
  // Of the open run, else of the last one:
  ngx_http_upstream_t* upstream = nullptr;
  UpstreamHook* hook = nullptr;     // nullptr for a target from a variable
  void* const* location = nullptr;  // that asks, as its loc_conf
  FinalizeHandler finalize =
      nullptr;         // the upstream module's, while it is ours
  uint32_t begin = 0;  // its first element
  bool open = false;
};

// All contexts of a main request and its subrequests. It is found through the
// main request's r->ctx, or through its pool cleanup once error_page or
// X-Accel-Redirect has cleared that.
struct Family {
  ngx_pool_cleanup_t cleanup;  // in the request's pool, for nothing but that
  Context* main;
  Context* newest;
  Context** places;  // open addressing by request; not for one alone
  uint32_t mask;     // of their number, a power of two
  uint32_t count;
};

// Whether nginx may have cleared r->ctx: the request was redirected within, or
// a filter has ended it.
inline bool MayBeDetached(const ngx_http_request_t* r) {
  return r->uri_changes != NGX_HTTP_MAX_URI_CHANGES + 1 || r->filter_finalize;
}

inline Context* AttachedContext(const ngx_http_request_t* r) {
  return static_cast<Context*>(
      ngx_http_get_module_ctx(r, ngx_http_upstream_502_module));
}

// nullptr where there is none.
Context* FindDetachedContext(ngx_http_request_t* r);
inline Context* FindContext(ngx_http_request_t* r) {
  Context* context = AttachedContext(r);
  return context != nullptr || !MayBeDetached(r) ? context
                                                 : FindDetachedContext(r);
}
// nullptr only when memory is out.
Context* FindOrAddContext(ngx_http_request_t* r);

// The family of the main request of `r`; nullptr where there is none.
Family* FindDetachedFamily(ngx_http_request_t* main);
inline Family* FindFamily(const ngx_http_request_t* r) {
  const Context* attached = AttachedContext(r->main);
  if (attached != nullptr) {
    return attached->family;
  }
  return MayBeDetached(r->main) ? FindDetachedFamily(r->main) : nullptr;
}

// The newest context among the main request of `r` and all its subrequests; the
// others follow as `older`. nullptr where there is none.
inline Context* NewestContext(const ngx_http_request_t* r) {
  const Family* family = FindFamily(r);
  return family == nullptr ? nullptr : family->newest;
}

inline uint32_t StateCount(const ngx_http_request_t* r) {
  return r->upstream_states == nullptr
             ? 0
             : static_cast<uint32_t>(r->upstream_states->nelts);
}

inline State* States(const ngx_http_request_t* r) {
  return static_cast<State*>(r->upstream_states->elts);
}

// An element that nginx puts between two runs of one request.
inline bool IsSeparator(const State& state) {
  return state.peer == nullptr && state.status == 0 &&
         state.connect_time == 0 && state.header_time == 0 &&
         state.response_time == 0 && state.bytes_received == 0;
}

// Of an element that others follow: whether it is no attempt. nginx puts such
// ones between runs; Tengine (dynamic_resolve) begins one to wait for a name,
// and another one for the attempt then.
inline bool IsPause(const State& state) {
  return state.peer == nullptr && state.status == 0;
}

// Whether `context` has attempts that are not counted yet.
inline bool IsUnsettled(const Context& context) {
  return context.open || StateCount(context.request) > context.accounted;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_CONTEXT_H_
