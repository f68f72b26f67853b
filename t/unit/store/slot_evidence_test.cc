// Evidence in a slot, beside the texts.

#include <algorithm>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "store/slots.h"
#include "upstream_502/store/evidence_bytes.h"

namespace upstream_502 {
namespace {

TEST(EventSlot, HasNoEvidenceWhereNothingWasAsked) {
  EXPECT_FALSE(RoundTrip(SomeText()).evidence.has_value());
}

TEST(SlotEvidence, ComesBackWhateverTheLengthOfItsText) {
  const std::string letters(Evidence::kTextRoom, 'e');
  for (size_t size = 0; size <= letters.size(); ++size) {
    const Evidence evidence =
        SomeEvidence(absl::string_view(letters).substr(0, size));
    const Event event = RoundTrip(SomeText(), &evidence);
    ASSERT_TRUE(event.evidence.has_value()) << size;
    EXPECT_TRUE(Same(*event.evidence, evidence)) << size;
    EXPECT_EQ(event.upstream, "backend");
    EXPECT_EQ(event.message, SomeText().message);
    EXPECT_EQ(event.uri, "/path");
  }
}

TEST(SlotEvidence, TakesRoomFromTheTextsOnlyWhereItIs) {
  const std::string huge(65536, 'x');
  const Evidence little = SomeEvidence("");
  const Evidence most = SomeEvidence(std::string(Evidence::kTextRoom, 'e'));
  const auto room = [&huge](const Evidence* evidence) {
    return RoundTrip({.message = huge}, evidence).message.size();
  };
  EXPECT_EQ(room(nullptr), kTextBytes);
  EXPECT_EQ(room(&little), kTextBytes - (offsetof(Evidence, text) + kWord - 1) /
                                            kWord * kWord);
  EXPECT_EQ(room(&most), kTextBytes - sizeof(Evidence));
}

TEST(SlotEvidence, FitsBesideTextsThatAreAllHuge) {
  const std::string huge(65536, 'x');
  const Evidence evidence = SomeEvidence(std::string(Evidence::kTextRoom, 'e'));
  const Event event = RoundTrip({.upstream = huge,
                                 .target = huge,
                                 .peer = huge,
                                 .method = huge,
                                 .host = huge,
                                 .uri = huge,
                                 .request_id = huge,
                                 .message = huge},
                                &evidence);
  ASSERT_TRUE(event.evidence.has_value());
  EXPECT_TRUE(Same(*event.evidence, evidence));
  EXPECT_EQ(event.upstream.size(), 128U);
  EXPECT_EQ(event.host.size(), 80U);
  EXPECT_GE(event.message.size(), 8U);
}

// The evidence's bytes stand behind the prefix.
TEST(SlotEvidence, IsCoveredByTheChecksum) {
  const Evidence evidence = SomeEvidence();
  const size_t words = (EvidenceBytes(evidence).size() + kWord - 1) / kWord;
  for (size_t i = 0; i < words; ++i) {
    const auto slot = std::make_unique<EventSlot>();
    WriteSlot(slot.get(), 1, 7, SomeFacts(), SomeText(), {}, &evidence);
    Event event;
    ASSERT_TRUE(Read(*slot, &event));
    slot->words[kPrefixWords + i].fetch_xor(1);
    EXPECT_FALSE(Read(*slot, &event)) << i;
  }
}

TEST(SlotEvidence, IsDroppedAloneWhereItMeansNothing) {
  Evidence evidence = SomeEvidence();
  evidence.where = static_cast<Where>(99);
  const Event event = RoundTrip(SomeText(), &evidence);
  EXPECT_FALSE(event.evidence.has_value());
  EXPECT_EQ(event.upstream, "backend");
  EXPECT_EQ(event.uri, "/path");
  evidence = SomeEvidence();
  evidence.text_size = Evidence::kTextRoom + 1;  // more than there is
  EXPECT_FALSE(RoundTrip({}, &evidence).evidence.has_value());
}

TEST(SlotEvidence, DoesNotStayWithTheNextEventOfTheSlot) {
  const Evidence evidence = SomeEvidence();
  const auto slot = std::make_unique<EventSlot>();
  WriteSlot(slot.get(), 1, 1, SomeFacts(), SomeText(), {}, &evidence);
  Event event;
  ASSERT_TRUE(Read(*slot, &event));
  ASSERT_TRUE(event.evidence.has_value());
  Write(slot.get(), 2, SomeText());
  ASSERT_TRUE(Read(*slot, &event));  // into the same event
  EXPECT_FALSE(event.evidence.has_value());
}

TEST(TornSlot, ReadsAsAbsentWhereEvidenceIsOfAnotherEvent) {
  Evidence a = SomeEvidence();
  Evidence b = SomeEvidence();
  b.idle_ms = 7;
  b.queue = 8;
  const auto first = std::make_unique<EventSlot>();
  const auto second = std::make_unique<EventSlot>();
  WriteSlot(first.get(), 1, 1, SomeFacts(), SomeText(), {}, &a);
  WriteSlot(second.get(), 1, 1, SomeFacts(), SomeText(), {}, &b);
  Event event;
  for (size_t i = 0; i < kEventWords; ++i) {
    if (first->words[i] == second->words[i]) {
      continue;
    }
    const auto slot = std::make_unique<EventSlot>();
    CopySlot(*first, slot.get());
    slot->words[i] = second->words[i].load();
    EXPECT_FALSE(Read(*slot, &event)) << i;
  }
}

}  // namespace
}  // namespace upstream_502
