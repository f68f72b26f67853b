// Writing an event into a slot, and reading it back whole or not at all.

#include "upstream_502/store/slot.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <numeric>
#include <utility>

#include "relaxed.h"
#include "upstream_502/store/check.h"
#include "upstream_502/store/evidence_bytes.h"
#include "upstream_502/words/escape.h"
#include "upstream_502/words/text.h"
#include "upstream_502/words/usual.h"

namespace upstream_502 {
namespace {

// A slot that was never written must not read as an event.
constexpr uint64_t kFirstSum = kMultiplier;

// A polynomial: any word that changed and any two that changed places show.
constexpr uint64_t AddWord(uint64_t sum, uint64_t word) {
  return sum * kMultiplier + word;
}

// The bytes that a text takes, zeroes behind it included.
constexpr size_t Padded(size_t size) {
  return (size + kWord - 1) & ~(kWord - 1);
}

// Puts word after word into a slot, and what they sum up to.
class SlotWriter {
 public:
  explicit SlotWriter(EventSlot* slot) : at_(slot->words + 1) {}

  void Put(uint64_t word) {
    sum_ = AddWord(sum_, word);
    at_++->store(word, kRelaxed);
  }

  // The words of a plain value.
  template <typename T>
  void PutAll(const T& value) {
    static_assert(sizeof(value) % kWord == 0);
    const char* const bytes = reinterpret_cast<const char*>(&value);
    [&]<size_t... I>(std::index_sequence<I...>) {
      (Put(Load<uint64_t>(bytes + I * kWord)), ...);
    }
    (std::make_index_sequence<sizeof(value) / kWord>());
  }

  void PutText(absl::string_view text) {
    const char* from = text.data();
    size_t left = text.size();
    for (; left >= kWord; left -= kWord, from += kWord) {
      Put(Load<uint64_t>(from));
    }
    if (left > 0) {
      Put(text.size() < kWord ? LoadShort(from, left)
                              : LoadTail(text.data(), text.size()));
    }
  }

  uint64_t sum() const { return sum_; }

