// What a server speaks, told from the first bytes it sent: pure, on bytes that
// may be anything, and cut anywhere.
//
//   SpeaksOf("SSH-2.0-OpenSSH_9.2\r\n") == Speaks::kSsh

#ifndef UPSTREAM_502_VERDICT_SPEAKS_H_
#define UPSTREAM_502_VERDICT_SPEAKS_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// Values are stored in shared memory: append only, never renumber.
enum class Speaks : uint8_t {
  kUnknown,
  kTls,
  kHttp1,
  kHttp2,
  kFastcgi,
  kCgi,  // a header without a status line: SCGI, or FastCGI's inside
  kSsh,
  kSmtp,
  kFtp,
  kPop3,
  kImap,
  kMysql,
  kPostgresql,
  kRedis,
  kMemcached,
  kMongodb,
  kAmqp,
  kAjp,
  kVnc,
  kTelnet,
};
inline constexpr int kSpeaksCount = 20;

// As people write it: "HTTP/1", "PostgreSQL"; "" for kUnknown.
absl::string_view SpeaksName(Speaks speaks);

// `first` is what the server sent from the connection's beginning on. Three
// bytes are enough where they leave no doubt, kUnknown otherwise.
Speaks SpeaksOf(absl::string_view first);

// The same from what nginx took for the length of an HTTP/2 frame, which are
// the first three bytes: 4740180 is "HTT".
Speaks SpeaksOfFrameLength(uint32_t length);

// The status of a response that begins with `first`: of HTTP/1's status line,
// or of the Status field in the first record of a FastCGI server. 0: none.
int StatusOf(absl::string_view first);

}  // namespace upstream_502

#endif  // UPSTREAM_502_VERDICT_SPEAKS_H_
