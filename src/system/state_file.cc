// Writes, reads and locks the file of the state.

#include "state_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kBeside = ".tmp.";

absl::Status Failed(absl::string_view what) {
  const int error = errno;
  return absl::InternalError(absl::StrCat("cannot be ", what, " (", error, ": ",
                                          std::strerror(error), ")"));
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A renamed file is only there for good when its directory is on disk.
void SyncDirectory(const std::string& path) {
  const int fd =
      open(DirectoryOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd != -1) {
    fsync(fd);
    close(fd);
  }
}

bool IsSameFile(int fd, const struct stat& wanted) {
  struct stat info;
  return fstat(fd, &info) == 0 && info.st_dev == wanted.st_dev &&
         info.st_ino == wanted.st_ino;
}

// The descriptor of the lock that this process was born with; -1: none.
int FindInherited(const struct stat& wanted) {
  DIR* dir = opendir("/proc/self/fd");
  int found = -1;
  while (const dirent* entry = dir == nullptr ? nullptr : readdir(dir)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && found == -1 && fd > STDERR_FILENO &&
        fd != dirfd(dir) && IsSameFile(fd, wanted)) {
      found = fd;
    }
  }
  if (dir != nullptr) {
    closedir(dir);
  }
  return found;
}

// Asks what another user may do: this process is root again afterwards.
class Disguise {
 public:
  explicit Disguise(const StateUser& user) {
    if (geteuid() != 0 || user.uid == 0) {
      return;
    }
    const int count = getgroups(0, nullptr);
    groups_.resize(static_cast<size_t>(std::max(count, 0)));
    if (getgroups(count, groups_.data()) < 0) {
      return;
    }
    gid_ = getegid();
    worn_ = true;
    if (user.name == nullptr ? setgroups(0, nullptr) != 0
                             : initgroups(user.name, user.gid) != 0) {
      return;
    }
    if (setegid(user.gid) != 0 || seteuid(user.uid) != 0) {
      return;
    }
  }
  Disguise(const Disguise&) = delete;
  Disguise& operator=(const Disguise&) = delete;
  ~Disguise() {
    if (worn_ && (seteuid(0) != 0 || setegid(gid_) != 0 ||
                  setgroups(groups_.size(), groups_.data()) != 0)) {
      std::abort();  // cannot be: it was root
    }
  }

 private:
  bool worn_ = false;
  gid_t gid_ = 0;
  std::vector<gid_t> groups_;
};

}  // namespace

StateFile::StateFile(std::string path, std::string beside, int fd)
    : path_(std::move(path)), beside_(std::move(beside)), fd_(fd) {}

StateFile::StateFile(StateFile&& other) noexcept
    : path_(std::move(other.path_)),
      beside_(std::move(other.beside_)),
      fd_(std::exchange(other.fd_, -1)) {}

StateFile::~StateFile() {
  if (fd_ != -1) {
    close(fd_);
    unlink(beside_.c_str());
  }
}

absl::StatusOr<StateFile> StateFile::Create(const std::string& path,
                                            const StateUser& user) {
  std::string beside = absl::StrCat(path, kBeside, getpid());
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  int fd = open(beside.c_str(), kFlags, 0600);
  if (fd == -1 && errno == EEXIST) {
    unlink(beside.c_str());  // of a killed process that had this number
    fd = open(beside.c_str(), kFlags, 0600);
  }
  if (fd == -1) {
    return Failed("written");
  }
  StateFile file(path, std::move(beside), fd);
  // The one that writes the next one has to be able to replace it.
  if (geteuid() == 0 && fchown(fd, user.uid, user.gid) != 0) {
    return Failed("written");
  }
  return file;
}

absl::Status StateFile::Write(off_t offset, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return Failed("written");
    }
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += n;
  }
  return absl::OkStatus();
}

absl::Status StateFile::Commit(off_t size) {
  if (ftruncate(fd_, size) != 0 || fsync(fd_) != 0 ||
      rename(beside_.c_str(), path_.c_str()) != 0) {
    return Failed("written");
  }
  SyncDirectory(path_);
  close(std::exchange(fd_, -1));
  return absl::OkStatus();
}

