// The questions about a peer that is a unix socket.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "system/clock.h"
#include "system/path.h"
#include "system/probe.h"
#include "system/probe_job.h"

namespace upstream_502 {
namespace {

absl::string_view DirectoryOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? "" : path.substr(0, slash);
}

absl::string_view BaseOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

// Takes the first letter off a name, passing over all else; '\0' at its end.
char TakeLetter(absl::string_view* name) {
  while (!name->empty()) {
    const auto byte = static_cast<unsigned char>(name->front());
    name->remove_prefix(1);
    if (absl::ascii_isalpha(byte)) {
      return static_cast<char>(absl::ascii_tolower(byte));
    }
  }
  return '\0';
}

// Names that differ in versions and punctuation only: php8.2-fpm.sock and
// php-fpm.sock.
bool IsLike(absl::string_view a, absl::string_view b) {
  char letter = '\0';
  do {
    letter = TakeLetter(&a);
    if (letter != TakeLetter(&b)) {
      return false;
    }
  } while (letter != '\0');
  return true;
}

void KeepPath(const PathState& state, Evidence* evidence) {
  evidence->path_fault = state.fault;
  evidence->path_kind = state.kind;
  evidence->path_end = static_cast<uint8_t>(std::min<size_t>(state.end, 255));
  if (state.has_stat) {
    evidence->path_mode = static_cast<int16_t>(state.mode);
    evidence->path_uid = state.uid;
    evidence->path_gid = state.gid;
  }
  const User user = CurrentUser();
  evidence->uid = user.uid;
  evidence->gid = user.gid;
}

// Whether the socket is bound to the file that the path leads to. A file system
// may show another device than it has, but then the names are the same.
bool IsBoundTo(const UnixSocket& socket, const struct stat& file,
               absl::string_view path) {
  return socket.has_file &&
         socket.file_inode == static_cast<uint32_t>(file.st_ino) &&
         (socket.file_device == file.st_dev || socket.name == path);
}

// What can be seen of the file.
enum class Sight : uint8_t { kThere, kAbsent, kNone };

Sight StatPath(absl::string_view path, struct stat* file) {
  char text[256] = {};
  if (path.size() >= sizeof(text)) {
    return Sight::kNone;
  }
  std::copy(path.begin(), path.end(), text);
  if (stat(text, file) == 0) {
    return Sight::kThere;
  }
  return errno == ENOENT || errno == ENOTDIR ? Sight::kAbsent : Sight::kNone;
}

void KeepListener(const UnixSocket& listener, Evidence* evidence) {
  evidence->listening = Seen::kYes;
  if (listener.has_queue) {
    evidence->queue = Clipped(listener.read_queue);
    evidence->queue_max = Clipped(listener.write_queue);
  }
}

}  // namespace

void Prober::ProbeUnix(const Job& job) {
  const absl::string_view path = absl::StripPrefix(job.request.peer, "unix:");
  job.evidence->where = Where::kThisMachine;
  if (job.Asks(kAskPath)) {
    KeepPath(WalkPath(path), job.evidence);
  }
  if (job.Asks(kAskOtherEnd)) {
    AskUnixPeer(job);
  }
  if (job.Asks(kAskListener)) {
    AskUnixListeners(job, path);
  }
}

void Prober::AskUnixPeer(const Job& job) {
  struct stat file = {};
  UnixSocket ours;
  if (job.request.fd == -1 || fstat(job.request.fd, &file) != 0 ||
      !netlink_.Open(job.request.now_ms) ||
      unix_.Find(static_cast<uint32_t>(file.st_ino), &ours) !=
          Answer::kComplete ||
      !ours.has_peer) {
    return;
  }
  job.evidence->accepted = ours.peer != 0 ? Seen::kYes : Seen::kNo;
  // What is on its way lies with the receiver. As memory it is more than as
  // bytes, but nothing is nothing.
  if (UnacknowledgedBytes(job.request.fd) == 0) {
    job.evidence->unread_bytes = 0;
    return;
  }
  UnixSocket theirs;
  if (ours.peer != 0 && unix_.Find(ours.peer, &theirs) == Answer::kComplete &&
      theirs.has_queue) {
    job.evidence->unread_bytes = Clipped(theirs.read_queue);
  }
}

void Prober::AskUnixListeners(const Job& job, absl::string_view path) {
  Evidence* evidence = job.evidence;
  struct stat file = {};
  const Sight sight = StatPath(path, &file);
  if (sight == Sight::kNone) {
    return;  // a listener of that name may or may not be bound to it
  }
  if (!long_questions_.Take(LongQuestions::kUnixListeners,
                            job.request.now_ms)) {
    Recall(job);
    return;
  }
  if (!netlink_.Open(job.request.now_ms)) {
    return;
  }
  bool hidden = false;
  ItemList like;
  ItemList beside;
  const int64_t start = WorkedUs();
  const Answer answer = unix_.Listeners([&](const UnixSocket& socket) {
    if (sight == Sight::kThere && IsBoundTo(socket, file, path)) {
      KeepListener(socket, evidence);
    } else if (socket.name == path) {
      hidden = true;
    } else if (job.Asks(kAskOthers) && absl::StartsWith(socket.name, "/")) {
      if (IsLike(BaseOf(socket.name), BaseOf(path))) {
        like.Add(socket.name);
      } else if (DirectoryOf(socket.name) == DirectoryOf(path)) {
        beside.Add(socket.name);
      }
    }
    return true;
  });
  long_questions_.Took(LongQuestions::kUnixListeners, WorkedUs() - start);
  if (answer != Answer::kComplete) {
    return;
  }
  if (evidence->listening == Seen::kNotAsked) {
    evidence->listening = Seen::kNo;
  }
  evidence->listening_hidden = hidden ? Seen::kYes : Seen::kNo;
  if (evidence->listening == Seen::kNo) {
    like.Add(beside);
    like.Keep(Named::kSockets, evidence);
  }
  Remember(job);
}

}  // namespace upstream_502
