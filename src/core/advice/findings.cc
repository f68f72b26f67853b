// Findings of one failure.

#include "upstream_502/advice/findings.h"

#include "upstream_502/advice/hint.h"

namespace upstream_502 {

std::vector<Found> Findings(const Failure& failure, const FailureText& text,
                            const Evidence* evidence) {
  (void)failure, (void)text, (void)evidence;
  return {};
}

std::string Why(const Failure& failure, const FailureText& text,
                const Evidence* evidence) {
  (void)evidence;
  return Hint(failure, text);
}

}  // namespace upstream_502
