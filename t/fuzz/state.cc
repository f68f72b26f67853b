// A file of the state, as nginx finds it when it starts.
//
// The input's first byte says whether the sum is set right and whether nginx
// had ended, the next two by how many bytes the file is cut; then a head, or
// nothing, and what is written where over the image of a zone that was sound.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "input.h"
#include "read_all.h"
#include "system/state_file.h"
#include "upstream_502/store/image.h"
#include "zone.h"

namespace upstream_502 {
namespace {

// A file that goes with this process.
class File {
 public:
  File() : fd_(open(path().c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600)) {
    REQUIRE(fd_ != -1);
    std::atexit([] { unlink(path().c_str()); });
  }

  // No other process has this name.
  static std::string path() {
    return std::filesystem::temp_directory_path() /
           absl::StrCat("upstream_502_fuzz.", getpid());
  }

  void Write(const ImageHead& head, const SampleZone& zone) const {
    const ssize_t size = static_cast<ssize_t>(zone.size());
    REQUIRE(pwrite(fd_, &head, sizeof(head), 0) == sizeof(head));
    REQUIRE(pwrite(fd_, zone.memory(), zone.size(), kImageOffset) == size);
  }

  void Cut(size_t size) const {
    REQUIRE(ftruncate(fd_, static_cast<off_t>(size)) == 0);
  }

 private:
  int fd_;
};

// As nginx/state does.
absl::optional<Arena> Restart(SampleZone* zone) {
  const StateUser user = {geteuid(), getegid(), nullptr};
  const absl::StatusOr<int> fd = OpenState(
      File::path(), user, static_cast<off_t>(kImageOffset + zone->size()));
  if (!fd.ok()) {
    return absl::nullopt;
  }
  ImageHead head;
  const bool read =
      ReadState(*fd, 0, &head, sizeof(head)).ok() &&
      WhyNoImage(head, zone->size()).empty() &&
      ReadState(*fd, kImageOffset, zone->memory(), zone->size()).ok();
  close(*fd);
  return read ? TakeImage(zone->memory(), zone->size(), kZoneRings, head)
              : absl::nullopt;
}

}  // namespace
}  // namespace upstream_502

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  static SampleZone* const zone = new SampleZone;
  static const File* const file = new File;
  Input input(data, size);
  const auto flags = input.Take<uint8_t>();
  const auto cut = input.Take<uint16_t>();

  zone->Renew();
  const Store sound = *Store::Attach(zone->memory(), zone->size(), kZoneRings);
  ImageHead head =
      HeadOf(sound.arena(), SumOf(sound.arena()), (flags & 4) != 0);
  if ((flags & 2) != 0) {
    head = input.Take<ImageHead>();
  }
  zone->Spoil(&input);
  const absl::optional<Store> spoilt =
      Store::Attach(zone->memory(), zone->size(), kZoneRings);
  if ((flags & 1) != 0 && spoilt) {
    head.sum = SumOf(spoilt->arena());
  }
  file->Write(head, *zone);
  const size_t gone = std::min(size_t{cut} * 16, zone->size());
  file->Cut(kImageOffset + zone->size() - gone);
  const absl::optional<Arena> arena = Restart(zone);
  REQUIRE(!arena || gone == 0);
  if (arena) {
    Store store(*arena);
    SampleZone::Use(store, "app", kZoneNow + kMinuteMs);
    ReadAll(store, kZoneNow + kHourMs, Window::kHour);
  }
  return 0;
}
