// Walking a path from the root, as connect() did.

#include "system/path.h"

#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace upstream_502 {
namespace {

constexpr size_t kRoom = sizeof(sockaddr_un::sun_path);

// A copy of the path, of which a growing part is shown to the kernel.
class Prefix {
 public:
  explicit Prefix(absl::string_view path) : size_(path.size()) {
    std::memcpy(text_, path.data(), size_);
    text_[size_] = '\0';
  }

  size_t end() const { return end_; }
  bool IsWhole() const { return end_ == size_; }

  // Goes on to the end of the next part; the root comes first.
  void Grow() {
    text_[end_] = hidden_;
    while (end_ < size_ && text_[end_] == '/') {
      ++end_;
    }
    if (!at_root_) {
      at_root_ = true;
    } else {
      while (end_ < size_ && text_[end_] != '/') {
        ++end_;
      }
    }
    Cut();
  }

  const char* text() const { return text_; }

 private:
  void Cut() {
    hidden_ = text_[end_];
    text_[end_] = '\0';
  }

  char text_[kRoom + 1];
  size_t size_;
  size_t end_ = 0;
  char hidden_ = '/';
  bool at_root_ = false;
};

FileKind KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFSOCK:
      return FileKind::kSocket;
    case S_IFREG:
      return FileKind::kFile;
    case S_IFDIR:
      return FileKind::kDirectory;
    case S_IFIFO:
      return FileKind::kFifo;
    case S_IFCHR:
    case S_IFBLK:
      return FileKind::kDevice;
    case S_IFLNK:
      return FileKind::kLink;
    default:
      return FileKind::kUnknown;
  }
}

void Note(const struct stat& file, PathState* state) {
  state->kind = KindOf(file.st_mode);
  state->has_stat = true;
  state->mode = file.st_mode & 07777;
  state->uid = file.st_uid;
  state->gid = file.st_gid;
}

// With an access list the bits for the group mean something else.
bool HasAccessList(const char* path) {
  return getxattr(path, "system.posix_acl_access", nullptr, 0) > 0;
}

bool IsIn(const User& user, gid_t group) {
  const gid_t* end = user.groups + user.group_count;
  return user.gid == group || std::find(user.groups, end, group) != end;
}

PathFault OfMissing(const Prefix& prefix, PathState* state) {
  // A link that leads nowhere: what is missing is not on this path.
  struct stat link;
  if (lstat(prefix.text(), &link) == 0) {
    if (!S_ISLNK(link.st_mode)) {
      return PathFault::kUnclear;  // it has come meanwhile
    }
    Note(link, state);
    return PathFault::kNotASocket;
  }
  return prefix.IsWhole() ? PathFault::kAbsent : PathFault::kDirectoryMissing;
}

// What the part at hand, which is there, has against us.
PathFault OfPart(const struct stat& file, const Prefix& prefix,
                 const User& user) {
  const bool last = prefix.IsWhole();
  if (last ? !S_ISSOCK(file.st_mode) : !S_ISDIR(file.st_mode)) {
    return PathFault::kNotASocket;
  }
  if (HasAccessList(prefix.text())) {
    return PathFault::kUnclear;
  }
  switch (ModeAllows(file, user, last ? Need::kWrite : Need::kSearch)) {
    case 0:
      return PathFault::kNoPermission;
    case 1:
      return PathFault::kNone;
    default:
      return PathFault::kUnclear;
  }
}

}  // namespace

User CurrentUser() {
  User user;
  user.uid = geteuid();
  user.gid = getegid();
  const int count = getgroups(static_cast<int>(User::kMaxGroups), user.groups);
  user.complete = count >= 0;
  user.group_count = count > 0 ? static_cast<size_t>(count) : 0;
  return user;
}

int ModeAllows(const struct stat& file, const User& user, Need need) {
  if (user.uid == 0) {
    return 1;
  }
  const mode_t bit = need == Need::kSearch ? S_IXOTH : S_IWOTH;
  if (user.uid == file.st_uid) {
    return (file.st_mode & bit << 6) != 0 ? 1 : 0;
  }
  if (IsIn(user, file.st_gid)) {
    return (file.st_mode & bit << 3) != 0 ? 1 : 0;
  }
  const int others = (file.st_mode & bit) != 0 ? 1 : 0;
  const int group = (file.st_mode & bit << 3) != 0 ? 1 : 0;
  return user.complete || others == group ? others : -1;
}

PathState WalkPath(absl::string_view path) {
  PathState state;
  if (path.empty() || path.front() != '/' || path.size() > kRoom ||
      path.find('\0') != absl::string_view::npos) {
    return state;
  }
  const User user = CurrentUser();
  Prefix prefix(path);
  bool unclear = false;
  do {
    prefix.Grow();
    state.end = prefix.end();
    struct stat file;
    if (stat(prefix.text(), &file) != 0) {
      // The directories before it let us pass, by their modes: what refuses
      // now is none of them.
      state.fault =
          errno == ENOENT ? OfMissing(prefix, &state) : PathFault::kUnclear;
      break;
    }
    Note(file, &state);
    state.fault = OfPart(file, prefix, user);
    // What an access list says is not known; the kernel lets us go on or not.
    unclear = unclear || state.fault == PathFault::kUnclear;
    if (state.fault == PathFault::kUnclear) {
      state.fault = PathFault::kNone;
    }
  } while (state.fault == PathFault::kNone && !prefix.IsWhole());
  if (unclear && state.fault == PathFault::kNone) {
    state.fault = PathFault::kUnclear;
  }
  return state;
}

}  // namespace upstream_502
