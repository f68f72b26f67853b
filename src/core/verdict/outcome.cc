// The rules of origin, gateway response, rescue and the deciding failure.

#include "upstream_502/verdict/outcome.h"

#include <cstddef>
#include <optional>

namespace upstream_502 {
namespace {

// Whose failures decide: the request's own or those of its subrequest.
struct Blamed {
  const RequestFacts& request;
  bool own;
  Note* failure;
};

Blamed FindBlamed(const RequestFacts& request, const RequestFacts* subrequest) {
  Note* failure = LastFailure(request.notes);
  if (failure != nullptr || subrequest == nullptr) {
    return {request, true, failure};
  }
  return {*subrequest, false, LastFailure(subrequest->notes)};
}

// The last failure where it ended the request's last run: what came of the
// request after that (error_page, `return 502`) came of this failure.
const Note* EndOfLastRun(const Blamed& blamed) {
  const Note* failure = blamed.failure;
  return failure != nullptr && failure->last &&
                 failure->run == blamed.request.runs
             ? failure
             : nullptr;
}

// What the upstream module ended a run with.
int StatusOf(const Note& failure) {
  return failure.run_status > 0 ? failure.run_status
                                : failure.failure.received_status;
}

// The failure whose status the client gets although another run followed:
// `error_page` without a status of its own, or `post_action`.
const Note* SourceOfStatus(const Blamed& blamed, int status) {
  const auto& notes = blamed.request.notes;
  for (size_t i = notes.size(); i-- > 0;) {
    if (notes[i]->failed && notes[i]->last && StatusOf(*notes[i]) == status) {
      return notes[i];
    }
  }
  return nullptr;
}

// Whether the upstream answered, and auth_request made a 500 of it.
bool IsOfAuthRequest(const Note& failure) {
  const std::optional<Line>& line = failure.attempt.line;
  return line && line->says == Says::kAuthStatus;
}

bool IsGateway(const Blamed& blamed, int status) {
  if (IsGatewayStatus(status)) {
    return true;
  }
  // A 500 is one only where nginx's upstream code made it.
  if (status != 500 || blamed.failure == nullptr) {
    return false;
  }
  if (!blamed.own) {
    return !IsOfAuthRequest(*blamed.failure);
  }
  const Note* source = SourceOfStatus(blamed, status);
  return source != nullptr && source->run_status == 500;
}

Origin OriginOf(const Blamed& blamed, const RequestFacts& request) {
  if (!blamed.own && blamed.failure != nullptr) {
    return Origin::kNginx;
  }
  const Note* deciding = EndOfLastRun(blamed);
  if (deciding == nullptr) {
    deciding = SourceOfStatus(blamed, request.status);
  }
  if (deciding == nullptr) {
    return request.from_cache ? Origin::kCache : Origin::kConfig;
  }
  const Failure& failure = deciding->failure;
  return failure.cause == Cause::kErrorStatus &&
                 failure.received_status == request.status
             ? Origin::kUpstream
             : Origin::kNginx;
}

bool IsWhole(const Blamed& blamed, const RequestFacts& request) {
  const Note* deciding = EndOfLastRun(blamed);
  const bool cut = deciding != nullptr &&
                   (deciding->run_status == -1 || IsOfAuthRequest(*deciding) ||
                    (deciding->failure.phase == Phase::kBody &&
                     deciding->failure.header_time != -1));
  // HTTP/0.9 has no status: 9 in the access log.
  return request.status >= 100 && request.status != 499 && !request.aborted &&
         !cut;
}

}  // namespace

Note* LastFailure(absl::Span<Note* const> notes) {
  for (size_t i = notes.size(); i-- > 0;) {
    if (notes[i]->failed) {
      return notes[i];
    }
  }
  return nullptr;
}

bool EndedForSubrequest(const RequestFacts& request) {
  return request.attempts == 0 && request.status >= 500 &&
         !request.from_cache && LastFailure(request.notes) == nullptr;
}

Outcome DecideOutcome(const RequestFacts& request,
                      const RequestFacts* subrequest) {
  const Blamed blamed = FindBlamed(request, subrequest);
  const auto& notes = blamed.request.notes;
  Outcome outcome;
  outcome.status = request.status;
  outcome.failure = blamed.failure;
  outcome.attempts = blamed.request.attempts;
  for (const Note* note : notes) {
    outcome.failures += note->failed ? 1 : 0;
  }
  outcome.gateway = IsGateway(blamed, request.status);
  outcome.origin = OriginOf(blamed, request);
  outcome.whole = IsWhole(blamed, request);
  outcome.rescued =
      outcome.failure != nullptr && !outcome.gateway && outcome.whole;
  return outcome;
}

bool IsSubrequestRescued(const Outcome& own, bool background,
                         const Outcome& main) {
  return own.failure != nullptr && !main.gateway && main.whole &&
         (background || (!own.gateway && own.whole));
}

}  // namespace upstream_502
