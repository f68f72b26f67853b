// Reads the statistics when nginx starts, and has them written.

#include "ngx_cxx.h"

#include "state.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "bridge.h"
#include "system/process.h"
#include "system/state_file.h"
#include "upstream_502/store/image.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {
namespace {

constexpr ngx_msec_t kSaveEveryMs = 60000;
// An nginx that is just ending writes the file first: as long as nginx itself
// tries to get a port that is in use.
constexpr int kLockTries = 30;
constexpr ngx_msec_t kLockWaitMs = 100;

std::string PathOf(const Zone& zone) { return std::string(View(zone.state)); }

// Whom the process that writes belongs to.
StateUser UserOf(const ngx_cycle_t* cycle) {
  const auto* conf = reinterpret_cast<const ngx_core_conf_t*>(
      ngx_get_conf(cycle->conf_ctx, ngx_core_module));
  if (geteuid() != 0 || conf->user == static_cast<ngx_uid_t>(NGX_CONF_UNSET)) {
    return {geteuid(), getegid(), nullptr};
  }
  return {conf->user, conf->group, conf->username};
}

void Say(const Zone& zone, ngx_uint_t level, ngx_log_t* log,
         absl::string_view what) {
  ngx_log_error(level, log, 0, "upstream_502_zone \"%V\": state \"%V\" %*s",
                &zone.name, &zone.state, what.size(), what.data());
}

off_t FileSize(const Arena& arena) {
  return static_cast<off_t>(kImageOffset + arena.header->size);
}

absl::string_view BytesOf(const void* data, size_t size) {
  return {static_cast<const char*>(data), size};
}

// Writes the memory as it is now; `sum` becomes that of what was written.
absl::Status Write(const Arena& arena, bool ended, StateFile* file,
                   uint64_t* sum) {
  absl::Status status;
  const auto write = [&](size_t first, absl::Span<const uint64_t> words) {
    // Zeroes are left out.
    if (status.ok() && std::any_of(words.begin(), words.end(),
                                   [](uint64_t word) { return word != 0; })) {
      status = file->Write(
          static_cast<off_t>(kImageOffset + first * sizeof(uint64_t)),
          BytesOf(words.data(), words.size() * sizeof(uint64_t)));
    }
  };
  *sum = CopyImage(arena, write);
  if (!status.ok()) {
    return status;
  }
  const ImageHead head = HeadOf(arena, *sum, ended);
  return file->Write(0, BytesOf(&head, sizeof(head)));
}

absl::Status Replace(const Zone& zone, const StateUser& user, bool ended,
                     uint64_t* sum) {
  const Arena& arena = zone.store.arena();
  absl::StatusOr<StateFile> file = StateFile::Create(PathOf(zone), user);
  if (!file.ok()) {
    return file.status();
  }
  const absl::Status status = Write(arena, ended, &*file, sum);
  return status.ok() ? file->Commit(FileSize(arena)) : status;
}

// What fails is said once.
void Save(Zone* zone, const StateUser& user, bool ended, ngx_log_t* log) {
  if (zone->lock_fd == -1) {
    return;
  }
  const absl::Status status = Replace(*zone, user, ended, &zone->saved_sum);
  zone->saved = status.ok();
  if (!status.ok() && !zone->save_failed) {
    Say(*zone, NGX_LOG_WARN, log,
        absl::StrCat(absl::string_view(status.message()),
                     ", a restart will lose what is counted"));
  }
  zone->save_failed = !status.ok();
}

bool HasChanged(const Zone& zone) {
  return !zone.saved || SumOf(zone.store.arena()) != zone.saved_sum;
}

// nginx runs it in its cache manager; it returns when to be run again.
ngx_msec_t Tend(void* data) {
  auto* zone = static_cast<Zone*>(data);
  auto* cycle = const_cast<ngx_cycle_t*>(ngx_cycle);
  Guarded(cycle, [&] {
    if (HasChanged(*zone)) {
      Save(zone, UserOf(cycle), false, cycle->log);
    }
  });
  return kSaveEveryMs;
}

// An entry of the list by which nginx decides whether to start that process.
// Added when directories are made already: nginx would make this one its own.
bool AddToManager(ngx_cycle_t* cycle, Zone* zone) {
  auto* path =
      static_cast<ngx_path_t*>(ngx_pcalloc(cycle->pool, sizeof(ngx_path_t)));
  auto** place = path == nullptr
                     ? nullptr
                     : static_cast<ngx_path_t**>(ngx_array_push(&cycle->paths));
  if (place == nullptr) {
    return false;
  }
  path->name = zone->state;
  path->manager = Tend;
  path->data = zone;
  *place = path;
  return true;
}

bool Lock(ngx_cycle_t* cycle, Zone* zone) {
  for (int tries = zone->first ? kLockTries : 1; zone->lock_fd == -1;) {
    const absl::StatusOr<int> fd = LockState(PathOf(*zone));
    if (fd.ok()) {
      zone->lock_fd = *fd;
    } else if (fd.status().code() != absl::StatusCode::kUnavailable ||
               --tries == 0) {
      Say(*zone, NGX_LOG_WARN, cycle->log,
          absl::StrCat(absl::string_view(fd.status().message()),
                       ", it is left alone"));
      return false;
    } else {
      ngx_msleep(kLockWaitMs);
    }
  }
  return true;
}

// Ids are handed out from here on, which a crash loses that comes before the
// next file. On a disk that is read-only there is none.
void NoteBeginning(int fd) {
  constexpr uint64_t kNotEnded = 0;
  if (pwrite(fd, &kNotEnded, sizeof(kNotEnded), offsetof(ImageHead, ended)) ==
      static_cast<ssize_t>(sizeof(kNotEnded))) {
    fdatasync(fd);
  }
}

// Puts what the file holds in the place of a store that nobody has used yet.
// What is wrong with it, where it is no state: then the store is as it was.
absl::Status Read(int fd, Zone* zone) {
  void* memory = zone->store.arena().header;
  const size_t size = zone->store.arena().header->size;
  ImageHead head;
  absl::Status status = ReadState(fd, 0, &head, sizeof(head));
  if (!status.ok()) {
    return status;
  }
  const absl::string_view why = WhyNoImage(head, size);
  if (!why.empty()) {
    return absl::InternalError(why);
  }
  status = ReadState(fd, kImageOffset, memory, size);
  if (status.ok()) {
    if (const absl::optional<Arena> found =
            TakeImage(memory, size, zone->rings, head)) {
      if (head.ended != 0) {
        NoteBeginning(fd);
      }
      found->header->restarts.fetch_add(1, std::memory_order_relaxed);
      zone->store = Store(*found);
      return status;
    }
  }
  std::memset(memory, 0, size);  // rows are looked at before they are in use
  zone->store = Store::Create(memory, size, zone->rings, NowMs());
  return status.ok() ? absl::InternalError("is corrupt") : status;
}

void Load(ngx_cycle_t* cycle, Zone* zone) {
  RemoveLeftovers(PathOf(*zone));
  const absl::StatusOr<int> fd =
      OpenState(PathOf(*zone), UserOf(cycle), FileSize(zone->store.arena()));
  absl::Status status = fd.status();
  if (fd.ok()) {
    status = Read(*fd, zone);
    close(*fd);
  }
  if (!status.ok()) {
    Say(*zone, NGX_LOG_NOTICE, cycle->log,
        absl::StrCat(absl::string_view(status.message()),
                     ", statistics start afresh"));
  }
}

}  // namespace

