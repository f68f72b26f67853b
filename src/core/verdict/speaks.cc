// Recognizing protocols by how a server begins: by a greeting, or by what it
// answers to a request it cannot read.

#include "upstream_502/verdict/speaks.h"

#include <cstddef>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kNames[] = {
    "",        "TLS",   "HTTP/1",     "HTTP/2", "FastCGI",
    "CGI",     "SSH",   "SMTP",       "FTP",    "POP3",
    "IMAP",    "MySQL", "PostgreSQL", "Redis",  "memcached",
    "MongoDB", "AMQP",  "AJP",        "VNC",    "Telnet",
};
static_assert(std::size(kNames) == kSpeaksCount);

// How a protocol begins whose servers begin with text.
struct Beginning {
  absl::string_view text;
  Speaks speaks;
};

// "HTT": a frame's length tells three bytes only.
constexpr Beginning kBeginnings[] = {
    {"HTT", Speaks::kHttp1},
    {"SSH-", Speaks::kSsh},
    {"+OK", Speaks::kPop3},
    {"* OK", Speaks::kImap},
    {"* BYE", Speaks::kImap},
    {"* PREAUTH", Speaks::kImap},
    {"-ERR ", Speaks::kRedis},
    {"-NOAUTH", Speaks::kRedis},
    {"-DENIED", Speaks::kRedis},
    {"-LOADING", Speaks::kRedis},
    {"+PONG", Speaks::kRedis},
    {"ERROR\r\n", Speaks::kMemcached},
    {"CLIENT_ERROR ", Speaks::kMemcached},
    {"SERVER_ERROR ", Speaks::kMemcached},
    {"END\r\n", Speaks::kMemcached},
    {"VALUE ", Speaks::kMemcached},
    {"It looks like you are trying to access MongoDB", Speaks::kMongodb},
    {"AMQP", Speaks::kAmqp},
    {"RFB 0", Speaks::kVnc},
    {"Status: ", Speaks::kCgi},
    {"Content-type: ", Speaks::kCgi},
    {"X-Powered-By: ", Speaks::kCgi},
};

// The byte at `at`, 0 behind the end.
unsigned Byte(absl::string_view bytes, size_t at) {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}

unsigned Short(absl::string_view bytes, size_t at) {
  return Byte(bytes, at) << 8 | Byte(bytes, at + 1);
}

bool IsCut(absl::string_view bytes, size_t size) { return bytes.size() < size; }

// A handshake record or an alert, of SSL 3.0 up to TLS 1.3.
bool IsTls(absl::string_view bytes) {
  const unsigned type = Byte(bytes, 0);
  if (IsCut(bytes, 3) || (type != 0x16 && type != 0x15) ||
      Byte(bytes, 1) != 3 || Byte(bytes, 2) > 4) {
    return false;
  }
  // An alert is two bytes; no server begins with an encrypted one.
  return type == 0x16 || IsCut(bytes, 5) || Short(bytes, 3) == 2;
}

// A SETTINGS or a GOAWAY frame on stream 0.
bool IsHttp2(absl::string_view bytes) {
  if (IsCut(bytes, 9) || Byte(bytes, 0) != 0 || Short(bytes, 5) != 0 ||
      Short(bytes, 7) != 0) {
    return false;
  }
  const unsigned length = Short(bytes, 1);
  return (Byte(bytes, 3) == 4 && Byte(bytes, 4) <= 1 && length % 6 == 0) ||
         (Byte(bytes, 3) == 7 && length >= 8);
}

// A record of version 1: END_REQUEST, STDOUT, STDERR or an answer to
// GET_VALUES.
bool IsFastcgi(absl::string_view bytes) {
  const unsigned type = Byte(bytes, 1);
  return !IsCut(bytes, 8) && Byte(bytes, 0) == 1 &&
         (type == 3 || type == 6 || type == 7 || type == 10 || type == 11) &&
         Byte(bytes, 7) == 0;
}

// The first packet: a greeting of protocol 10 ("8.0.36…"), or an error (0xff)
// of the server's own range instead of one.
bool IsMysql(absl::string_view bytes) {
  if (IsCut(bytes, 7) || Byte(bytes, 2) != 0 || Byte(bytes, 3) != 0) {
    return false;
  }
  if (Byte(bytes, 4) == 10) {
    return absl::ascii_isdigit(static_cast<unsigned char>(bytes[5])) &&
           bytes.find('.', 5) < 9;
  }
  const unsigned code = Byte(bytes, 5) | Byte(bytes, 6) << 8;
  return Byte(bytes, 4) == 0xff && code >= 1000 && code < 2000;
}

