// Which error line of nginx means what: the table of lines.

#include "upstream_502/verdict/line.h"

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "upstream_502/words/usual.h"

namespace upstream_502 {
namespace {

using enum Says;

constexpr absl::string_view kNoResolverDefined =
    "no resolver defined to resolve ";
constexpr absl::string_view kUnexpectedAuth =
    "auth request unexpected status: ";

// A line that starts with `prefix` and ends, but for the errno, with `suffix`.
struct LinePattern {
  absl::string_view prefix;
  Says says;
  bool has_errno = false;  // nginx ends the line with " (N: text)"
  std::optional<Phase> phase = std::nullopt;
  absl::string_view suffix = "";
};

constexpr bool kErrno = true;

// The first that matches counts. Text from outside follows a quotation mark
// or another fixed text, so it never decides which line this is.
constexpr LinePattern kPatterns[] = {
    // Lines that look like failures.
    {"FastCGI sent in stderr", kHarmless},
    {"upstream sent duplicate header line: ",
     kHarmless,
     false,
     {},
     "\", ignored"},
    {"upstream sent more data than specified in ", kHarmless},
    {"upstream sent data after ", kHarmless},
    {"upstream sent too big early hints", kHarmless},
    {"upstream server temporarily disabled", kHarmless},
    {"memcached sent invalid trailer", kHarmless},
    {"ignoring stale global SSL error", kHarmless},
    {"SSL_shutdown() failed", kHarmless, kErrno},
    {"setsockopt(", kHarmless, kErrno, {}, " failed, ignored"},
    {"close() socket", kHarmless, kErrno},
    {"invalid local address \"", kHarmless},
    {"cache file \"", kHarmless},
    {"client ", kHarmless},
    {"epoll_wait() reported that client ", kHarmless, kErrno},
    {"kevent() reported that client ", kHarmless, kErrno},

    // Before a connection.
    {"no live upstreams", kNoLive},
    {kNoResolverDefined, kUnresolved},
    {"connect() ", kConnectFailed, kErrno},
    {"kevent() reported that connect() failed", kConnectFailed, kErrno},
    {"socket() failed", kExhausted, kErrno},
    {"the new socket has number ", kExhausted},
    {"upstream timed out", kTimedOut, kErrno},

    // TLS.
    {"peer closed connection in SSL handshake", kTlsClosed, kErrno},
    {"SSL_do_handshake() failed", kTlsFailed, kErrno},
    {"upstream SSL certificate ", kCertificate},
    {"upstream prematurely sent response", kPlainText},

    // The exchange.
    {"upstream prematurely closed connection", kClosed},
    {"kevent() reported that upstream closed connection", kClosed, kErrno},
    {"kevent() reported about an closed connection", kClosed, kErrno},
    {"recv() failed", kReadFailed, kErrno},
    {"readv() failed", kReadFailed, kErrno},
    {"SSL_read() failed", kTlsReadFailed, kErrno},
    {"send() failed", kWriteFailed, kErrno},
    {"writev() failed", kWriteFailed, kErrno},
    {"sendfile() failed", kWriteFailed, kErrno},
    {"SSL_write() failed", kWriteFailed, kErrno},
    {"SSL_sendfile() failed", kWriteFailed, kErrno},

    // The response.
    {"upstream sent too big header", kTooBigHeader},
    {"upstream sent too large http2 header", kTooBigHeader},
    {"upstream sent invalid header", kInvalidHeader},
    {"upstream sent invalid status ", kInvalidHeader},
    {"upstream sent duplicate header line: ", kInvalidHeader},
    {"upstream sent \"Content-Length\" and ", kInvalidHeader},
    {"upstream sent invalid \"Content-Length\" ", kInvalidHeader},
    {"upstream sent unknown \"Transfer-Encoding\"", kInvalidHeader},
    {"upstream sent HTTP/1.0 response with early hints", kInvalidHeader},
    {"upstream sent duplicate :status header", kInvalidHeader},
    {"upstream sent invalid :status ", kInvalidHeader},
    {"upstream sent unexpected :status ", kInvalidHeader},
    {"upstream sent no :status header", kInvalidHeader},
    {"upstream sent no valid HTTP/1.0 header", kNotHttp},
    {"upstream sent invalid chunked response", kBadChunk},
    {"upstream sent too big trailers", kBadChunk},
    {"upstream sent invalid trailer: ", kBadChunk},
    {"upstream prematurely closed stream", kStreamClosed},
    {"upstream prematurely closed FastCGI ", kBodyEnded},
    {"upstream rejected request with error ", kBrokenOff},
    {"upstream sent goaway with error ", kBrokenOff},
    // Every other complaint is about frames and records.
    {"upstream sent ", kFraming},
    {"upstream violated ", kFraming},
    {"memcached sent invalid ", kFraming},

    // Filters, of what they are to pass on.
    {"unexpected status code ", kSliceStatus, false, {}, " in slice response"},
    {"etag mismatch in slice response", kSliceMisfit},
    {"invalid range in slice response", kSliceMisfit},
    {"no complete length in slice response", kSliceMisfit},
    {"unexpected range in slice response: ", kSliceMisfit},
    {"missing slice response", kSliceMissing},
    {"inflate() ", kBadCoding},
    {"too big subrequest response", kTooMuchToKeep},
    {kUnexpectedAuth, kAuthStatus},

    // nginx's own trouble.
    {"no port in upstream \"", kConfig},
    {"invalid port in upstream \"", kConfig},
    {"invalid host in upstream \"", kConfig},
    {"no host in upstream \"", kConfig},
    {"invalid IPv6 address in upstream \"", kConfig},
    {"no path in the unix domain socket in upstream \"", kConfig},
    {"too long path in the unix domain socket in upstream \"", kConfig},
    {"invalid URL prefix in \"", kConfig},
    {"zero length URI to proxy", kConfig},
    {"suwsgi protocol requires SSL support", kConfig},
    {"grpcs protocol requires SSL support", kConfig},
    {"no upstream configuration", kConfig},
    {"cache \"", kConfig, false, {}, "\" not found"},
    {"the \"$memcached_key\" variable is not set", kConfig},
    {"bind(", kConfig, kErrno, Phase::kConnect},
    {"setsockopt(IP", kConfig, kErrno, Phase::kConnect},
    {"setsockopt(SO_BINDANY", kConfig, kErrno, Phase::kConnect},
    {"could not enable transparent proxying", kConfig, false, Phase::kConnect},
    {"cannot load certificate", kConfig, false, Phase::kTls},
    {"SSL_use_", kConfig, false, Phase::kTls},
    {"SSL_set0_chain(", kConfig, false, Phase::kTls},
    {"SSL_set_tlsext_host_name(", kConfig, false, Phase::kTls},
    {"SSL_sendfile() ", kTrouble, false, Phase::kSend},
    {"SSL_", kTrouble, false, Phase::kTls},
    {"setsockopt(TCP_", kTrouble, kErrno, Phase::kSend},
    {"setsockopt(!TCP_", kTrouble, kErrno, Phase::kSend},
    {"setsockopt(", kTrouble, kErrno},
    {"ioctl(", kTrouble, kErrno},
    {"epoll_ctl(", kTrouble, kErrno},
    {"kevent() ", kTrouble, kErrno},
    {"sendfile() reported that ", kTrouble, false, Phase::kSend},
    {"send() returned zero", kTrouble, false, Phase::kSend},
    {"pread() ", kTrouble, kErrno, Phase::kSend},
    {"read() ", kTrouble, kErrno, Phase::kSend},
    {"fcntl(O_DIRECT) ", kTrouble, kErrno, Phase::kSend},
    {"fcntl(!O_DIRECT) ", kTrouble, kErrno, Phase::kSend},
    {"fcntl(", kTrouble, kErrno},
    {"negative size buf in ", kTrouble, false, Phase::kSend},
    {"zero size buf in ", kTrouble, false, Phase::kSend},
    {"bad buf in output chain", kTrouble, false, Phase::kSend},
    {"file buf in writev", kTrouble, false, Phase::kSend},
    {"no connection data found for ", kTrouble, false, Phase::kSend},
    {"invalid header after joining FastCGI records", kTrouble},
    {"connection upgrade in subrequest", kTrouble, false, Phase::kBody},
    {"header already sent", kTrouble, false, Phase::kBody},
    {"thread pool \"", kTrouble},
    {"pwritev() \"", kTrouble, kErrno},
    {"pwrite() \"", kTrouble, kErrno},
    {"writev() \"", kTrouble, kErrno},
    {"write() \"", kTrouble, kErrno},
    {"open() \"", kOpenFailed, kErrno},
    {"malloc(", kTrouble, kErrno},
    {"posix_memalign(", kTrouble, kErrno},
    {"memalign(", kTrouble, kErrno},
    {"mmap(", kTrouble, kErrno},
    {"fastcgi request ", kTrouble},
    {"uwsgi request ", kTrouble},
    {"scgi request ", kTrouble},
    {"too long http2 ", kTrouble},
    {"no buffer space in ", kTrouble},
};

bool Matches(absl::string_view message, const LinePattern& pattern) {
  // Most differ in the first letter, which spares a call.
  if (message[0] != pattern.prefix[0] ||
      !absl::StartsWith(message, pattern.prefix)) {
    return false;
  }
  if (pattern.suffix.empty()) {
    return true;
  }
  if (pattern.has_errno) {
    message = message.substr(0, message.rfind(" ("));
  }
  return absl::EndsWith(message, pattern.suffix);
}

const LinePattern* FindPattern(absl::string_view message) {
  for (const LinePattern& pattern : kPatterns) {
    if (!message.empty() && Matches(message, pattern)) {
      return &pattern;
    }
  }
  return nullptr;
}

// The N of a line that ends with " (N: text)"; 0 where it does not. Text from
// outside may end so too: only for lines that are known to end with an errno.
int NumberAtEnd(absl::string_view message) {
  const char* const begin = message.data();
  const char* const end = begin + message.size();
  if (message.empty() || end[-1] != ')') {
    return 0;
  }
  const auto* open =
      static_cast<const char*>(memrchr(begin, '(', message.size()));
  if (open == nullptr || open == begin || open[-1] != ' ') {
    return 0;
  }
  // The parenthesis at the end stops it. No errno has as many as nine digits.
  int number = 0;
  const char* at = open + 1;
  for (; absl::ascii_isdigit(static_cast<unsigned char>(*at)); ++at) {
    if (at - open > 9) {
      return 0;
    }
    number = number * 10 + (*at - '0');
  }
  return at > open + 1 && at[0] == ':' && at[1] == ' ' ? number : 0;
}

// Lines that are not told by how they begin.
Says SaysAtEnd(absl::string_view message) {
  if (absl::EndsWith(message, " worker_connections are not enough")) {
    return kExhausted;
  }
  return ResolverCode(message) != 0 ? kUnresolved : kNothing;
}

}  // namespace

Line RecognizeLine(absl::string_view message) {
  const LinePattern* pattern = FindPattern(message);
  if (pattern == nullptr) {
    return {.says = SaysAtEnd(message)};
  }
  Line line = {.says = pattern->says, .phase = pattern->phase};
  if (pattern->has_errno) {
    line.errno_number = NumberAtEnd(message);
    line.errno_class = ClassifyErrno(line.errno_number);
  }
  line.usual = UsualLine(message, line.errno_number);
  return line;
}

int AuthStatus(absl::string_view message) {
  int status = 0;
  return absl::ConsumePrefix(&message, kUnexpectedAuth) &&
                 absl::SimpleAtoi(message, &status)
             ? status
             : -1;
}

bool IsOfConnection(const Line& line) {
  switch (line.errno_class) {
    case ErrnoClass::kNone:
    case ErrnoClass::kRefused:
    case ErrnoClass::kReset:
    case ErrnoClass::kBrokenPipe:
    case ErrnoClass::kTimedOut:
    case ErrnoClass::kUnreachable:
      return true;
    case ErrnoClass::kNotFound:
    case ErrnoClass::kPermission:
    case ErrnoClass::kBacklog:
    case ErrnoClass::kExhausted:
      return false;
    case ErrnoClass::kOther:
      return line.errno_number == ENOTCONN;
  }
  return false;
}

bool BlamesCertificate(absl::string_view ssl_message) {
  for (const absl::string_view reason :
       {"certificate verify failed", "ee key too small", "ca key too small",
        "ca md too weak"}) {
    if (absl::StrContains(ssl_message, reason)) {
      return true;
    }
  }
  return false;
}

// The name is the client's to choose, the end is not.
int ResolverCode(absl::string_view message) {
  const size_t open = message.rfind(" (");
  return open != absl::string_view::npos &&
                 absl::EndsWith(message.substr(0, open),
                                " could not be resolved")
             ? NumberAtEnd(message)
             : 0;
}

bool MissesResolver(absl::string_view message) {
  return absl::StartsWith(message, kNoResolverDefined);
}

int AlertNumber(absl::string_view message) {
  constexpr absl::string_view kMark = "SSL alert number ";
  const size_t mark = message.rfind(kMark);
  if (mark == absl::string_view::npos) {
    return -1;
  }
  message.remove_prefix(mark + kMark.size());
  int number = 0;
  const size_t end = message.find_first_not_of("0123456789");
  return absl::SimpleAtoi(message.substr(0, end), &number) && number < 256
             ? number
             : -1;
}

}  // namespace upstream_502
