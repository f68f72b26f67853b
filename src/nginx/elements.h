// The elements of nginx's r->upstream_states, one by one, each with what is
// kept of it.

#ifndef UPSTREAM_502_SRC_NGINX_ELEMENTS_H_
#define UPSTREAM_502_SRC_NGINX_ELEMENTS_H_

#include "bridge.h"
#include "record.h"

namespace upstream_502 {

// An element while it is looked at.
struct Element {
  uint32_t index = kNoElement;
  uint32_t attempt = 0;           // its number in the request, from 1; 0: none
  int64_t later = 0;              // ms that the elements behind it took
  NotedAttempt* noted = nullptr;  // what is kept of it; in none of the lists
};

// Takes what is kept of the last run out of its lists: a chain, oldest first.
inline NotedAttempt* TakeKept(Record* record) {
  NotedAttempt* kept = nullptr;
  for (;;) {
    NotedAttempt* failure = record->failures;
    if (failure != nullptr && failure->run != record->runs) {
      failure = nullptr;
    }
    NotedAttempt* newest = record->noted;
    if (newest != nullptr &&
        (failure == nullptr || IsBefore(failure->element, newest->element))) {
      record->noted = newest->older;
    } else if (failure != nullptr) {
      newest = failure;
      record->failures = failure->older;
    } else {
      return kept;
    }
    newest->older = kept;
    kept = newest;
  }
}

// Puts those before `element` back, and returns the rest.
inline NotedAttempt* PutBack(Record* record, NotedAttempt* kept,
                             uint32_t element) {
  while (kept != nullptr && IsBefore(kept->element, element)) {
    NotedAttempt* next = kept->older;
    Put(record, kept);
    kept = next;
  }
  return kept;
}

inline int64_t TimeOf(const State& state) {
  return state.response_time == kUnsetTime
             ? 0
             : static_cast<int64_t>(state.response_time);
}

// Makes `element`, the first of those up to `end`, know of the others.
inline void CountOthers(const State* states, uint32_t end, Element* element) {
  for (uint32_t i = 0; i < element->index; ++i) {
    element->attempt += IsSeparator(states[i]) ? 0U : 1U;
  }
  for (uint32_t i = element->index + 1; i < end; ++i) {
    element->later += TimeOf(states[i]);
  }
}

// Visits the elements of the last run from `begin` up to `end`, in order, in a
// time that grows with their number: a request may try thousands of peers.
template <typename Visit>
[[gnu::noinline, gnu::flatten]] void ForEachElement(Record* record,
                                                    uint32_t begin,
                                                    uint32_t end,
                                                    const Visit& visit) {
  if (begin >= end) {
    return;
  }
  const State* states = States(record->request);
  NotedAttempt* kept = TakeKept(record);
  Element element = {.index = begin, .attempt = 1};
  CountOthers(states, end, &element);
  for (;;) {
    kept = PutBack(record, kept, element.index);
    element.noted = nullptr;
    if (kept != nullptr && kept->element == element.index) {
      element.noted = kept;
      kept = kept->older;
    }
    visit(states[element.index], &element);
    if (element.noted != nullptr) {
      Put(record, element.noted);
    }
    if (++element.index == end) {
      break;
    }
    ++element.attempt;
    element.later -= TimeOf(states[element.index]);
  }
  PutBack(record, kept, kNoElement - 1);
}

// Whether there is one element, of which something is kept, and nothing else.
inline bool HasOneElement(const Record& record, uint32_t begin, uint32_t end) {
  const NotedAttempt* noted = record.noted;
  return end == 1 && begin == 0 && noted != nullptr &&
         noted->older == nullptr && noted->element == 0 &&
         record.failures == nullptr;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_ELEMENTS_H_
