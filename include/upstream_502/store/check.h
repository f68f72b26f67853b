// Whether memory that others have written is a store's: every index, length and
// time in it is one, whatever else its bytes are. What a reader bounds itself
// (enums of newer binaries, events with their checksums) is not looked at.

#ifndef UPSTREAM_502_STORE_CHECK_H_
#define UPSTREAM_502_STORE_CHECK_H_

#include <cstdint>

#include "upstream_502/store/arena.h"

namespace upstream_502 {

// The end of the year 9999: no time lies behind it.
inline constexpr int64_t kTimeMax = 253402300799999;

inline bool IsTime(int64_t ms) { return ms >= 0 && ms <= kTimeMax; }

// Others may be at work in it. May allocate.
bool IsSound(const Arena& arena);

// Makes whole what was copied while others wrote, or left by a process that was
// killed: rows that no index names are free again, both indexes are laid out
// anew. `arena` is sound and nobody else's. May allocate.
void Mend(Arena* arena);

// Of what was copied before the last ids were handed out: goes on with ids that
// nobody can have had since, by whole rounds of the rings. After Mend.
void SkipIds(Arena* arena);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_CHECK_H_