 private:
  Counter* at_;
  uint64_t sum_ = kFirstSum;
};

// The texts in the order in which they are kept, evidence in front of them.
struct Texts {
  absl::string_view evidence;
  absl::string_view names[kNames];
  absl::string_view message;
  absl::string_view uri;
};

// At their limits all names but the last leave a word.
constexpr size_t kLast = kNames - 1;
static_assert(sizeof(Evidence) +
                  std::accumulate(std::begin(kNameLimits),
                                  std::begin(kNameLimits) + kLast, kWord,
                                  [](size_t sum, size_t limit) {
                                    return sum + Padded(limit);
                                  }) <=
              kTextBytes);

// A loop over the names for the compiler to unroll: most are views of nothing,
// which costs nothing then.
template <typename Visit>
void ForEachName(const Visit& visit) {
  [&visit]<size_t... I>(std::index_sequence<I...>) { (visit(I), ...); }
  (std::make_index_sequence<kNames>());
}

// All of it as far as a slot keeps it.
Texts Fit(const FailureText& text, const Evidence* evidence) {
  Texts fit = {
      evidence == nullptr ? "" : EvidenceBytes(*evidence),
      {text.upstream, text.peer, text.method, text.host, text.request_id,
       text.target},
      text.message,
      text.uri,
  };
  size_t left = kTextBytes - Padded(fit.evidence.size());
  ForEachName([&fit, &left](size_t i) {
    absl::string_view& name = fit.names[i];
    const size_t most =
        i < kLast ? kNameLimits[i] : std::min(kNameLimits[i], left - kWord);
    if (name.size() > most) {
      name = CutUtf8(name, most);
    }
    left -= Padded(name.size());
  });
  if (Padded(fit.message.size()) + Padded(fit.uri.size()) > left) {
    const size_t half = left / 2 & ~(kWord - 1);
    const size_t uri_share = std::min(Padded(fit.uri.size()), half);
    fit.message = CutUtf8(fit.message, left - uri_share);
    fit.uri = CutUtf8(fit.uri, left - Padded(fit.message.size()));
  }
  return fit;
}

// More than any timeout or buffer has; twice that is still a number.
constexpr int64_t kLimitMax = int64_t{1} << 50;

// Values of a newer binary may be unknown to this one, numbers of another's
// bytes may be none that can be.
bool IsKnown(const Failure& failure) {
  return IsTime(failure.time_ms) && failure.limit >= -1 &&
         failure.limit <= kLimitMax &&
         static_cast<size_t>(failure.cause) < kCauseCount &&
         failure.method < std::size(kMethods) &&
         (failure.line == 0 || IsUsualLine(failure.line)) &&
         static_cast<size_t>(failure.phase) < kPhaseCount &&
         static_cast<size_t>(failure.protocol) < kProtocolCount &&
         static_cast<size_t>(failure.errno_class) < kErrnoClassCount &&
         static_cast<size_t>(failure.not_retried) < kNotRetriedCount;
}

// Whether the words of a slot, which begin with `prefix`, are those of one
// event that this binary understands.
bool IsWhole(const SlotPrefix& prefix, const uint64_t* words) {
  size_t text_bytes = Padded(prefix.lengths.evidence) +
                      Padded(prefix.lengths.message) +
                      Padded(prefix.lengths.uri);
  for (const uint8_t length : prefix.lengths.names) {
    text_bytes += Padded(length);
  }
  if (text_bytes > kTextBytes || !IsKnown(prefix.failure)) {
    return false;
  }
  uint64_t sum = kFirstSum;
  for (size_t i = 1; i < kPrefixWords + text_bytes / kWord; ++i) {
    sum = AddWord(sum, words[i]);
  }
  return prefix.checksum == sum;
}

// What follows the prefix of a whole slot; what its failure tells by a number
// as text, too.
void TakeTexts(const SlotPrefix& prefix, const char* in, Event* event) {
  const auto take = [&in](size_t length) {
    const absl::string_view text(in, length);
    in += Padded(length);
    return text;
  };
  event->evidence = EvidenceOf(take(prefix.lengths.evidence));
  String* const names[kNames] = {&event->upstream,   &event->peer,
                                 &event->method,     &event->host,
                                 &event->request_id, &event->target};
  for (size_t i = 0; i < kNames; ++i) {
    *names[i] = String(take(prefix.lengths.names[i]));
  }
  event->message = String(take(prefix.lengths.message));
  event->uri = String(take(prefix.lengths.uri));
  const Failure& failure = prefix.failure;
  if (failure.method != 0) {
    event->method = String(kMethods[failure.method]);
  }
  if (failure.line != 0) {
    event->message = UsualText(failure.line, failure.errno_number);
  }
}

// One word of a slot that may be being written.
template <typename Field>
Field PeekAt(const EventSlot& slot, size_t offset) {
  const uint64_t word = slot.words[offset / kWord].load(kRelaxed);
  Field field;
  std::memcpy(&field, reinterpret_cast<const char*>(&word) + offset % kWord,
              sizeof(field));
  return field;
}

}  // namespace

void WriteSlot(EventSlot* slot, uint64_t id, uint32_t serial,
               const Failure& failure, const FailureText& text,
               const LongName& long_name, const Evidence* evidence) {
  const Texts fit = Fit(text, evidence);
  SlotLengths lengths = {
      .serial = serial,
      .names = {},
      .evidence = static_cast<uint16_t>(fit.evidence.size()),
      .message = static_cast<uint16_t>(fit.message.size()),
      .uri = static_cast<uint16_t>(fit.uri.size()),
  };
  ForEachName([&](size_t i) {
    lengths.names[i] = static_cast<uint8_t>(fit.names[i].size());
  });
  SlotWriter writer(slot);
  writer.Put(id);
  writer.PutAll(failure);
  writer.PutAll(long_name);
  writer.PutAll(lengths);
  writer.PutText(fit.evidence);
  ForEachName([&](size_t i) { writer.PutText(fit.names[i]); });
  writer.PutText(fit.message);
  writer.PutText(fit.uri);
  slot->words[0].store(writer.sum(), kRelaxed);
}

SlotPeek PeekSlot(const EventSlot& slot) {
  return {
      PeekAt<uint64_t>(slot, offsetof(SlotPrefix, id)),
      PeekAt<uint32_t>(
          slot, offsetof(SlotPrefix, lengths) + offsetof(SlotLengths, serial)),
      PeekAt<uint8_t>(slot,
                      offsetof(SlotPrefix, failure) + offsetof(Failure, cause)),
  };
}

void CopySlot(const EventSlot& from, EventSlot* to) {
  for (size_t i = 0; i < kEventWords; ++i) {
    to->words[i].store(from.words[i].load(kRelaxed), kRelaxed);
  }
}

bool ReadSlot(const EventSlot& slot, Event* event, LongName* long_name) {
  uint64_t words[kEventWords];
  for (size_t i = 0; i < kEventWords; ++i) {
    words[i] = slot.words[i].load(kRelaxed);
  }
  SlotPrefix prefix;
  std::memcpy(&prefix, words, sizeof(prefix));
  if (!IsWhole(prefix, words)) {
    return false;
  }
  TakeTexts(prefix, reinterpret_cast<const char*>(words) + sizeof(prefix),
            event);
  event->id = prefix.id;
  event->failure = prefix.failure;
  *long_name = prefix.long_name;
  return true;
}

}  // namespace upstream_502
