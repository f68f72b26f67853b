#include "upstream_502/classifier.h"

#include <algorithm>
#include <iterator>

#include "upstream_502/text.h"
#include "upstream_502/usual_text.h"

namespace upstream_502 {

const RecognizedLine& Classifier::RecognizeNext(absl::string_view message) {
  Known* known =
      &usual_[HashText(0, message.data(), message.size()) % std::size(usual_)];
  if (!known->Is(message)) {
    RecognizedLine line = RecognizeLine(message);
    const bool fits = message.size() <= sizeof(known->text);
    if (!message.empty()) {
      line.text = texts_ = std::max(texts_ + 1, 1U);
      line.usual = fits && known->size == 0
                       ? UsualLine(message, line.errno_number)
                       : uint8_t{0};
    }
    if (line.usual == 0) {
      known = &unusual_;
    }
    known->line = line;
    known->size = fits ? message.copy(known->text, message.size()) : 0;
  }
  last_ = known;
  return known->line;
}

const Judgment& Classifier::JudgeNext(const Attempt& attempt) {
  attempt_ = attempt;
  attempt_.message = {};
  const Verdict verdict = Classify(attempt);
  judgment_ = {verdict,
               {.cause = verdict.cause,
                .phase = verdict.phase,
                .protocol = attempt.protocol,
                .reused = attempt.reused,
                .errno_class = verdict.errno_class,
                .status = attempt.status,
                .received_status = attempt.received_status,
                .errno_number = static_cast<int16_t>(
                    std::min<int>(verdict.errno_number, INT16_MAX)),
                .line = attempt.line.usual != 0 && verdict.errno_number ==
                                                       attempt.line.errno_number
                            ? attempt.line.usual
                            : uint8_t{0}}};
  return judgment_;
}

}  // namespace upstream_502
