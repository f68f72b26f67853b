// What a request keeps of one of its attempts: an error line about it with
// what nginx's structs said at that moment, and how it failed. Most attempts
// never need one. Views are of texts that live as long as the request.

#ifndef UPSTREAM_502_VERDICT_NOTE_H_
#define UPSTREAM_502_VERDICT_NOTE_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "upstream_502/verdict/attempt.h"
#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// "No element of r->upstream_states": nginx gave up before an attempt.
inline constexpr uint32_t kNoElement = UINT32_MAX;

struct Note {
  uint32_t run = 0;  // of the request, from 1
  uint32_t element = kNoElement;
  bool recognized = false;  // its line names the cause
  bool failed = false;      // it is known to; all below `room` is set
  bool last = false;        // the last attempt of its run
  bool stored = false;      // its event is in the ring
  int run_status = 0;       // what the run ended with, nginx's rc
  Attempt attempt;
  Failure failure;
  absl::Span<char> room = {};  // where its messages are kept
  absl::string_view upstream = {};
  absl::string_view target = {};  // see FailureText
  absl::string_view peer = {};    // set with the line where it is known then
  FailureRows rows;
  // Where the kernel was asked; in the request's pool.
  Evidence* evidence = nullptr;
  uint64_t event_id = 0;  // 0: not handed out yet
};

// The order of attempts within a request; what came before any attempt of a run
// comes first in it.
inline bool IsBefore(const Note& note, uint32_t run, uint32_t element) {
  return note.run != run ? note.run < run : note.element + 1 < element + 1;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_VERDICT_NOTE_H_
