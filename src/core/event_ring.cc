#include "upstream_502/event_ring.h"

#include <algorithm>
#include <cstring>

#include "upstream_502/escape.h"
#include "upstream_502/usual_text.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

EventText Fit(EventText text, const EventRows& rows) {
  if (rows.upstream != EventRows::kNone) {
    text.upstream = {};
  }
  if (rows.peer != EventRows::kNone) {
    text.peer = {};
  }
  absl::string_view* const names[kNames] = {
      &text.upstream, &text.peer, &text.method, &text.host, &text.request_id};
  size_t left = kTextBytes;
  for (size_t i = 0; i < kNames; ++i) {
    *names[i] = CutUtf8(*names[i], kNameLimits[i]);
    left -= Padded(names[i]->size());
  }
  if (Padded(text.message.size()) + Padded(text.uri.size()) > left) {
    const size_t half = left / 2 & ~(kWord - 1);
    const size_t uri_share = std::min(Padded(text.uri.size()), half);
    text.message = CutUtf8(text.message, left - uri_share);
    text.uri = CutUtf8(text.uri, left - Padded(text.message.size()));
  }
  return text;
}

// Values of a newer binary may be unknown to this one.
bool IsKnown(const EventFacts& facts) {
  return static_cast<size_t>(facts.cause) < kCauseCount &&
         facts.method < std::size(kMethods) &&
         (facts.line == 0 || IsUsualLine(facts.line)) &&
         facts.phase <= Phase::kBody && facts.protocol <= Protocol::kTunnel &&
         static_cast<size_t>(facts.errno_class) < kErrnoClassCount;
}

}  // namespace

void WriteFitted(EventSlot* slot, uint64_t id, uint32_t serial,
                 const EventFacts& facts, const EventText& text,
                 const EventRows& rows) {
  WriteWords(slot, id, serial, facts, Fit(text, rows), rows, true);
}

void CopySlot(const EventSlot& from, EventSlot* to) {
  for (size_t i = 0; i < kEventWords; ++i) {
    to->words[i].store(from.words[i].load(kRelaxed), kRelaxed);
  }
}

bool ReadSlot(const EventSlot& slot, Event* event, EventRows* rows) {
  uint64_t words[kEventWords];
  for (size_t i = 0; i < kEventWords; ++i) {
    words[i] = slot.words[i].load(kRelaxed);
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  SlotPrefix prefix;
  std::memcpy(&prefix, words, sizeof(prefix));
  size_t text_bytes = Padded(prefix.message) + Padded(prefix.uri);
  for (const uint8_t length : prefix.names) {
    text_bytes += Padded(length);
  }
  if (text_bytes > kTextBytes || !IsKnown(prefix.facts)) {
    return false;
  }
  uint64_t sum = kFirstSum;
  for (size_t i = 1; i < kPrefixWords + text_bytes / kWord; ++i) {
    sum = AddWord(sum, words[i]);
  }
  if (prefix.checksum != sum) {
    return false;
  }

  const char* in = reinterpret_cast<const char*>(words) + sizeof(prefix);
  const auto take = [&in](std::string* out, size_t length) {
    out->assign(in, length);
    in += Padded(length);
  };
  std::string* const names[kNames] = {&event->upstream, &event->peer,
                                      &event->method, &event->host,
                                      &event->request_id};
  for (size_t i = 0; i < kNames; ++i) {
    take(names[i], prefix.names[i]);
  }
  take(&event->message, prefix.message);
  take(&event->uri, prefix.uri);
  if (prefix.facts.method != 0) {
    event->method = std::string(kMethods[prefix.facts.method]);
  }
  if (prefix.facts.line != 0) {
    event->message = UsualText(prefix.facts.line, prefix.facts.errno_number);
  }
  event->id = prefix.id;
  event->facts = prefix.facts;
  *rows = prefix.rows;
  return true;
}

}  // namespace upstream_502
