// A zone that a killed process, another binary or worse has left: what is taken
// for a zone is read, diagnosed, shown in every format and counted with.
//
// The input says what is written where over a zone that was sound.

#include "zone.h"

#include "absl/types/optional.h"
#include "input.h"
#include "read_all.h"
#include "upstream_502/store/check.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  static SampleZone* const zone = new SampleZone;
  Input input(data, size);
  const auto flags = input.Take<uint8_t>();
  const Window window = (flags & 2) != 0 ? Window::kWeek : Window::kHour;
  const int64_t now_ms = kZoneNow + input.Take<uint32_t>();
  zone->Renew();
  zone->Spoil(&input);
  const absl::optional<Store> store =
      Store::Attach(zone->memory(), zone->size(), kZoneRings);
  if (!store) {
    return 0;
  }
  if ((flags & 1) != 0) {
    Arena arena = store->arena();
    Mend(&arena);
    REQUIRE(Arena::Attach(zone->memory(), zone->size(), kZoneRings));
  }
  if ((flags & 4) != 0) {
    ReadAll(*store, now_ms, window);
    FollowAll(Tail(*store, now_ms), now_ms);
    return 0;
  }
  Tail tail(*store, now_ms);
  Following following(tail, *ParseQuery("follow"), FollowFormat::kJson, now_ms);
  for (const char* name : {"app", "new", "newer", "newest"}) {
    SampleZone::Use(*store, name, now_ms);
  }
  Incidents::Told told;
  while (store->incidents().TellOver(now_ms + kHourMs, &told)) {
  }
  Store again = *store;
  if ((flags & 8) != 0) {
    again.Reset(now_ms);
  }
  ReadAll(again, now_ms + kHourMs, window);
  while (tail.Look(now_ms + kHourMs, 50)) {
  }
  std::string news;
  while (following.Next(now_ms + kHourMs, &news)) {
  }
  return 0;
}
