// What a request has kept of its attempts, written down by hand.

#ifndef UPSTREAM_502_T_UNIT_VERDICT_REQUESTS_H_
#define UPSTREAM_502_T_UNIT_VERDICT_REQUESTS_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include "upstream_502/verdict/outcome.h"

namespace upstream_502 {

class Kept {
 public:
  explicit Kept(int status_in) : status(status_in) {}
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  // Something noted about an attempt.
  Note& Keep(uint32_t run, uint32_t element) {
    Note& note = notes_.emplace_back();
    note.run = run;
    note.element = element;
    list_.push_back(&note);
    runs = std::max(runs, run);
    attempts += element == kNoElement ? 0 : 1;
    return note;
  }
  // One that failed, and was not the last of its run.
  Note& Fail(uint32_t run, uint32_t element) {
    Note& note = Keep(run, element);
    note.failed = true;
    note.failure = {.cause = Cause::kConnectionRefused,
                    .phase = Phase::kConnect};
    return note;
  }
  // One that failed and was the last of its run, which ended with `run_status`.
  Note& Finish(uint32_t run, uint32_t element, int run_status) {
    Note& note = Fail(run, element);
    note.last = true;
    note.run_status = run_status;
    return note;
  }

  // Valid as long as this.
  RequestFacts Facts() const {
    return {.status = status,
            .runs = runs,
            .attempts = attempts,
            .from_cache = from_cache,
            .aborted = aborted,
            .notes = list_};
  }

  int status;
  uint32_t runs = 0;
  uint32_t attempts = 0;
  bool from_cache = false;
  bool aborted = false;

 private:
  std::deque<Note> notes_;
  std::vector<Note*> list_;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_VERDICT_REQUESTS_H_
