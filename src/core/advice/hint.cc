// What a failure means: the cause's hint, with the protocol's own words.

#include "upstream_502/advice/hint.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/substitute.h"
#include "upstream_502/advice/http2_error.h"
#include "upstream_502/advice/limit.h"
#include "upstream_502/advice/reading.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

// What to look at in particular. `family` is a prefix of directives, "" means
// every protocol; $0 stands for the prefix.
struct Detail {
  Cause cause;
  absl::string_view family;
  absl::string_view text;
};

constexpr size_t kHintMax = 300;
constexpr int32_t kLongMs = 500;  // for a request that nobody answers

// What ends a request of theirs.
constexpr absl::string_view kHttpServers =
    "gunicorn: --timeout (WORKER TIMEOUT); uWSGI: harakiri, socket instead "
    "of http-socket; Node: server.timeout, an exception";
// The same once its header has come: it does speak HTTP.
constexpr absl::string_view kHttpBodies =
    "gunicorn: --timeout; uWSGI: harakiri; Node: an exception";
constexpr absl::string_view kGrpcServers =
    "gRPC: a server stopped without grace";

constexpr Detail kDetails[] = {
    {Cause::kConnectionRefused, "fastcgi",
     "PHP-FPM: systemctl status 'php*-fpm', listen in the pool's file"},
    {Cause::kConnectionTimeout, "fastcgi",
     "PHP-FPM: pm.max_children, listen.backlog"},
    {Cause::kConnectionTimeout, "uwsgi", "uWSGI: processes, listen"},
    {Cause::kConnectionRefused, "uwsgi", "uWSGI: socket in its file"},
    {Cause::kSocketMissing, "proxy", "gunicorn: --bind"},
    {Cause::kSocketMissing, "uwsgi", "uWSGI: socket in its file"},
    {Cause::kSocketMissing, "fastcgi",
     "PHP-FPM: listen in the pool's file, which has the version in its path"},
    {Cause::kPermissionDenied, "fastcgi",
     "PHP-FPM: listen.owner, listen.group, listen.mode"},
    {Cause::kPermissionDenied, "uwsgi", "uWSGI: chmod-socket, chown-socket"},
    {Cause::kBacklogFull, "fastcgi",
     "PHP-FPM: pm.max_children, listen.backlog"},
    {Cause::kBacklogFull, "uwsgi", "uWSGI: processes, listen"},
    {Cause::kBacklogFull, "proxy",
     "gunicorn: --workers, --backlog; uWSGI: processes, listen; Apache: "
     "MaxRequestWorkers"},

    {Cause::kTlsProtocolError, "",
     "see $0_ssl_protocols, $0_ssl_ciphers, $0_ssl_server_name, "
     "$0_ssl_certificate"},
    {Cause::kTlsCertificateInvalid, "",
     "see $0_ssl_trusted_certificate, $0_ssl_name, $0_ssl_verify"},
    {Cause::kTlsClosed, "", "see $0_ssl_server_name, $0_ssl_name"},

    {Cause::kSendReset, "fastcgi", "PHP-FPM: request_terminate_timeout"},
    {Cause::kSendReset, "uwsgi", "uWSGI: harakiri, limit-post"},
    {Cause::kKeepaliveRace, "proxy",
     "gunicorn: --keep-alive; Node: server.keepAliveTimeout"},
    {Cause::kKeepaliveRace, "fastcgi",
     "PHP-FPM: pm.max_requests ends a worker and its connections"},
    {Cause::kKeepaliveRace, "grpc",
     "gRPC: the server's max connection age and idle time"},
    {Cause::kClosedBeforeResponse, "fastcgi",
     "PHP-FPM: request_terminate_timeout, pm.max_requests, a segfault"},
    {Cause::kClosedBeforeResponse, "uwsgi",
     "uWSGI: harakiri, http-socket instead of socket"},
    {Cause::kClosedBeforeResponse, "proxy", kHttpServers},
    {Cause::kClosedBeforeResponse, "grpc", kGrpcServers},
    {Cause::kResetBeforeResponse, "fastcgi",
     "PHP-FPM: request_terminate_timeout, a segfault"},
    {Cause::kResetBeforeResponse, "uwsgi",
     "uWSGI: harakiri, http-socket instead of socket"},
    {Cause::kResetBeforeResponse, "proxy", kHttpServers},
    {Cause::kResetBeforeResponse, "grpc", kGrpcServers},
    {Cause::kHeaderIncomplete, "fastcgi", "PHP-FPM: request_terminate_timeout"},
    {Cause::kHeaderIncomplete, "uwsgi", "uWSGI: harakiri"},
    {Cause::kHeaderIncomplete, "grpc", kGrpcServers},

    {Cause::kHeaderTooBig, "proxy", "$0_buffers must grow along"},
    {Cause::kHeaderTooBig, "fastcgi", "$0_buffers must grow along"},
    {Cause::kHeaderTooBig, "uwsgi", "$0_buffers must grow along"},
    {Cause::kHeaderTooBig, "scgi", "$0_buffers must grow along"},
    {Cause::kHeaderTooBig, "grpc", "gRPC: large metadata"},
    {Cause::kProtocolError, "fastcgi",
     "an HTTP server wants proxy_pass, not fastcgi_pass"},
    {Cause::kProtocolError, "uwsgi",
     "uWSGI must listen with socket =, not http-socket ="},
    {Cause::kProtocolError, "grpc",
     "grpc_pass needs HTTP/2, grpcs:// where the port is TLS"},

    {Cause::kReadTimeout, "fastcgi",
     "PHP-FPM: pm.max_children, request_terminate_timeout, "
     "request_slowlog_timeout"},
    {Cause::kReadTimeout, "uwsgi", "uWSGI: harakiri, processes, listen"},
    {Cause::kReadTimeout, "proxy",
     "gunicorn: --workers, --timeout; uWSGI: processes, harakiri; Apache: "
     "MaxRequestWorkers"},
    {Cause::kReadTimeout, "grpc",
     "gRPC: a stream may be silent no longer than that"},
    {Cause::kErrorStatus, "fastcgi",
     "or fastcgi_catch_stderr matched what it wrote to stderr"},
    {Cause::kBodyIncomplete, "fastcgi", "PHP-FPM: request_terminate_timeout"},
    {Cause::kBodyIncomplete, "uwsgi", "uWSGI: harakiri"},
    {Cause::kBodyIncomplete, "proxy", kHttpBodies},
    {Cause::kBodyIncomplete, "grpc", kGrpcServers},
    {Cause::kBodyTimeout, "grpc",
     "gRPC: a stream may be silent no longer than that"},
};

