// The commands to run and directives to look at after a failure, filled in
// with the real address, port, path or value, most useful first:
//
//   Checks({.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:9000"})
//   == {"ss -ltnp 'sport = :9000'", …}
//
// Meant to be pasted into a shell or a configuration by an operator: what
// comes from outside is quoted, or left out where no quoting helps.

#ifndef UPSTREAM_502_CHECKS_H_
#define UPSTREAM_502_CHECKS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "upstream_502/cause.h"

namespace upstream_502 {

struct CheckInput {
  Cause cause = Cause::kUnknown;
  Protocol protocol = Protocol::kUnknown;
  absl::string_view upstream;  // the group's name
  absl::string_view peer;      // "127.0.0.1:9000", "unix:/run/app.sock", ""
  absl::string_view uri;       // of the failed requests; "" where they differ
  absl::string_view message;   // nginx's own text; may be empty
  int errno_number = 0;        // 0: none
  int64_t limit = -1;          // timeout in ms or buffer in bytes; -1: unknown
};

std::vector<std::string> Checks(const CheckInput& input);

// The timeout directive that ends an attempt with `cause`
// ("fastcgi_read_timeout"), or the buffer's ("proxy_buffer_size"); "" where
// no single directive decides.
std::string DecidingDirective(Cause cause, Protocol protocol);

// A size or duration as nginx writes it: "16k", "60s", "1500ms".
std::string FormatSize(int64_t bytes);
std::string FormatTime(int64_t ms);

}  // namespace upstream_502

#endif  // UPSTREAM_502_CHECKS_H_
