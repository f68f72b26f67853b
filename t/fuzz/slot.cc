// Slots of the ring of events: bytes that another process may have left there,
// and events of any text written and read back.
//
// The input's first byte says which of both; the rest are the words of a slot
// (their checksum is set right, or no input would get any further), or facts
// and lines of an event.

#include "upstream_502/store/slot.h"

#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "input.h"
#include "read_all.h"
#include "upstream_502/report/json_event.h"
#include "upstream_502/store/evidence_bytes.h"
#include "upstream_502/words/escape.h"
#include "upstream_502/words/text.h"

namespace upstream_502 {
namespace {

constexpr int64_t kNow = 1763675000000;

// As slot.h has it: over all words that the lengths tell of.
void SetChecksum(uint64_t (&words)[kEventWords]) {
  SlotLengths lengths;
  std::memcpy(
      &lengths,
      reinterpret_cast<const char*>(words) + offsetof(SlotPrefix, lengths),
      sizeof(lengths));
  const auto words_of = [](size_t bytes) { return (bytes + 7) / 8; };
  size_t end = kPrefixWords + words_of(lengths.evidence) +
               words_of(lengths.message) + words_of(lengths.uri);
  for (const uint8_t name : lengths.names) {
    end += words_of(name);
  }
  uint64_t sum = kMultiplier;
  for (size_t i = 1; i < end && i < kEventWords; ++i) {
    sum = sum * kMultiplier + words[i];
  }
  words[0] = sum;
}

// All that is made of an event.
void Use(const Event& event) {
  Report report;
  report.snapshot.server.time = kNow;
  UpstreamStats& stats = report.snapshot.upstreams.emplace_back();
  stats.name = event.upstream;
  stats.failures = 3;
  stats.requests = 3;
  stats.attempts = 3;
  stats.recent_causes[static_cast<size_t>(event.failure.cause)] = 3;
  stats.history.buckets.back() = {3, 3, 3};
  report.snapshot.events.assign(3, event);
  Advise(&report);
  REQUIRE(JsonReader::Read(RequestJson({.gateway = true, .event = &event})));
}

void Read(Input input) {
  uint64_t words[kEventWords] = {};
  const absl::string_view bytes = input.Bytes(sizeof(words));
  std::memcpy(words, bytes.data(), bytes.size());
  SetChecksum(words);
  EventSlot slot;
  for (size_t i = 0; i < kEventWords; ++i) {
    slot.words[i].store(words[i]);
  }
  EventSlot copy;
  CopySlot(slot, &copy);
  PeekSlot(copy);
  Event event;
  LongName long_name;
  if (ReadSlot(copy, &event, &long_name)) {
    REQUIRE(event.id == PeekSlot(copy).id);
    Use(event);
  }
}

Failure TakeFailure(Input* input) {
  auto failure = input->Take<Failure>();
  failure.time_ms = kNow;
  failure.limit = static_cast<int32_t>(failure.limit & INT32_MAX);
  failure.cause =
      static_cast<Cause>(static_cast<size_t>(failure.cause) % kCauseCount);
  failure.phase =
      static_cast<Phase>(static_cast<size_t>(failure.phase) % kPhaseCount);
  failure.protocol = static_cast<Protocol>(
      static_cast<size_t>(failure.protocol) % kProtocolCount);
  failure.errno_class = static_cast<ErrnoClass>(
      static_cast<size_t>(failure.errno_class) % kErrnoClassCount);
  failure.not_retried = static_cast<NotRetried>(
      static_cast<size_t>(failure.not_retried) % kNotRetriedCount);
  failure.method = 0;
  failure.line = 0;
  return failure;
}

void Write(Input input) {
  const Failure failure = TakeFailure(&input);
  Evidence evidence;
  const bool asked = input.Flag();
  const auto named = input.Pick<Named>(kNamedCount);
  const FailureText text = {.upstream = input.Line(),
                            .target = input.Line(),
                            .peer = input.Line(),
                            .method = input.Line(),
                            .host = input.Line(),
                            .uri = input.Line(),
                            .request_id = input.Line(),
                            .message = input.Line()};
  AppendItem(named, input.Line(), &evidence);
  AppendItem(named, input.Line(), &evidence);
  EventSlot slot;
  WriteSlot(&slot, 7, 1, failure, text, {}, asked ? &evidence : nullptr);
  Event event;
  LongName long_name;
  REQUIRE(ReadSlot(slot, &event, &long_name));
  REQUIRE(event.evidence.has_value() == asked);
  // What there was room for is a beginning of what was written.
  REQUIRE(text.message.substr(0, event.message.size()) == event.message);
  REQUIRE(text.uri.substr(0, event.uri.size()) == event.uri);
  REQUIRE(text.peer.substr(0, event.peer.size()) == event.peer);
  Use(event);
}

}  // namespace
}  // namespace upstream_502

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  Input input(data, size);
  if (input.Flag()) {
    Write(input);
  } else {
    Read(input);
  }
  return 0;
}
