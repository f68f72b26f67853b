// The lines about calls of gRPC.

#include "upstream_502/report/text_grpc.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "upstream_502/report/text_event.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {

// The most frequent status first.
void AppendGrpc(const UpstreamStats& upstream, std::string* out) {
  std::vector<size_t> statuses;
  for (size_t status = 1; status <= kGrpcStatusCount; ++status) {
    if (upstream.grpc_statuses[status - 1] > 0) {
      statuses.push_back(status);
    }
  }
  if (statuses.empty()) {
    return;
  }
  const GrpcCounts& counts = upstream.grpc_statuses;
  std::stable_sort(
      statuses.begin(), statuses.end(),
      [&counts](size_t a, size_t b) { return counts[a - 1] > counts[b - 1]; });
  std::string text = absl::StrCat("answered by ", Shorten(upstream.name, 40),
                                  " with a grpc-status that is not OK");
  absl::string_view before = ": ";
  for (const size_t status : statuses) {
    absl::StrAppend(&text, before, GrpcStatusName(status), " (", status, ") ",
                    counts[status - 1]);
    before = ", ";
  }
  AppendWrapped("", 2, text, out);
}

Part GrpcAnswers(const Excerpt& excerpt) {
  return EachUpstream(excerpt,
                      [](const UpstreamStats& upstream, std::string* out) {
                        if (IsListed(upstream) && upstream.failures == 0) {
                          AppendGrpc(upstream, out);
                        }
                      });
}

}  // namespace upstream_502
