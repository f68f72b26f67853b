// Remembers which line is which. Requests that fail one after the other mostly
// do so with the same few lines: such a line is compared, not recognized anew.

#ifndef UPSTREAM_502_VERDICT_MEMO_H_
#define UPSTREAM_502_VERDICT_MEMO_H_

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/line.h"

namespace upstream_502 {

class LineMemo {
 public:
  LineMemo() = default;
  LineMemo(const LineMemo&) = delete;
  LineMemo& operator=(const LineMemo&) = delete;

  // As RecognizeLine. Valid until it is called again.
  const Line& Recognize(absl::string_view message);

 private:
  struct Entry {
    Line line;
    size_t size = 0;
    char text[64] = {};
  };

  Entry entries_[4];  // the last ones, in no order
  size_t next_ = 0;   // which makes room next
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_VERDICT_MEMO_H_
