// What the tests of slots share: an event to write, and what is read back.

#ifndef UPSTREAM_502_T_UNIT_STORE_SLOTS_H_
#define UPSTREAM_502_T_UNIT_STORE_SLOTS_H_

#include <cstring>
#include <memory>

#include "gtest/gtest.h"
#include "upstream_502/store/slot.h"

namespace upstream_502 {

inline Failure SomeFacts() {
  Failure facts;
  facts.time_ms = 1700000000123;
  facts.cause = Cause::kReadTimeout;
  facts.phase = Phase::kHeader;
  facts.protocol = Protocol::kFastcgi;
  facts.errno_class = ErrnoClass::kTimedOut;
  facts.errno_number = 110;
  facts.status = 504;
  facts.bytes_sent = 1;
  facts.bytes_received = UINT64_MAX;
  facts.limit = 60000;
  return facts;
}

inline FailureText SomeText() {
  return {.upstream = "backend",
          .target = "backend.internal:8080",
          .peer = "127.0.0.1:9000",
          .method = "GET",
          .host = "example.com",
          .uri = "/path",
          .request_id = "0123456789abcdef",
          .message = "upstream timed out (110: Connection timed out)"};
}

// Every member as it is not by itself.
inline Evidence SomeEvidence(absl::string_view text = "3000, 3001") {
  Evidence evidence;
  evidence.asked = 1;
  evidence.where = Where::kThisMachine;
  evidence.idle_ms = 1500;
  evidence.queue = 0;
  evidence.queue_max = INT32_MAX;
  evidence.listening = Seen::kNo;
  evidence.speaks = Speaks::kSsh;
  evidence.path_fault = PathFault::kUnclear;
  evidence.path_kind = FileKind::kLink;
  evidence.path_mode = 0750;
  evidence.confinement = Confinement::kAppArmor;
  evidence.files_of = FilesOf::kMachine;
  evidence.ports_of = PortsOf::kMachine;
  evidence.named = Named::kHosts;
  evidence.named_count = 2;
  evidence.text_size = static_cast<uint8_t>(text.size());
  text.copy(evidence.text.data(), text.size());
  return evidence;
}

inline bool Same(const Evidence& a, const Evidence& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

inline void Write(EventSlot* slot, uint64_t id, const FailureText& text) {
  WriteSlot(slot, id, 7, SomeFacts(), text, {});
}

inline bool Read(const EventSlot& slot, Event* event) {
  LongName long_name;
  return ReadSlot(slot, event, &long_name);
}

inline Event RoundTrip(const FailureText& text,
                       const Evidence* evidence = nullptr) {
  const auto slot = std::make_unique<EventSlot>();
  WriteSlot(slot.get(), 1, 7, SomeFacts(), text, {}, evidence);
  Event event;
  EXPECT_TRUE(Read(*slot, &event));
  return event;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_STORE_SLOTS_H_
