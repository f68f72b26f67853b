#include "messages.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "upstream_502/text.h"

namespace upstream_502 {
namespace {

using enum Says;

constexpr absl::string_view kNoResolverDefined =
    "no resolver defined to resolve ";

constexpr bool kErrno = true;

// The first that matches counts. Text from outside follows a quotation mark
// or another fixed text, so it never decides which line this is.
constexpr LinePattern kPatterns[] = {
    // Lines that look like failures.
    {"FastCGI sent in stderr", kHarmless},
    {"upstream sent no valid HTTP/1.0 header", kHarmless},
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
    {"auth request unexpected status: ", kHarmless},
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

// Lines that are not told by how they begin.
constexpr LinePattern kOthers[] = {
    {"", kNothing}, {"", kUnresolved}, {"", kExhausted}};
constexpr uint8_t kUnrecognised = std::size(kPatterns) + 1;
constexpr uint8_t kResolveFailed = kUnrecognised + 1;
constexpr uint8_t kNoConnections = kResolveFailed + 1;

// How a text begins: two words, zeroes behind a shorter one.
struct Beginning {
  uint64_t first = 0;
  uint64_t second = 0;
};
constexpr size_t kBeginning = sizeof(Beginning);

constexpr Beginning BeginningOf(absl::string_view text) {
  Beginning beginning;
  for (size_t i = 0; i < kBeginning && i < text.size(); ++i) {
    const uint64_t byte = static_cast<unsigned char>(text[i]);
    (i < 8 ? beginning.first : beginning.second) |= byte << (8 * (i % 8));
  }
  return beginning;
}

// All patterns have these many bytes to be found by.
constexpr size_t kKeyBytes = 4;
constexpr size_t kBuckets = 128;

constexpr size_t BucketOf(const Beginning& beginning) {
  const auto key = static_cast<uint32_t>(beginning.first);
  return key * kMultiplier >> 32 & (kBuckets - 1);
}

// The patterns by how they begin, in their order among those that begin alike:
// a line is compared with few, and quickly.
struct Index {
  struct Entry {
    Beginning beginning;
    Beginning mask;
    uint8_t pattern;
    bool whole;  // the beginning is all of the pattern
  };
  Entry entries[std::size(kPatterns)];
  uint8_t begin[kBuckets + 1];
};

constexpr Index MakeIndex() {
  static_assert(std::size(kPatterns) < 250);
  static_assert(std::all_of(
      std::begin(kPatterns), std::end(kPatterns),
      [](const LinePattern& p) { return p.prefix.size() >= kKeyBytes; }));
  constexpr absl::string_view kOnes =
      "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
      "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
  Index index{};
  Index::Entry all[std::size(kPatterns)]{};
  uint8_t next[kBuckets + 1]{};
  for (size_t i = 0; i < std::size(kPatterns); ++i) {
    const absl::string_view prefix = kPatterns[i].prefix;
    all[i] = {BeginningOf(prefix),
              BeginningOf(kOnes.substr(0, std::min(prefix.size(), kBeginning))),
              static_cast<uint8_t>(i),
              prefix.size() <= kBeginning && kPatterns[i].suffix.empty()};
    ++next[BucketOf(all[i].beginning) + 1];
  }
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    next[bucket + 1] = static_cast<uint8_t>(next[bucket + 1] + next[bucket]);
    index.begin[bucket + 1] = next[bucket + 1];
  }
  for (const Index::Entry& entry : all) {
    index.entries[next[BucketOf(entry.beginning)]++] = entry;
  }
  return index;
}

constexpr Index kIndex = MakeIndex();
static_assert(kIndex.begin[kBuckets] == std::size(kPatterns));

bool Matches(absl::string_view message, const LinePattern& pattern) {
  if (!absl::StartsWith(message, pattern.prefix)) {
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

}  // namespace

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

// The name is the client's to choose, the end is not.
int ResolverCode(absl::string_view message) {
  const size_t open = message.rfind(" (");
  return open != absl::string_view::npos &&
                 absl::EndsWith(message.substr(0, open),
                                " could not be resolved")
             ? NumberAtEnd(message)
             : 0;
}

uint8_t FindPattern(absl::string_view message) {
  Beginning word;
  if (message.size() >= kBeginning) [[likely]] {
    word = {Load<uint64_t>(message.data()), Load<uint64_t>(message.data() + 8)};
  } else {
    word = BeginningOf(message);
  }
  const size_t bucket = BucketOf(word);
  const size_t end = kIndex.begin[bucket + 1];
  for (size_t i = kIndex.begin[bucket]; i < end; ++i) {
    const Index::Entry& entry = kIndex.entries[i];
    if ((word.first & entry.mask.first) == entry.beginning.first &&
        (word.second & entry.mask.second) == entry.beginning.second &&
        (entry.whole || Matches(message, kPatterns[entry.pattern]))) {
      return static_cast<uint8_t>(entry.pattern + 1);
    }
  }
  if (absl::EndsWith(message, " worker_connections are not enough")) {
    return kNoConnections;
  }
  if (ResolverCode(message) != 0) {
    return kResolveFailed;
  }
  return kUnrecognised;
}

const LinePattern& PatternAt(uint8_t number) {
  return number < kUnrecognised ? kPatterns[number - 1]
                                : kOthers[number - kUnrecognised];
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
