// Recognizes lines and classifies attempts where one failure is like another.

#ifndef UPSTREAM_502_CLASSIFIER_H_
#define UPSTREAM_502_CLASSIFIER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"
#include "upstream_502/attempt.h"
#include "upstream_502/event.h"

namespace upstream_502 {

// A verdict, and what it and the attempt tell of the event; times are not set.
struct Judgment {
  Verdict verdict;
  EventFacts facts;
};

// Recognizes lines and classifies attempts as the functions do. Where requests
// fail one after the other they mostly do so in the same way: what was asked
// last is remembered, and so are usual lines.
class Classifier {
 public:
  Classifier() = default;
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  // Valid until it is called again, as is what Judge returns.
  const RecognizedLine& Recognize(absl::string_view message) {
    return last_->Is(message) ? last_->line : RecognizeNext(message);
  }

  // The message last recognized, where its line is `usual`: valid as long as
  // the Classifier.
  absl::string_view usual_message() const { return {last_->text, last_->size}; }

  // Of an attempt without a message, or whose `line` Recognize has returned.
  const Judgment& Judge(const Attempt& attempt) {
    return IsLast(attempt) ? judgment_ : JudgeNext(attempt);
  }

 private:
  const RecognizedLine& RecognizeNext(absl::string_view message);
  const Judgment& JudgeNext(const Attempt& attempt);

  // Compares all but the message, whose number is in `line`, and what only
  // fills up between and behind.
  bool IsLast(const Attempt& attempt) const {
    constexpr size_t kBegin = offsetof(Attempt, line);
    constexpr size_t kMiddle = offsetof(Attempt, bytes_received);
    constexpr size_t kEnd = offsetof(Attempt, rc) + sizeof(Attempt::rc);
    static_assert(offsetof(Attempt, protocol) ==
                  kBegin + sizeof(Attempt::line));
    static_assert(offsetof(Attempt, status) == kMiddle - 6);
    const auto* a = reinterpret_cast<const char*>(&attempt);
    const auto* b = reinterpret_cast<const char*>(&attempt_);
    return std::memcmp(a + kBegin, b + kBegin, kMiddle - 2 - kBegin) == 0 &&
           std::memcmp(a + kMiddle, b + kMiddle, kEnd - kMiddle) == 0;
  }

  struct Known {
    RecognizedLine line;
    size_t size = 0;  // 0: it was none, or too long for `text`
    char text[64] = {};

    bool Is(absl::string_view message) const {
      return message.size() == size && size != 0 &&
             std::memcmp(message.data(), text, size) == 0;
    }
  };

  Known unusual_;
  Known usual_[128];  // by hash; once one is there it stays
  const Known* last_ = &unusual_;
  uint32_t texts_ = 0;  // so many were recognized
  Attempt attempt_ = {.line = {.text = UINT32_MAX}};
  Judgment judgment_;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_CLASSIFIER_H_
