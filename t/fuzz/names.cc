// Names out of a hostile configuration, or out of a client where a target holds
// a variable: in the table of rows, and in commands that somebody will paste
// into a shell.
//
// The input is lines: upstream, target, peer, host, URI, message, an item of
// evidence; then the facts.

#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "advice/shell.h"
#include "input.h"
#include "read_all.h"
#include "upstream_502/advice/address.h"
#include "upstream_502/advice/checks.h"
#include "upstream_502/advice/confirm.h"
#include "upstream_502/advice/findings.h"
#include "upstream_502/advice/hint.h"
#include "upstream_502/store/evidence_bytes.h"

namespace upstream_502 {
namespace {

void Advise(const Failure& failure, const FailureText& text,
            const Evidence* evidence) {
  REQUIRE(Hint(failure, text).size() <= 300);
  REQUIRE(!Why(failure, text, evidence).empty());
  REQUIRE(HintOfSilence(failure, text, Hint(failure, text)).size() <= 300);
  std::vector<std::string> commands = Checks(failure, text, evidence);
  for (std::string& command : ConfirmSilence(failure, text, evidence)) {
    commands.push_back(std::move(command));
  }
  for (const Found& found : Findings(failure, text, evidence)) {
    REQUIRE(found.text.size() <= 300);
    for (std::string& command :
         Confirm(found.finding, failure, text, evidence)) {
      commands.push_back(std::move(command));
    }
  }
  for (const std::string& command : commands) {
    REQUIRE(command.find('\n') == std::string::npos);
    REQUIRE(IsClosed(command));
  }
}

// Its own words for what one worker told another.
void Remember(absl::string_view item, Evidence* evidence) {
  ServerFacts server;
  if (ParseServer(item, &server)) {
    AppendServer(server, evidence);
  }
  SetMoved(item, "10.0.0.1", item, evidence);
  MovedOf(*evidence);
  const std::optional<Evidence> same = EvidenceOf(EvidenceBytes(*evidence));
  REQUIRE(same.has_value() && same->Text() == evidence->Text());
}

void Count(const FailureText& text) {
  static char* const memory = static_cast<char*>(operator new (
      Arena::MinimumSize({.events = 1, .incidents = 1}),
      std::align_val_t{4096}));
  const Rings rings = {.events = 1, .incidents = 1};
  Store store =
      Store::Create(memory, Arena::MinimumSize(rings), rings, 1000000);
  for (const absl::string_view name : {text.upstream, text.target}) {
    const uint32_t upstream =
        store.FindOrAddUpstream(name, Protocol::kHttp, UpstreamKind::kResolved);
    const uint32_t peer = store.FindOrAddPeer(upstream, text.peer, 1000000);
    REQUIRE(store.FindOrAddPeer(upstream, text.peer, 1000000) == peer ||
            store.IsOther(peer));
    store.AddAttempt(peer, 0, 1000000, false);
    store.AddRequest(upstream, 0, 1000000, 1);
  }
  ReadAll(store, 1000001, Window::kHour);
}

}  // namespace
}  // namespace upstream_502

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  Input input(data, size);
  const FailureText text = {.upstream = input.Line(),
                            .target = input.Line(),
                            .peer = input.Line(),
                            .method = "GET",
                            .host = input.Line(),
                            .uri = input.Line(),
                            .message = input.Line()};
  const absl::string_view item = input.Line();
  Failure failure;
  failure.cause = input.Pick<Cause>(kCauseCount);
  failure.protocol = input.Pick<Protocol>(kProtocolCount);
  failure.errno_number = input.Take<int16_t>();
  Evidence evidence;
  const auto bytes = input.Bytes(kEvidenceBytesMin);
  std::memcpy(static_cast<void*>(&evidence), bytes.data(), bytes.size());
  evidence.text_size = 0;
  AppendItem(input.Pick<Named>(kNamedCount), item, &evidence);
  const bool known = EvidenceOf(EvidenceBytes(evidence)).has_value();
  Advise(failure, text, known ? &evidence : nullptr);
  Evidence fresh;
  Remember(item, &fresh);
  ParsePeer(text.peer);
  HostName(text);
  Count(text);
  return 0;
}
