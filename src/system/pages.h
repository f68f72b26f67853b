// Memory by whole pages, straight from the system and straight back to it: the
// heap keeps what was freed between things that stay.

#ifndef UPSTREAM_502_SYSTEM_PAGES_H_
#define UPSTREAM_502_SYSTEM_PAGES_H_

#include <cstddef>

#include "upstream_502/words/region.h"

namespace upstream_502 {

// Regions take their blocks here.
extern const Region::Source kPages;

// `size` in whole pages.
size_t InPages(size_t size);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_PAGES_H_
