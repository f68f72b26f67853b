// What is wrong with the path of a unix socket: which part is not there, is
// something else, or may not be passed by this process.
//
//   const PathState state = WalkPath("/run/app/app.sock");
//   if (state.fault == PathFault::kDirectoryMissing) {
//     path.substr(0, state.end);  // "/run/app"
//   }

#ifndef UPSTREAM_502_SYSTEM_PATH_H_
#define UPSTREAM_502_SYSTEM_PATH_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/evidence.h"

namespace upstream_502 {

struct PathState {
  PathFault fault = PathFault::kNotAsked;
  FileKind kind = FileKind::kUnknown;
  size_t end = 0;  // the part at fault is the path's first `end` bytes
  // Of that part; of the file itself where nothing is at fault.
  bool has_stat = false;
  mode_t mode = 0;  // permission bits
  uid_t uid = 0;
  gid_t gid = 0;
};

// `path` begins with '/'. kNotAsked for others and for those too long for a
// socket. Asks file systems for names only.
PathState WalkPath(absl::string_view path);

// Whom permissions are held against.
struct User {
  static constexpr size_t kMaxGroups = 64;

  uid_t uid = 0;
  gid_t gid = 0;
  gid_t groups[kMaxGroups] = {};
  size_t group_count = 0;
  bool complete = true;  // false: it has more groups than fit
};

User CurrentUser();

enum class Need : uint8_t { kSearch, kWrite };

// Whether the mode bits alone let `user` do that. 1, 0, or -1: cannot be told.
int ModeAllows(const struct stat& file, const User& user, Need need);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_PATH_H_
