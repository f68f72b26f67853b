#include "upstream_502/store/slot.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "store/slots.h"
#include "upstream_502/words/usual.h"

namespace upstream_502 {
namespace {

TEST(EventSlot, GivesBackWhatWasWritten) {
  const auto slot = std::make_unique<EventSlot>();
  Write(slot.get(), 42, SomeText());
  Event event;
  ASSERT_TRUE(Read(*slot, &event));
  const Failure facts = SomeFacts();
  EXPECT_EQ(event.id, 42U);
  EXPECT_EQ(std::memcmp(&event.failure, &facts, sizeof(facts)), 0);
  EXPECT_EQ(event.upstream, "backend");
  EXPECT_EQ(event.target, "backend.internal:8080");
  EXPECT_EQ(event.peer, "127.0.0.1:9000");
  EXPECT_EQ(event.method, "GET");
  EXPECT_EQ(event.host, "example.com");
  EXPECT_EQ(event.uri, "/path");
  EXPECT_EQ(event.request_id, "0123456789abcdef");
  EXPECT_EQ(event.message, "upstream timed out (110: Connection timed out)");
}

TEST(EventSlot, KeepsEmptyTextAndAnyBytes) {
  EXPECT_EQ(RoundTrip({}).message, "");
  const std::string bytes("\0\xFF\n\"<", 5);
  EXPECT_EQ(RoundTrip({.uri = bytes}).uri, bytes);
}

TEST(FailureText, ComesBackWhateverItsLength) {
  const std::string letters = "abcdefghijklmnopqrstuvwxyz";
  for (size_t size = 0; size <= letters.size(); ++size) {
    const std::string text = letters.substr(0, size);
    const Event event = RoundTrip({.host = text, .uri = text, .message = text});
    EXPECT_EQ(event.host, text);
    EXPECT_EQ(event.message, text);
    EXPECT_EQ(event.uri, text);
  }
}

TEST(EventSlot, TellsMethodAndMessageByTheirNumbers) {
  Failure facts = SomeFacts();
  facts.method = 14;
  facts.line = 2;
  const auto slot = std::make_unique<EventSlot>();
  WriteSlot(slot.get(), 1, 1, facts, {.uri = "/"}, {});
  Event event;
  ASSERT_TRUE(Read(*slot, &event));
  EXPECT_EQ(event.method, "PATCH");
  EXPECT_EQ(event.message, "upstream timed out (110: Connection timed out)");
  EXPECT_EQ(event.uri, "/");
  facts.line = 3;
  facts.errno_number = 0;
  WriteSlot(slot.get(), 2, 2, facts, {}, {});
  ASSERT_TRUE(Read(*slot, &event));
  EXPECT_EQ(event.message, "upstream prematurely closed connection");
}

TEST(EventSlot, ReadsAsAbsentBeforeTheFirstEvent) {
  const auto slot = std::make_unique<EventSlot>();
  Event event;
  EXPECT_FALSE(Read(*slot, &event));
}

TEST(EventSlot, HoldsTheLatestEventWhateverItsLength) {
  const auto slot = std::make_unique<EventSlot>();
  const std::string uri(300, 'u');
  Write(slot.get(), 1, {.uri = uri});
  Write(slot.get(), 2, {.uri = "/"});
  Event event;
  ASSERT_TRUE(Read(*slot, &event));
  EXPECT_EQ(event.id, 2U);
  EXPECT_EQ(event.uri, "/");
}

TEST(EventSlot, TellsWhereALongNameIs) {
  const auto slot = std::make_unique<EventSlot>();
  const std::string name(200, 'n');
  WriteSlot(slot.get(), 1, 1, SomeFacts(), {.upstream = name},
            {.row = 2, .hash = 3});
  Event event;
  LongName long_name;
  ASSERT_TRUE(ReadSlot(*slot, &event, &long_name));
  EXPECT_EQ(long_name.row, 2U);
  EXPECT_EQ(long_name.hash, 3U);
  EXPECT_EQ(event.upstream, name.substr(0, kNameLimits[0]));
}

TEST(EventSlot, ShowsAtAGlanceWhatItHolds) {
  const auto slot = std::make_unique<EventSlot>();
  EXPECT_EQ(PeekSlot(*slot).id, 0U);
  Write(slot.get(), 42, SomeText());
  const auto copy = std::make_unique<EventSlot>();
  CopySlot(*slot, copy.get());
  for (const EventSlot* each : {slot.get(), copy.get()}) {
    const SlotPeek peek = PeekSlot(*each);
    EXPECT_EQ(peek.id, 42U);
    EXPECT_EQ(peek.serial, 7U);
    EXPECT_EQ(peek.cause, static_cast<uint8_t>(Cause::kReadTimeout));
    Event event;
    EXPECT_TRUE(Read(*each, &event));
  }
}

TEST(FailureText, KeepsNamesOfADecentLength) {
  const std::string upstream(128, 'u');
  const std::string peer(kPeerNameMax, 'p');
  const std::string id(36, 'i');
  const std::string host(80, 'h');
  const Event event = RoundTrip({.upstream = upstream,
                                 .peer = peer,
                                 .method = "PROPFIND",
                                 .host = host,
                                 .request_id = id,
                                 .message = "m"});
  EXPECT_EQ(event.upstream, upstream);
  EXPECT_EQ(event.peer, peer);
  EXPECT_EQ(event.method, "PROPFIND");
  EXPECT_EQ(event.host, host);
  EXPECT_EQ(event.request_id, id);
  EXPECT_EQ(event.message, "m");
}

TEST(FailureText, SharesWhatNamesLeaveBetweenMessageAndUri) {
  const std::string huge(65536, 'x');
  const Event both = RoundTrip({.uri = huge, .message = huge});
  EXPECT_GE(both.message.size(), 250U);
  EXPECT_GE(both.uri.size(), 250U);
  EXPECT_EQ(RoundTrip({.uri = huge, .message = "short"}).message, "short");
  EXPECT_EQ(RoundTrip({.uri = "/short", .message = huge}).uri, "/short");
  EXPECT_GE(RoundTrip({.uri = "/short", .message = huge}).message.size(), 500U);
}

TEST(FailureText, IsCutToFitWhereEverythingIsHuge) {
  const std::string huge(65536, 'x');
  const Event event = RoundTrip({.upstream = huge,
                                 .peer = huge,
                                 .method = huge,
                                 .host = huge,
                                 .uri = huge,
                                 .request_id = huge,
                                 .message = huge});
  EXPECT_EQ(event.upstream.size(), 128U);
  EXPECT_EQ(event.method.size(), 16U);
  EXPECT_GE(event.message.size(), 64U);
  EXPECT_GE(event.uri.size(), 64U);
}

TEST(FailureText, FillsTheSlotToTheLastByteAndNoFurther) {
  const std::string letters(700, 'x');
  for (const size_t host : {0U, 1U, 79U, 80U, 81U}) {
    for (size_t size = 0; size < letters.size(); size += 3) {
      const FailureText text = {
          .method = "GET",
          .host = absl::string_view(letters).substr(0, host),
          .uri = absl::string_view(letters).substr(0, letters.size() - size),
          .message = absl::string_view(letters).substr(0, size)};
      const Event event = RoundTrip(text);
      EXPECT_EQ(event.host.size(), std::min<size_t>(host, 80));
      EXPECT_EQ(event.message, text.message.substr(0, event.message.size()));
      EXPECT_EQ(event.uri, text.uri.substr(0, event.uri.size()));
      EXPECT_GE(event.uri.size() + event.message.size(), 500U);
    }
  }
}

TEST(FailureText, IsNotCutInsideACharacter) {
  std::string uri = "/";
  while (uri.size() < 2000) {
    uri += "\xE2\x82\xAC";  // three bytes
  }
  for (size_t shift = 0; shift < 3; ++shift) {
    uri.insert(1, "x");
    const Event event = RoundTrip({.uri = uri, .message = uri});
    EXPECT_EQ((event.uri.size() - 2 - shift) % 3, 0U);
    EXPECT_EQ((event.message.size() - 2 - shift) % 3, 0U);
    EXPECT_EQ(uri.compare(0, event.uri.size(), event.uri), 0);
  }
}

// A message that fills the slot to its last byte.
size_t LongestMessage() {
  return RoundTrip({.message = std::string(1000, 'x')}).message.size();
}

TEST(TornSlot, ReadsAsAbsentWhicheverWordIsOfAnotherEvent) {
  const size_t room = LongestMessage();
  const auto first = std::make_unique<EventSlot>();
  const auto second = std::make_unique<EventSlot>();
  WriteSlot(first.get(), 1, 1, SomeFacts(), {.message = std::string(room, 'a')},
            {});
  WriteSlot(second.get(), 2, 2, {}, {.message = std::string(room, 'b')}, {});
  Event event;
  for (size_t torn = 1; torn < kEventWords; ++torn) {
    const auto slot = std::make_unique<EventSlot>();
    for (size_t i = 0; i < kEventWords; ++i) {
      slot->words[i] = (i < torn ? second : first)->words[i].load();
    }
    EXPECT_FALSE(Read(*slot, &event)) << torn << " words of the second";
  }
}

TEST(TornSlot, ReadsAsAbsentWhereTwoWordsChangedPlaces) {
  const auto slot = std::make_unique<EventSlot>();
  Write(slot.get(), 1, {.uri = "aaaaaaaabbbbbbbbaaaaaaaabbbbbbbb"});
  const uint64_t word = slot->words[14];
  ASSERT_NE(word, slot->words[15]);
  slot->words[14] = slot->words[15].load();
  slot->words[15] = word;
  Event event;
  EXPECT_FALSE(Read(*slot, &event));
}

TEST(TornSlot, HealsWithTheNextEvent) {
  const auto slot = std::make_unique<EventSlot>();
  Write(slot.get(), 1, SomeText());
  slot->words[5] = 0xA5A5A5A5A5A5A5A5;
  Event event;
  EXPECT_FALSE(Read(*slot, &event));
  Write(slot.get(), 2, SomeText());
  EXPECT_TRUE(Read(*slot, &event));
}

TEST(TornSlot, OfJunkReadsAsAbsent) {
  const auto slot = std::make_unique<EventSlot>();
  uint64_t junk = 502;
  Event event;
  for (int round = 0; round < 1000; ++round) {
    for (Counter& word : slot->words) {
      junk = junk * 6364136223846793005 + 1442695040888963407;
      // Small numbers too, which are valid lengths.
      word = round % 2 == 0 ? junk : junk & 0x0007000700070007;
    }
    EXPECT_FALSE(Read(*slot, &event));
  }
}

TEST(EventSlot, ReadsAsAbsentWhereAnotherBinaryKnowsMore) {
  std::vector<Failure> unknown(7);
  unknown[0].cause = static_cast<Cause>(kCauseCount);
  unknown[1].phase = static_cast<Phase>(static_cast<int>(Phase::kBody) + 1);
  unknown[2].protocol =
      static_cast<Protocol>(static_cast<int>(Protocol::kTunnel) + 1);
  unknown[3].errno_class = static_cast<ErrnoClass>(kErrnoClassCount);
  unknown[4].method = std::size(kMethods);
  unknown[5].line = 255;
  unknown[6].not_retried = static_cast<NotRetried>(kNotRetriedCount);
  for (const Failure& facts : unknown) {
    const auto slot = std::make_unique<EventSlot>();
    WriteSlot(slot.get(), 1, 1, facts, {}, {});
    Event event;
    EXPECT_FALSE(Read(*slot, &event));
  }
}

// A checksum says that nobody tore it, not who wrote it.
TEST(EventSlot, ReadsAsAbsentWhereALimitCannotBe) {
  for (const int64_t limit : {int64_t{-2}, INT64_MAX, INT64_MAX / 2 + 1}) {
    const auto slot = std::make_unique<EventSlot>();
    WriteSlot(slot.get(), 1, 1, {.limit = limit}, {}, {});
    Event event;
    EXPECT_FALSE(Read(*slot, &event)) << limit;
  }
}

TEST(EventSlot, ReadsWholeWhileManyWrite) {
  std::vector<EventSlot> slots(kRareEvents);
  std::atomic<uint64_t> next{0};
  std::atomic<bool> enough{false};
  const auto message_of = [](uint64_t id) {
    return std::string(id % 500, static_cast<char>('a' + id % 26));
  };
  const auto write = [&] {
    while (!enough) {
      const uint64_t id = ++next;
      Write(&slots[id % slots.size()], id,
            {.uri = absl::StrCat(id), .message = message_of(id)});
    }
  };
  std::thread first(write);
  std::thread second(write);
  int read = 0;
  // On a busy machine the reader's turn may come late.
  while (next < 50000 || read < 100) {
    for (const EventSlot& slot : slots) {
      Event event;
      if (Read(slot, &event)) {
        ++read;
        ASSERT_EQ(event.uri, absl::StrCat(event.id));
        ASSERT_EQ(event.message, message_of(event.id));
      }
    }
  }
  enough = true;
  first.join();
  second.join();
}

}  // namespace
}  // namespace upstream_502
