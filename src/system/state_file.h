// A file that is replaced whole or not at all, and read with suspicion: written
// beside under a name of its own, synced and renamed. Errors are sentences for
// the log, without the path.
//
//   absl::StatusOr<StateFile> file = StateFile::Create(path, {uid, gid});
//   absl::Status status = file->Write(0, bytes);
//   status = file->Commit();

#ifndef UPSTREAM_502_SRC_SYSTEM_STATE_FILE_H_
#define UPSTREAM_502_SRC_SYSTEM_STATE_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace upstream_502 {

// Who works with the file: root on behalf of it, or it itself.
struct StateUser {
  uid_t uid;
  gid_t gid;
  const char* name;  // for its other groups; nullptr: unknown
};

class StateFile {
 public:
  // The file that is to take the place of `path`, of mode 0600 and `user`'s.
  static absl::StatusOr<StateFile> Create(const std::string& path,
                                          const StateUser& user);

  StateFile(StateFile&& other) noexcept;
  StateFile& operator=(StateFile&&) = delete;
  ~StateFile();  // leaves nothing behind unless it was committed

  absl::Status Write(off_t offset, absl::string_view bytes);
  // Makes it `size` bytes long, puts it on disk and in the place of the old.
  absl::Status Commit(off_t size);

 private:
  StateFile(std::string path, std::string beside, int fd);

  std::string path_;
  std::string beside_;
  int fd_;
};

// Opens `path` for reading, and for writing where that is allowed, if it is a
// file of this very size that `user`, root or this process owns and nobody else
// may write; no link.
absl::StatusOr<int> OpenState(const std::string& path, const StateUser& user,
                              off_t size);

// Reads `size` bytes at `offset`, all or an error.
absl::Status ReadState(int fd, off_t offset, void* memory, size_t size);

// Locks `path` (beside it, in a file that stays) for as long as the returned
// descriptor and its copies are open; a descriptor that this process was born
// with is found again. Unavailable where somebody else has it.
absl::StatusOr<int> LockState(const std::string& path);

// Removes what killed processes have left beside `path`. Only under its lock.
void RemoveLeftovers(const std::string& path);

// Whether `path` can be written by `user`: its directory is one that this user
// may write in, which root asks in that user's name, and it is none itself.
absl::Status CheckStatePath(const std::string& path, const StateUser& user);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_SYSTEM_STATE_FILE_H_
