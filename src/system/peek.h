// What a socket has received and nobody has read, left where it is. Linux keeps
// it when a reset comes after it.

#ifndef UPSTREAM_502_SYSTEM_PEEK_H_
#define UPSTREAM_502_SYSTEM_PEEK_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// Up to `room` of the bytes that wait, copied to `buffer`; empty where there
// are none. Never waits, takes nothing out of the socket.
absl::string_view Peek(int fd, char* buffer, size_t room);

// How many wait (FIONREAD). -1: cannot be told.
int32_t WaitingBytes(int fd);

// Whether FastCGI records hold what a program wrote to its standard error, or
// do not begin where these bytes do: nginx drops what it has logged of it.
bool HoldsErrors(absl::string_view records);

// Looks for the empty line that ends a response's header, in parts as they
// come.
class HeaderEnd {
 public:
  // Whether it is in `part`; nothing more is taken then.
  bool Find(absl::string_view part);

  // Bytes up to and with the empty line, or those looked at so far.
  size_t size() const { return size_; }

 private:
  size_t size_ = 0;
  bool line_empty_ = false;  // at its beginning, or nothing but \r since
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_PEEK_H_
