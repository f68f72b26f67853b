// Putting the findings of one failure in order.

#include "upstream_502/advice/findings.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "findings_case.h"
#include "upstream_502/advice/hint.h"

namespace upstream_502 {
namespace {

constexpr size_t kMaxText = 300;

// Others tell what was before the failure, or came of it.
bool Explains(Finding finding) {
  return finding != Finding::kSynRepeated && finding != Finding::kNotRetried &&
         finding != Finding::kSentAgain;
}

}  // namespace

std::string Plain(absl::string_view text, size_t limit) {
  constexpr absl::string_view kCut = "...";
  const bool cut = text.size() > limit;
  std::string plain(text.substr(0, cut ? limit - kCut.size() : limit));
  for (char& c : plain) {
    c = c >= ' ' && c <= '~' ? c : '?';
  }
  return cut ? absl::StrCat(plain, kCut) : plain;
}

std::string Counted(int64_t count, absl::string_view one,
                    absl::string_view many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

bool FindingCase::Has(Finding finding) const {
  return std::any_of(found_->begin(), found_->end(), [finding](const Found& f) {
    return f.finding == finding;
  });
}

std::string FindingCase::Peer() const {
  return Plain(absl::StripPrefix(text.peer, "unix:"), 108);
}

std::string FindingCase::Directive(absl::string_view suffix) const {
  return absl::StrCat(DirectivePrefix(failure.protocol), suffix);
}

std::string FindingCase::MoreItems() const {
  const std::vector<absl::string_view> items =
      absl::StrSplit(evidence.Text(), ", ");
  return evidence.named_count > items.size()
             ? absl::StrCat(" (and ", evidence.named_count - items.size(),
                            " more)")
             : "";
}

void FindingCase::Add(Finding finding, absl::string_view sentence) const {
  std::string plain = Plain(sentence, kMaxText);
  while (absl::EndsWith(plain, ".") || absl::EndsWith(plain, " ")) {
    plain.pop_back();
  }
  found_->push_back({finding, std::move(plain)});
}

std::vector<Found> Findings(const Failure& failure, const FailureText& text,
                            const Evidence* evidence) {
  static constexpr Evidence kNothingSeen;
  std::vector<Found> found;
  const FindingCase c(failure, text,
                      evidence == nullptr ? kNothingSeen : *evidence, &found);
  FindMoved(c);
  FindResolve(c);
  FindPeers(c);
  FindPath(c);
  FindConnect(c);
  FindProtocol(c);
  FindH2Error(c);
  FindTls(c);
  FindEnded(c);
  FindStalled(c);
  FindHeaderSize(c);
  FindLimits(c);
  FindRepeated(c);
  FindRetries(c);
  return found;
}

std::vector<Finding> FindingKinds(const Failure& failure,
                                  const FailureText& text,
                                  const Evidence* evidence) {
  std::vector<Finding> kinds;
  for (const Found& found : Findings(failure, text, evidence)) {
    kinds.push_back(found.finding);
  }
  return kinds;
}

std::string Why(const Failure& failure, const FailureText& text,
                const Evidence* evidence) {
  for (Found& found : Findings(failure, text, evidence)) {
    if (Explains(found.finding)) {
      return std::move(found.text);
    }
  }
  return Hint(failure, text);
}

}  // namespace upstream_502
