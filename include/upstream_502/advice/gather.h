// The findings of a situation: those of its failures, counted, and those that
// only many failures together show.

#ifndef UPSTREAM_502_ADVICE_GATHER_H_
#define UPSTREAM_502_ADVICE_GATHER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "upstream_502/advice/diagnose.h"
#include "upstream_502/advice/findings.h"
#include "upstream_502/advice/situation.h"

namespace upstream_502 {

// Of how many events, the newest ones, at most.
inline constexpr size_t kMaxGathered = 500;

struct Gathered {
  List<DiagnosisFinding> findings;  // dominant first

  // The one to lead with, where there is one, in a sentence with how many of
  // the failures asked about it holds for; and the newest failure that has it.
  std::optional<Finding> lead;
  std::string sentence;
  const Event* example = nullptr;

  // The evidence of the example; of idle connections, with the least time seen.
  std::optional<Evidence> evidence;
};

Gathered Gather(const Situation& situation, FindingsOf findings_of);

// How many gateway responses of the last minutes came out of nginx's cache; 0
// where attempts account for all of them.
uint64_t ReplayedByCache(const Situation& situation);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_GATHER_H_