// What decided, before the cause's own hint.
std::string Lead(const Failure& failure) {
  const Limit limit = LimitOf(failure.cause);
  const std::string directive = LimitDirective(limit, failure.protocol);
  if (limit == Limit::kBufferSize) {
    return absl::StrCat(
        "raise ", directive,
        failure.limit > 0
            ? absl::StrCat(" (now ", ConfigSize(failure.limit), ")")
            : "",
        ": ");
  }
  // Without a limit it may have been the kernel that gave up.
  if (limit != Limit::kNone && failure.limit > 0) {
    return absl::StrCat(directive, " ", ConfigTime(failure.limit),
                        " ran out: ");
  }
  if (failure.cause == Cause::kErrorStatus && failure.received_status > 0) {
    return absl::StrCat("the backend answered ", failure.received_status, ": ");
  }
  return "";
}

// What ended up with the client, where that is known, of a failure that came
// after the response had begun.
std::string Client(const Failure& failure) {
  const Cause cause = failure.cause;
  const bool cuts =
      cause == Cause::kBodyIncomplete || cause == Cause::kBodyTimeout ||
      cause == Cause::kProtocolError || cause == Cause::kInternalError;
  const bool idle = failure.received_status == 101 || failure.event_stream != 0;
  if (failure.phase != Phase::kBody || !cuts ||
      (idle && cause == Cause::kBodyTimeout)) {
    return "";
  }
  if (failure.rescued != 0) {
    return "; the client saw nothing of it";
  }
  const bool error = failure.client_status >= 500;
  const bool gone = failure.client_status == 499 || failure.client_status == 0;
  // max_fails counts what fails before the body only.
  const bool stays = failure.group_size > 1 && cause != Cause::kInternalError;
  return absl::StrCat(
      gone ? ""
           : absl::StrCat("; the client got ", error ? "" : "a cut ",
                          failure.client_status),
      stays ? "; nginx does not stop using it" : "");
}

// Servers' own limits on a request's header: some answer with a status.
absl::string_view HeaderLimits(absl::string_view family) {
  return family == "proxy"   ? " (uWSGI: buffer-size; with 4xx "
                               "gunicorn --limit-request-field_size, "
                               "Node --max-http-header-size)"
         : family == "uwsgi" ? "; uWSGI: buffer-size (4096 unless changed)"
                             : "";
}