absl::StatusOr<int> OpenState(const std::string& path, const StateUser& user,
                              off_t size) {
  constexpr int kFlags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  int fd = open(path.c_str(), O_RDWR | kFlags);
  if (fd == -1) {
    fd = open(path.c_str(), O_RDONLY | kFlags);
  }
  if (fd == -1) {
    if (errno == ENOENT) {
      return absl::NotFoundError("is not there yet");
    }
    return errno == ELOOP ? absl::InternalError("is a symbolic link")
                          : Failed("read");
  }
  struct stat info;
  const char* wrong = nullptr;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    wrong = "is not a regular file";
  } else if (info.st_uid != user.uid && info.st_uid != geteuid() &&
             info.st_uid != 0) {
    wrong = "belongs to somebody else";
  } else if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    wrong = "is writable by others";
  } else if (info.st_size != size) {
    wrong = info.st_size < size ? "is truncated, or of a smaller zone"
                                : "is of a larger zone";
  }
  if (wrong != nullptr) {
    close(fd);
    return absl::InternalError(wrong);
  }
  return fd;
}

absl::Status ReadState(int fd, off_t offset, void* memory, size_t size) {
  auto* at = static_cast<char*>(memory);
  while (size > 0) {
    const ssize_t n = pread(fd, at, size, offset);
    if (n == 0) {
      return absl::InternalError("is truncated");
    }
    if (n < 0 && errno != EINTR) {
      return Failed("read");
    }
    if (n > 0) {
      at += n;
      offset += n;
      size -= static_cast<size_t>(n);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int> LockState(const std::string& path) {
  const std::string lock = absl::StrCat(path, ".lock");
  struct stat info;
  int fd = -1;
  if (lstat(lock.c_str(), &info) == 0) {
    fd = FindInherited(info);
  }
  const bool inherited = fd != -1;
  if (!inherited) {
    // No O_CLOEXEC: the binary of an upgrade goes on with it.
    fd = open(lock.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
  }
  if (fd == -1 && errno == EROFS) {
    fd = open(lock.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }
  if (fd == -1) {
    return Failed("locked");
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const bool taken = errno == EWOULDBLOCK;
    const absl::Status failed = Failed("locked");
    close(fd);
    return taken ? absl::UnavailableError("is in use by another nginx")
                 : failed;
  }
  return fd;
}

void RemoveLeftovers(const std::string& path) {
  const std::string directory = DirectoryOf(path);
  const std::string prefix =
      absl::StrCat(path.substr(path.rfind('/') + 1), kBeside);
  DIR* dir = opendir(directory.c_str());
  while (const dirent* entry = dir == nullptr ? nullptr : readdir(dir)) {
    const absl::string_view name(entry->d_name);
    if (name.size() > prefix.size() &&
        name.substr(0, prefix.size()) == prefix &&
        name.find_first_not_of("0123456789", prefix.size()) ==
            absl::string_view::npos) {
      unlinkat(dirfd(dir), entry->d_name, 0);
    }
  }
  if (dir != nullptr) {
    closedir(dir);
  }
}

absl::Status CheckStatePath(const std::string& path, const StateUser& user) {
  const std::string directory = DirectoryOf(path);
  struct stat info;
  if (stat(directory.c_str(), &info) != 0) {
    const int error = errno;
    return absl::NotFoundError(absl::StrCat("its directory \"", directory,
                                            "\" cannot be used (", error, ": ",
                                            std::strerror(error), ")"));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::NotFoundError(
        absl::StrCat("\"", directory, "\" is no directory"));
  }
  if (lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return absl::NotFoundError("it is a directory");
  }
  const Disguise disguise(user);
  if (faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    const int error = errno;
    return absl::PermissionDeniedError(absl::StrCat(
        "its directory \"", directory, "\" cannot be written by the user \"",
        user.name == nullptr ? absl::StrCat(user.uid) : user.name, "\" (",
        error, ": ", std::strerror(error), ")"));
  }
  return absl::OkStatus();
}

}  // namespace upstream_502
