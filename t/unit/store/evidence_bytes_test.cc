#include "upstream_502/store/evidence_bytes.h"

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

std::optional<Evidence> RoundTrip(const Evidence& evidence) {
  return EvidenceOf(EvidenceBytes(evidence));
}

TEST(EvidenceOf, TakesWhatWasNotLookedAt) {
  const std::optional<Evidence> evidence = RoundTrip({});
  ASSERT_TRUE(evidence.has_value());
  EXPECT_EQ(evidence->idle_ms, Evidence::kNotSeen);
  EXPECT_EQ(evidence->accepted, Seen::kNotAsked);
  EXPECT_EQ(evidence->Text(), "");
}

TEST(EvidenceOf, TakesEveryValueThatHasAMeaning) {
  const std::vector<std::function<void(Evidence*)>> valid = {
      [](Evidence* e) { e->where = Where::kElsewhere; },
      [](Evidence* e) { e->accepted = Seen::kNo; },
      [](Evidence* e) { e->listening = Seen::kYes; },
      [](Evidence* e) { e->speaks = Speaks::kTelnet; },
      [](Evidence* e) { e->path_fault = PathFault::kUnclear; },
      [](Evidence* e) { e->path_kind = FileKind::kLink; },
      [](Evidence* e) { e->confinement = Confinement::kAppArmor; },
      [](Evidence* e) { e->files_of = FilesOf::kMachine; },
      [](Evidence* e) { e->ports_of = PortsOf::kMachine; },
      [](Evidence* e) { e->named = Named::kHosts; },
      [](Evidence* e) { e->named = Named::kCertificateNames; },
      [](Evidence* e) { e->named = Named::kServers; },
      [](Evidence* e) { e->named = Named::kMoved; },
      [](Evidence* e) { e->sni = Seen::kNo; },
      [](Evidence* e) { e->not_after_s = -1; },
      [](Evidence* e) { e->verify_error = 20; },
      [](Evidence* e) { e->path_mode = 07777; },
      [](Evidence* e) { e->early_status = 599; },
      [](Evidence* e) { e->rtt_us = INT32_MAX; },
      [](Evidence* e) { e->tcp_state = 255; },
      [](Evidence* e) { e->path_uid = 0; },
      [](Evidence* e) { e->named_count = 65535; },
  };
  for (size_t i = 0; i < valid.size(); ++i) {
    Evidence evidence;
    valid[i](&evidence);
    const std::optional<Evidence> read = RoundTrip(evidence);
    ASSERT_TRUE(read.has_value()) << i;
    EXPECT_EQ(std::memcmp(&*read, &evidence, sizeof(evidence)), 0) << i;
  }
}

// One more than the last value, and anything.
template <typename Enum>
std::function<void(Evidence*)> Setting(Enum Evidence::*member, Enum last) {
  return [=](Evidence* e) {
    e->*member = static_cast<Enum>(static_cast<int>(last) + 1);
  };
}

TEST(EvidenceOf, RefusesWhatMeansNothing) {
  const std::vector<std::function<void(Evidence*)>> invalid = {
      Setting(&Evidence::where, Where::kElsewhere),
      Setting(&Evidence::accepted, Seen::kYes),
      Setting(&Evidence::listening, Seen::kYes),
      Setting(&Evidence::listening_hidden, Seen::kYes),
      Setting(&Evidence::in_hosts, Seen::kYes),
      Setting(&Evidence::speaks, Speaks::kTelnet),
      Setting(&Evidence::path_fault, PathFault::kUnclear),
      Setting(&Evidence::path_kind, FileKind::kLink),
      Setting(&Evidence::confinement, Confinement::kAppArmor),
      Setting(&Evidence::files_of, FilesOf::kMachine),
      Setting(&Evidence::ports_of, PortsOf::kMachine),
      Setting(&Evidence::named, Named::kMoved),
      Setting(&Evidence::sni, Seen::kYes),
      Setting(&Evidence::follows, Seen::kYes),
      [](Evidence* e) { e->idle_ms = -2; },
      [](Evidence* e) { e->unacknowledged_bytes = -2; },
      [](Evidence* e) { e->retransmissions = -2; },
      [](Evidence* e) { e->last_ack_ms = -2; },
      [](Evidence* e) { e->rtt_us = INT32_MIN; },
      [](Evidence* e) { e->unread_bytes = -2; },
      [](Evidence* e) { e->queue = -2; },
      [](Evidence* e) { e->queue_max = -2; },
      [](Evidence* e) { e->waiting_bytes = -2; },
      [](Evidence* e) { e->header_bytes = -2; },
      [](Evidence* e) { e->oom_kills = -2; },
      [](Evidence* e) { e->oom_seconds = -2; },
      [](Evidence* e) { e->moved_seconds = -2; },
      [](Evidence* e) { e->files_used = -2; },
      [](Evidence* e) { e->files_max = -2; },
      [](Evidence* e) { e->ports_used = -2; },
      [](Evidence* e) { e->ports_max = -2; },
      [](Evidence* e) { e->connections_used = -2; },
      [](Evidence* e) { e->connections_max = -2; },
      [](Evidence* e) { e->path_mode = 010000; },
      [](Evidence* e) { e->path_mode = -2; },
      [](Evidence* e) { e->early_status = 1000; },
      [](Evidence* e) { e->early_status = -2; },
      [](Evidence* e) { e->requests_to_connect = -2; },
      [](Evidence* e) { e->verify_error = -2; },
      [](Evidence* e) { e->text_size = Evidence::kTextRoom + 1; },
      [](Evidence* e) { e->text_size = 255; },
  };
  for (size_t i = 0; i < invalid.size(); ++i) {
    Evidence evidence;
    invalid[i](&evidence);
    EXPECT_FALSE(RoundTrip(evidence).has_value()) << i;
  }
}

TEST(EvidenceOf, RefusesAnotherLengthThanItsTextSays) {
  Evidence evidence;
  evidence.text_size = 5;
  const std::string bytes(reinterpret_cast<const char*>(&evidence),
                          sizeof(evidence));
  for (size_t size = 0; size <= bytes.size(); ++size) {
    EXPECT_EQ(EvidenceOf(absl::string_view(bytes).substr(0, size)).has_value(),
              size == kEvidenceBytesMin + 5)
        << size;
  }
  EXPECT_FALSE(EvidenceOf(bytes + "x").has_value());
}

TEST(EvidenceOf, TakesNoneOfRandomBytesForMoreThanThereIs) {
  uint64_t junk = 502;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(kEvidenceBytesMin + static_cast<size_t>(round) % 121, 0);
    for (char& byte : bytes) {
      junk = junk * 6364136223846793005 + 1442695040888963407;
      byte = static_cast<char>(junk >> 56 & (round % 2 == 0 ? 0xFF : 3));
    }
    if (const auto evidence = EvidenceOf(bytes)) {
      EXPECT_LE(evidence->Text().size(), Evidence::kTextRoom);
    }
  }
}

}  // namespace
}  // namespace upstream_502
