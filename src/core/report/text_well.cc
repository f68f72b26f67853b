// The lines about what did not fail.

#include "upstream_502/report/text_well.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace upstream_502 {
namespace {

constexpr size_t kNameColumns = 40;

// It was asked and has said nothing so far, though nginx has not given it up.
bool IsUnanswered(const UpstreamStats& upstream) {
  return upstream.attempts > 0 && !upstream.peers.empty() &&
         std::all_of(
             upstream.peers.begin(), upstream.peers.end(),
             [](const PeerStats& peer) { return peer.last_success == 0; });
}

}  // namespace

void AppendVerdict(const Excerpt& excerpt, std::string* out) {
  const Report& report = excerpt.report();
  if (std::any_of(report.troubled.begin(), report.troubled.end(),
                  [&](const Troubled& troubled) {
                    return excerpt.Shows(
                        report.snapshot.upstreams[troubled.upstream]);
                  })) {
    return;
  }
  const bool clean = report.snapshot.totals.failures == 0;
  absl::StrAppend(out, "\n",
                  clean ? "no attempt failed; what backends answer themselves "
                          "(503, 500) is not counted\n"
                        : "no failure in the upstreams asked for\n");
}

Part WithoutFailure(const Excerpt& excerpt) {
  const auto& upstreams = excerpt.snapshot().upstreams;
  return Each(upstreams.size() + 1, [&excerpt, &upstreams, column = size_t{0}](
                                        size_t i, std::string* out) mutable {
    if (i == upstreams.size()) {
      out->append(column > 0 ? "\n" : "");
      return;
    }
    const UpstreamStats& upstream = upstreams[i];
    if (!IsListed(upstream) || IsTroubled(upstream) ||
        !excerpt.Shows(upstream)) {
      return;
    }
    const std::string item = absl::StrCat(
        Shorten(upstream.name, kNameColumns), " (", upstream.requests,
        upstream.requests == 1 ? " request" : " requests",
        IsUnanswered(upstream) ? ", none answered so far)" : ")");
    absl::string_view before = column == 0 ? "\nwithout a failure: " : ", ";
    if (column > 0 && column + before.size() + item.size() + 1 > kColumns) {
      before = ",\n  ";
      column = 0;
    }
    absl::StrAppend(out, before, item);
    column += before.size() + item.size();
  });
}

}  // namespace upstream_502
