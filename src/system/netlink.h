// Questions to the kernel about sockets: one netlink socket of a process, and
// the reading of answers, which is pure and takes any bytes.
//
//   Netlink netlink;
//   if (netlink.Open(now_ms)) {
//     netlink.Ask(body, Netlink::Kind::kOne, [&](absl::string_view payload) {
//       return Parse(payload, &socket);
//     });
//   }

#ifndef UPSTREAM_502_SYSTEM_NETLINK_H_
#define UPSTREAM_502_SYSTEM_NETLINK_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace upstream_502 {

struct NetlinkMessage {
  uint16_t type = 0;
  uint16_t flags = 0;
  absl::string_view payload = {};
};

struct NetlinkAttribute {
  uint16_t type = 0;
  absl::string_view payload = {};
};

enum class Next : uint8_t { kOne, kEnd, kBroken };

// Takes the next message numbered `sequence` off the front of `bytes`; those
// of other numbers are passed over. kBroken: a length that cannot be.
Next NextMessage(uint32_t sequence, absl::string_view* bytes,
                 NetlinkMessage* message);

// The same for the attributes behind a message's fixed part.
Next NextAttribute(absl::string_view* bytes, NetlinkAttribute* attribute);

enum class Answer : uint8_t {
  kMore,      // (of ReadAnswer only) not all of it yet
  kComplete,  // all there is
  kNoEntry,   // there is no such socket
  kStopped,   // the receiver wanted no more, or it took too long
  kAbsent,    // cannot be asked, or the answer makes no sense
};

// Gets the payload of one message; false: enough.
using Taker = absl::FunctionRef<bool(absl::string_view payload)>;

// Hands what `bytes`, one datagram, has of the answer to request `sequence` to
// `take`. A dump has many messages and an end, otherwise there is one.
Answer ReadAnswer(uint32_t sequence, bool dump, absl::string_view bytes,
                  Taker take);

// Not for threads. Closed and opened anew where the process has forked, and
// after an answer that was not read to its end.
class Netlink {
 public:
  enum class Kind : uint8_t { kOne, kDump };

  // A dump is ended after so many µs of work.
  static constexpr int64_t kLimitUs = 1000;

  Netlink() = default;
  ~Netlink() { Close(); }
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  // Whether there is a socket to ask, opened now if need be. Where that is
  // refused it is not tried again for a while. `now_ms` never falls.
  bool Open(int64_t now_ms);

  // Sends `body` (the part behind the netlink header) and hands the answer to
  // `take`, whose views last for its call only. Never waits.
  Answer Ask(absl::string_view body, Kind kind, Taker take);

  void Close();

 private:
  bool Send(absl::string_view body, Kind kind);
  Answer Receive(Kind kind, int64_t end_us, Taker take);

  int fd_ = -1;
  pid_t pid_ = -1;
  uint32_t sequence_ = 0;
  int64_t refused_until_ms_ = INT64_MIN;
  std::array<char, 32768> buffer_;  // the kernel fills no more in one go
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_NETLINK_H_