// Such an answer takes no server out where the directive lacks its word.
std::string GoesOn(const Failure& failure, absl::string_view family) {
  const bool word = family != "memcached" && (failure.received_status == 502 ||
                                              failure.received_status == 504);
  return failure.cause == Cause::kErrorStatus && word &&
                 failure.group_size > 1 &&
                 failure.not_retried == NotRetried::kNotListed
             ? absl::StrCat("; nginx goes on asking it, ", family,
                            "_next_upstream has no http_",
                            failure.received_status)
             : "";
}

void AppendDetails(Cause cause, absl::string_view family, std::string* hint) {
  for (const Detail& detail : kDetails) {
    if (detail.cause == cause &&
        (detail.family.empty() || detail.family == family)) {
      absl::StrAppend(hint, "; ", absl::Substitute(detail.text, family));
    }
  }
}

// Whether settings of the service's may be behind it.
bool IsOfTheService(Finding finding) {
  switch (finding) {
    case Finding::kPortClosed:
    case Finding::kSocketStale:
    case Finding::kSocketAbsent:
    case Finding::kNoPermission:
    case Finding::kQueueFull:
    case Finding::kNotAccepted:
    case Finding::kNotRead:
    case Finding::kNoAnswer:
    case Finding::kIdleClosed:
    case Finding::kClosedInUse:
    case Finding::kHeaderSize:
      return true;
    default:
      return false;
  }
}

// Words of the message leave no room for what is said in general.
bool TakesDetails(Reading reading) {
  return reading == Reading::kNone || reading == Reading::kUnixLeftBehind ||
         reading == Reading::kUnixForbidden || reading == Reading::kLargeHeader;
}

}  // namespace

std::string Hint(const Failure& failure, const FailureText& text) {
  const absl::string_view family = DirectivePrefix(failure.protocol);
  const Reading reading = ReadingOf(failure, text);
  const absl::string_view words = ReadingHint(reading);
  std::string hint = Lead(failure);
  absl::StrAppend(&hint, words.empty() ? std::string(Info(failure.cause).hint)
                                       : absl::Substitute(words, family));
  if (const Http2Error error = Http2ErrorOf(text.message);
      reading == Reading::kStreamRefused && !error.name.empty()) {
    absl::StrAppend(&hint, " (", error.name, "): ", error.means);
  }
  if (reading == Reading::kLargeHeader) {
    absl::StrAppend(&hint, HeaderLimits(family));
  }
  if (TakesDetails(reading) &&
      (reading != Reading::kLargeHeader || family != "uwsgi")) {
    AppendDetails(failure.cause, family, &hint);
  }
  absl::StrAppend(&hint, GoesOn(failure, family), Client(failure));
  return hint;
}

std::string HintOf(Finding finding, const Failure& failure,
                   const FailureText& text) {
  const absl::string_view act = Info(finding).act;
  // That the service is there tells less than how its connection ended, or
  // what had come.
  if (act.empty() || finding == Finding::kStillListening ||
      (finding == Finding::kNoAnswer && failure.cause == Cause::kBodyTimeout)) {
    return Hint(failure, text);
  }
  const absl::string_view family = DirectivePrefix(failure.protocol);
  std::string hint =
      absl::StrReplaceAll(act, {{"proxy_", absl::StrCat(family, "_")}});
  if (IsOfTheService(finding)) {
    AppendDetails(failure.cause, family, &hint);
  }
  return hint;
}

std::string HintOfSilence(const Failure& failure, const FailureText& text,
                          const std::string& hint) {
  if (!TakesDetails(ReadingOf(failure, text))) {
    return hint;
  }
  const absl::string_view family = DirectivePrefix(failure.protocol);
  const std::string speaks = absl::StrCat(
      "it has not answered once since counting began: check whether it "
      "speaks what ",
      family, "_pass speaks");
  if (failure.cause == Cause::kReadTimeout) {
    const std::string both = absl::StrCat(hint, "; ", speaks);
    return both.size() <= kHintMax ? both : hint;
  }
  // As "return 444" does.
  const bool by_host = family == "proxy" && failure.response_time < kLongMs &&
                       failure.cause == Cause::kClosedBeforeResponse;
  const std::string asks = absl::StrCat(
      speaks, ", without TLS and the PROXY protocol,", by_host ? "" : " or",
      " is a relay "
      "(docker-proxy, HAProxy in TCP mode) whose own target "
      "refuses",
      by_host ? ", or closes for the Host it was sent" : "", "; else ");
  // Something ran there for a while, or still does.
  if (failure.response_time >= kLongMs) {
    std::string details;
    AppendDetails(failure.cause, family, &details);
    if (details.size() > 2 && asks.size() + details.size() - 2 <= kHintMax) {
      return absl::StrCat(asks, details.substr(2));
    }
  }
  return absl::StrCat(asks, "see the service's log");
}

}  // namespace upstream_502
