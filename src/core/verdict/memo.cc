// Remembers which line is which.

#include "upstream_502/verdict/memo.h"

#include <cstring>

#include "upstream_502/words/shortcuts.h"

namespace upstream_502 {

const Line& LineMemo::Recognize(absl::string_view message) {
  const size_t size = message.size();
  for (const Entry& entry : entries_) {
    if (kShortcuts && entry.size == size &&
        std::memcmp(entry.text, message.data(), size) == 0) {
      return entry.line;
    }
  }
  Entry& entry = entries_[next_++ % std::size(entries_)];
  entry.line = RecognizeLine(message);
  // Nothing is as long as one that does not fit.
  entry.size = size <= sizeof(entry.text)
                   ? message.copy(entry.text, sizeof(entry.text))
                   : SIZE_MAX;
  return entry.line;
}

}  // namespace upstream_502
