// Finds the attempt that a late line is about.

#include "ngx_cxx.h"

#include "late.h"

#include "account.h"
#include "context.h"
#include "run.h"

namespace upstream_502 {
namespace {

// The newest subrequest that `r` has waited for and that was answered so. One
// without a context had no upstream, or a response out of a cache.
Context* FindAnswered(const ngx_http_request_t* r, int status) {
  Context* context = NewestContext(r);
  while (context != nullptr &&
         (context->request->parent != r || !context->request->waited ||
          RequestStatus(context->request) != status)) {
    context = context->older;
  }
  return context;
}

// Whether the line is about what the upstream sent: the response may have come
// out of a cache, or out of a file that X-Accel-Redirect named.
bool IsOfUpstream(const ngx_http_upstream_t* u, const Line& line) {
  return u->state != nullptr &&
         (u->header_sent || line.says == Says::kSliceStatus ||
          line.says == Says::kSliceMissing);
}

// Whether a failure of a subrequest explains why there is no slice.
bool IsExplained(ngx_http_request_t* r, const Line& line) {
  if (line.says != Says::kSliceMissing) {
    return false;
  }
  for (const Context* each = NewestContext(r); each != nullptr;
       each = each->older) {
    if (each->request != r && !each->notes.all().empty() &&
        each->notes.all().back()->failed) {
      return true;
    }
  }
  return false;
}

// The context of `r` with its last run, which is over and counted.
Context* ContextOfLastRun(ngx_http_request_t* r) {
  Context* context = FindContext(r);
  if (context == nullptr || context->upstream != r->upstream) {
    context = OpenRun(r, r->upstream, HookOf(r, r->upstream), RunBegin(r));
    if (context != nullptr) {
      context->open = false;
      context->accounted = StateCount(r);
    }
  }
  return context;
}

}  // namespace

void NoteAuthStatus(ngx_http_request_t* r, absl::string_view message,
                    const Line& line) {
  Context* context = FindAnswered(r, AuthStatus(message));
  if (context != nullptr) {
    AccountUseless(context, message, line);
  }
}

void NoteLateLine(ngx_http_request_t* r, absl::string_view message,
                  const Line& line) {
  Context* context = IsOfUpstream(r->upstream, line) && !IsExplained(r, line)
                         ? ContextOfLastRun(r)
                         : nullptr;
  if (context != nullptr) {
    AccountUseless(context, message, line);
  }
}

}  // namespace upstream_502
