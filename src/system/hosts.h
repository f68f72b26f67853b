// /etc/hosts, which nginx's resolver does not read: whether a name that could
// not be resolved stands there.

#ifndef UPSTREAM_502_SYSTEM_HOSTS_H_
#define UPSTREAM_502_SYSTEM_HOSTS_H_

#include <sys/stat.h>

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// The address of `name` in the text of a hosts file; "" where it has none. As
// the C library reads it: case does not matter, nor does a dot at the end.
absl::string_view FindHost(absl::string_view hosts, absl::string_view name);

// The file, read anew when it has changed.
class HostsFile {
 public:
  explicit HostsFile(const char* path = "/etc/hosts") : path_(path) {}

  // Whether it could be read, whole. One of more than 64 KB is not.
  bool Load();

  // The view lasts until the next Load.
  absl::string_view Find(absl::string_view name) const {
    return FindHost({text_.data(), size_}, name);
  }

 private:
  const char* path_;
  bool loaded_ = false;
  struct stat loaded_as_ = {};
  size_t size_ = 0;
  std::array<char, 65536> text_;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_HOSTS_H_
