// Temporary: no finding is made yet.

#include "upstream_502/advice/findings.h"

#include "upstream_502/advice/hint.h"

namespace upstream_502 {

std::vector<Found> Findings(const Failure&, const FailureText&,
                            const Evidence*) {
  return {};
}

std::string Why(const Failure& failure, const FailureText& text,
                const Evidence*) {
  return Hint(failure, text);
}

}  // namespace upstream_502
