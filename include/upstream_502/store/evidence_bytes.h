// Evidence as a slot keeps it: its bytes up to the end of its text, and back
// again. What is read may come from a binary that knows more, or from anywhere.

#ifndef UPSTREAM_502_STORE_EVIDENCE_BYTES_H_
#define UPSTREAM_502_STORE_EVIDENCE_BYTES_H_

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/evidence.h"

namespace upstream_502 {

inline constexpr size_t kEvidenceBytesMin = offsetof(Evidence, text);

// What is behind the text is not worth its room.
inline absl::string_view EvidenceBytes(const Evidence& evidence) {
  return {reinterpret_cast<const char*>(&evidence),
          kEvidenceBytesMin +
              std::min<size_t>(evidence.text_size, Evidence::kTextRoom)};
}

// The evidence that `bytes` are of. Nothing where any part of it means nothing
// to this binary: half of what was seen may say the contrary of the whole.
std::optional<Evidence> EvidenceOf(absl::string_view bytes);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_EVIDENCE_BYTES_H_