bool CheckState(const Zone& zone, ngx_log_t* log) {
  if (zone.state.len == 0) {
    return true;
  }
  const absl::Status status = CheckStatePath(PathOf(zone), UserOf(zone.cycle));
  if (!status.ok()) {
    Say(zone, NGX_LOG_EMERG, log,
        absl::StrCat("cannot be written: ",
                     absl::string_view(status.message())));
  }
  return status.ok();
}

void StartState(ngx_cycle_t* cycle, Zone* zone) {
  if (zone->state.len == 0 || !Lock(cycle, zone)) {
    return;
  }
  if (zone->first && !ngx_inherited) {
    Load(cycle, zone);
  }
  if (!AddToManager(cycle, zone)) {
    Say(*zone, NGX_LOG_WARN, cycle->log, "is only written when nginx ends");
  }
}

void EndState(ngx_cycle_t* cycle, Zone* zone) {
  // The binary of an upgrade goes on with it.
  if (zone->state.len == 0 || !zone->store || ngx_new_binary != 0) {
    return;
  }
  // That of before an upgrade may go on with it, too.
  const Arena& arena = zone->store.arena();
  ForgetWriters(arena, IsProcessGone);
  Save(zone, UserOf(cycle), !HasWriterOf(arena, UINT64_MAX), cycle->log);
}

}  // namespace upstream_502
