// One row of shared memory as plain values, and what the header counts by
// cause.

#include "copy_rows.h"

#include <algorithm>
#include <numeric>

#include "absl/types/span.h"
#include "totals.h"
#include "upstream_502/store/arena.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

Totals32<kMaxCauses> LowOf(const CauseCounts& causes) {
  Totals32<kMaxCauses> low;
  std::transform(causes.begin(), causes.end(), low.begin(), Low);
  return low;
}

template <size_t kSpans>
void CopySpans(const Time& running, const SpanTotals<kSpans, 3>& ring,
               int64_t width_ms, int64_t now_ms, const UpstreamStats& stats,
               absl::Span<Minute> to) {
  const auto counts =
      Differences(running, ring, width_ms, now_ms,
                  {Low(stats.requests), Low(stats.failures),
                   Low(ResponsesWithCode(stats.responses, 502))});
  for (size_t i = 0; i < kSpans; ++i) {
    to[i] = {Low(counts[0][i]), Low(counts[1][i]), Low(counts[2][i])};
  }
}

void CopyHistory(const UpstreamRow& row, int64_t now_ms, bool hours,
                 UpstreamStats* stats) {
  stats->history.start = OldestStart(kMinuteMs, now_ms, kHistoryMinutes);
  CopySpans(row.minute, row.minutes, kMinuteMs, now_ms, *stats,
            absl::MakeSpan(stats->history.buckets));
  if (hours) {
    stats->hours.resize(kHistoryHours);
    CopySpans(row.hour, row.hours, kHourMs, now_ms, *stats,
              absl::MakeSpan(stats->hours));
  }
  const auto recent = Differences(row.recent, row.recents, kRecentMs, now_ms,
                                  LowOf(stats->causes));
  for (size_t i = 0; i < kMaxCauses; ++i) {
    stats->recent_causes[i] =
        std::accumulate(recent[i].begin(), recent[i].end(), uint64_t{0});
  }
}

void CopyCauseHours(const Header& header, int64_t now_ms,
                    const Totals32<kMaxCauses>& causes, Totals* totals) {
  totals->hours_start = OldestStart(kHourMs, now_ms, kHistoryHours);
  totals->requests_hours.resize(kHistoryHours);
  const auto counts =
      Differences(header.hour, header.hours, kHourMs, now_ms, causes);
  for (size_t i = 0; i < kMaxCauses; ++i) {
    totals->causes_hours[i].assign(counts[i].begin(), counts[i].end());
  }
}

}  // namespace

void CopyUpstream(const UpstreamRow& row, int64_t now_ms, bool hours,
                  UpstreamStats* stats) {
  stats->name = String(NameOf(row));
  stats->protocol = static_cast<Protocol>(row.protocol.load(kRelaxed));
  if (static_cast<size_t>(stats->protocol) >=
      kProtocolCount) {  // a newer one's
    stats->protocol = Protocol::kUnknown;
  }
  stats->kind = KindOf(row);
  for (const Shard& shard : row.shards) {
    stats->requests += shard.requests.load(kRelaxed);
    stats->attempts += shard.attempts.load(kRelaxed);
  }
  Load(row.causes, &stats->causes);
  for (uint64_t count : stats->causes) {
    stats->failures += count;
  }
  stats->rescued = row.rescued.load(kRelaxed);
  for (size_t code = 0; code < kResponseCodeCount; ++code) {
    Load(row.responses[code], &stats->responses[code]);
  }
  Load(row.errno_classes, &stats->errno_classes);
  Load(row.findings, &stats->findings);
  for (size_t i = 0; i < kGrpcStatusCount; ++i) {
    stats->grpc_statuses[i] = GrpcStatusOf(row, i + 1).load(kRelaxed);
  }
  Load(row.time_buckets, &stats->time_to_failure.counts);
  for (uint64_t count : stats->time_to_failure.counts) {
    stats->time_to_failure.count += count;
  }
  stats->time_to_failure.sum = row.time_sum.load(kRelaxed);
  stats->seen = row.seen.load(kRelaxed) != 0;
  stats->incidents = row.incidents.load(kRelaxed);
  CopyHistory(row, now_ms, hours, stats);
}

void CopyPeer(const PeerRow& row, int64_t now_ms, PeerStats* stats) {
  stats->addr = String(NameOf(row));
  for (const Shard& shard : row.shards) {
    stats->attempts += shard.attempts.load(kRelaxed);
    const int64_t success = shard.last_success.load(kRelaxed);
    if (!LiesAhead(success, now_ms)) {
      stats->last_success =
          std::max(stats->last_success, NotAhead(success, now_ms));
    }
  }
  Load(row.causes, &stats->causes);
  for (uint64_t count : stats->causes) {
    stats->failures += count;
  }
  Load(row.errno_classes, &stats->errno_classes);
  stats->last_failure = NotAhead(row.last_failure.load(kRelaxed), now_ms);
  stats->first_failure =
      std::min(row.first_failure.load(kRelaxed), stats->last_failure);
  stats->last_cause = static_cast<Cause>(row.last_cause.load(kRelaxed));
  if (static_cast<size_t>(stats->last_cause) >= kCauseCount) {
    stats->last_cause = Cause::kUnknown;  // a newer binary's
  }
  const auto counts = Differences(row.minute, row.minutes, kMinuteMs, now_ms,
                                  {Low(stats->attempts), Low(stats->failures),
                                   Low(row.idle_ends.load(kRelaxed))});
  stats->recent.start = OldestStart(kMinuteMs, now_ms, kPeerMinutes);
  for (size_t i = 0; i < kPeerMinutes; ++i) {
    stats->recent.buckets[i] = {Low(counts[0][i]), Low(counts[1][i]),
                                Low(counts[2][i])};
  }
}

void CopyCauses(const Header& header, int64_t now_ms, bool hours,
                Totals* totals) {
  totals->requests_history.start =
      OldestStart(kMinuteMs, now_ms, kHistoryMinutes);
  for (size_t i = 0; i < kMaxCauses; ++i) {
    Histogram& histogram = totals->time_to_failure[i];
    Load(header.time_buckets[i], &histogram.counts);
    for (uint64_t count : histogram.counts) {
      histogram.count += count;
    }
    histogram.sum = header.time_sums[i].load(kRelaxed);
  }
  const Totals32<kMaxCauses> causes = TotalsOf(header.causes);
  totals->causes_history =
      Differences(header.minute, header.minutes, kMinuteMs, now_ms, causes);
  if (hours) {
    CopyCauseHours(header, now_ms, causes, totals);
  }
}

}  // namespace upstream_502