// An ErrorResponse; servers since 7.4 begin it with the severity.
bool IsPostgresql(absl::string_view bytes) {
  return !IsCut(bytes, 10) && bytes[0] == 'E' && Short(bytes, 1) == 0 &&
         (absl::StartsWith(bytes.substr(5), "SFATAL") ||
          absl::StartsWith(bytes.substr(5), "SERROR"));
}

// From a server: "AB", a length, and the number of a message.
bool IsAjp(absl::string_view bytes) {
  const unsigned code = Byte(bytes, 4);
  return !IsCut(bytes, 5) && absl::StartsWith(bytes, "AB") &&
         Byte(bytes, 2) < 0x20 && ((code >= 3 && code <= 6) || code == 9);
}

// "220": SMTP and FTP greet alike.
Speaks OfGreeting(absl::string_view bytes) {
  const absl::string_view code = bytes.substr(0, 3);
  if (IsCut(bytes, 4) || (code != "220" && code != "421" && code != "554") ||
      (bytes[3] != ' ' && bytes[3] != '-')) {
    return Speaks::kUnknown;
  }
  if (absl::StrContains(bytes, "SMTP") || code == "554") {
    return Speaks::kSmtp;
  }
  for (size_t i = 4; i + 3 <= bytes.size(); ++i) {
    if (absl::EqualsIgnoreCase(bytes.substr(i, 3), "FTP")) {
      return Speaks::kFtp;
    }
  }
  return Speaks::kUnknown;
}

Speaks OfText(absl::string_view bytes) {
  for (const Beginning& beginning : kBeginnings) {
    if (absl::StartsWithIgnoreCase(bytes, beginning.text)) {
      return beginning.speaks;
    }
  }
  return OfGreeting(bytes);
}

// WILL, WONT, DO or DONT with an option.
bool IsTelnet(absl::string_view bytes) {
  return !IsCut(bytes, 3) && Byte(bytes, 0) == 0xff && Byte(bytes, 1) >= 0xfb &&
         Byte(bytes, 1) <= 0xfe && Byte(bytes, 2) < 50;
}

int ThreeDigits(absl::string_view bytes) {
  int status = 0;
  if (IsCut(bytes, 3)) {
    return 0;
  }
  for (const char digit : bytes.substr(0, 3)) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(digit))) {
      return 0;
    }
    status = status * 10 + (digit - '0');
  }
  return status >= 100 && status <= 599 ? status : 0;
}

// Of "Status: 413 …" at the beginning of a line. A CGI response without one is
// a 200, which is not told here: it may still come.
int StatusField(absl::string_view header) {
  constexpr absl::string_view kField = "Status:";
  while (!header.empty()) {
    if (absl::StartsWithIgnoreCase(header, kField)) {
      return ThreeDigits(
          absl::StripLeadingAsciiWhitespace(header.substr(kField.size())));
    }
    const size_t end = header.find('\n');
    if (end == absl::string_view::npos) {
      break;
    }
    header.remove_prefix(end + 1);
  }
  return 0;
}

}  // namespace

absl::string_view SpeaksName(Speaks speaks) {
  const auto number = static_cast<size_t>(speaks);
  return number < std::size(kNames) ? kNames[number] : kNames[0];
}

Speaks SpeaksOf(absl::string_view first) {
  if (IsTls(first)) {
    return Speaks::kTls;
  }
  if (IsHttp2(first)) {
    return Speaks::kHttp2;
  }
  if (IsFastcgi(first)) {
    return Speaks::kFastcgi;
  }
  if (IsMysql(first)) {
    return Speaks::kMysql;
  }
  if (IsPostgresql(first)) {
    return Speaks::kPostgresql;
  }
  if (IsAjp(first)) {
    return Speaks::kAjp;
  }
  return IsTelnet(first) ? Speaks::kTelnet : OfText(first);
}

Speaks SpeaksOfFrameLength(uint32_t length) {
  const char bytes[] = {static_cast<char>(length >> 16 & 0xff),
                        static_cast<char>(length >> 8 & 0xff),
                        static_cast<char>(length & 0xff)};
  return SpeaksOf({bytes, sizeof(bytes)});
}

int StatusOf(absl::string_view first) {
  constexpr size_t kRecordHeader = 8;
  constexpr absl::string_view kVersion = "HTTP/1.";
  if (absl::StartsWith(first, kVersion)) {
    return first.size() > kVersion.size() + 2
               ? ThreeDigits(first.substr(kVersion.size() + 2))
               : 0;
  }
  if (IsFastcgi(first)) {
    return Byte(first, 1) == 6 ? StatusField(first.substr(kRecordHeader)) : 0;
  }
  return SpeaksOf(first) == Speaks::kCgi ? StatusField(first) : 0;
}

}  // namespace upstream_502
