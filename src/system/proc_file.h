// Reading a small file of the kernel's (/proc, /sys) in one go.

#ifndef UPSTREAM_502_SYSTEM_PROC_FILE_H_
#define UPSTREAM_502_SYSTEM_PROC_FILE_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// What `path` holds, up to `room` bytes of it, in `buffer`; empty where it
// cannot be read.
absl::string_view ReadFile(const char* path, char* buffer, size_t room);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_PROC_FILE_H_
