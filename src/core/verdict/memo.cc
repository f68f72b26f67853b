// Remembers which line is which.

#include "upstream_502/verdict/memo.h"

#include <iterator>

#include "upstream_502/words/shortcuts.h"
#include "upstream_502/words/text.h"

namespace upstream_502 {

const Line& LineMemo::Recognize(absl::string_view message) {
  if (message.empty() || message.size() > sizeof(Entry::text)) {
    other_ = RecognizeLine(message);
    return other_;
  }
  const uint32_t hash = HashText(0, message.data(), message.size());
  Entry& entry = entries_[hash % std::size(entries_)];
  if (!kShortcuts || entry.size != message.size() ||
      !SameText(entry.text, message.data(), message.size())) {
    entry.line = RecognizeLine(message);
    entry.size = message.copy(entry.text, sizeof(entry.text));
  }
  return entry.line;
}

}  // namespace upstream_502
