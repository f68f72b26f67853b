// What the core costs: a request that went well, a failure, and a look at the
// statistics with few peers and with many.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "upstream_502/attempt.h"
#include "upstream_502/copy.h"
#include "upstream_502/query.h"
#include "upstream_502/render.h"
#include "upstream_502/store.h"

namespace upstream_502 {
namespace {

constexpr int64_t kNow = 1700000000000;
constexpr uint32_t kPeersPerUpstream = 10;
constexpr uint32_t kEvents = 1024;

class Zone {
 public:
  explicit Zone(uint32_t peers)
      : size_((size_t{4} << 20) + peers * size_t{4096}),
        memory_(std::aligned_alloc(4096, size_), std::free),
        store_(Store::Create(memory_.get(), size_, kEvents, kNow)) {
    for (uint32_t i = 0; i < peers; ++i) {
      AddPeer(i);
    }
    for (uint32_t i = 0; i < kEvents; ++i) {
      Fail(i % peers, i);
    }
  }

  Store& store() { return store_; }

  Report MakeReport() const {
    Report report;
    Copy(store_, kNow, &report.snapshot);
    report.diagnoses = Diagnose(report.snapshot);
    Apply(*ParseQuery(""), &report.snapshot);
    return report;
  }

 private:
  static std::string Name(uint32_t peer) {
    return absl::StrCat("backend-", peer / kPeersPerUpstream);
  }
  static std::string Addr(uint32_t peer) {
    return absl::StrCat("10.", peer >> 16, ".", peer >> 8 & 255, ".",
                        peer & 255, ":8080");
  }

  void AddPeer(uint32_t i) {
    const uint32_t upstream =
        store_.FindOrAddUpstream(Name(i), Protocol::kHttp);
    const uint32_t peer = store_.FindOrAddPeer(upstream, Addr(i));
    for (int64_t minute = 59; minute >= 0; --minute) {
      store_.AddRequest(upstream, i, kNow - minute * kMinuteMs, 1);
      store_.AddAttempt(peer, i, kNow - minute * kMinuteMs, true);
    }
  }

  void Fail(uint32_t i, uint32_t round) {
    const uint32_t upstream =
        store_.FindOrAddUpstream(Name(i), Protocol::kHttp);
    const uint32_t peer = store_.FindOrAddPeer(upstream, Addr(i));
    const auto cause = static_cast<Cause>(round % kCauseCount);
    const int64_t now = kNow - round * 1000;
    store_.AddFailure(upstream, peer,
                      {.cause = cause,
                       .errno_class = ErrnoClass::kReset,
                       .time_ms = now,
                       .time_to_failure = round});
    store_.AddResponse(upstream, 502, Origin::kNginx, now);
    store_.WriteEvent(store_.ReserveEvent(), {.time_ms = now, .cause = cause},
                      {.upstream = Name(i),
                       .peer = Addr(i),
                       .method = "GET",
                       .host = "www.example.com",
                       .uri = "/a/path/of/usual/length/index.php",
                       .request_id = "0123456789abcdef0123456789abcdef",
                       .message = "recv() failed (104: Connection reset by "
                                  "peer)"});
  }

  size_t size_;
  std::unique_ptr<void, decltype(&std::free)> memory_;
  Store store_;
};

void BM_Success(benchmark::State& state) {
  static Zone zone(1000);
  Store store = zone.store();
  const uint32_t upstream = store.FindOrAddUpstream("u", Protocol::kHttp);
  const auto worker = static_cast<uint32_t>(state.thread_index());
  while (state.KeepRunning()) {
    const uint32_t peer = store.FindOrAddPeer(upstream, "127.0.0.1:8080");
    store.AddRequest(upstream, worker, kNow, 1);
    store.AddAttempt(peer, worker, kNow, true);
  }
}
BENCHMARK(BM_Success)->Threads(1)->Threads(2);

void BM_Classify(benchmark::State& state) {
  Attempt attempt;
  attempt.message = "connect() failed (111: Connection refused)";
  attempt.protocol = Protocol::kHttp;
  attempt.has_line = true;
  attempt.rc = 502;
  while (state.KeepRunning()) {
    benchmark::DoNotOptimize(Classify(attempt));
  }
}
BENCHMARK(BM_Classify);

void BM_RecordFailure(benchmark::State& state) {
  static Zone zone(10);
  Store store = zone.store();
  const uint32_t upstream = store.FindOrAddUpstream("u", Protocol::kHttp);
  const uint32_t peer = store.FindOrAddPeer(upstream, "127.0.0.1:8080");
  while (state.KeepRunning()) {
    store.AddFailure(upstream, peer,
                     {.cause = Cause::kReadTimeout,
                      .errno_class = ErrnoClass::kTimedOut,
                      .time_ms = kNow,
                      .time_to_failure = 60000});
  }
}
BENCHMARK(BM_RecordFailure);

void BM_WriteEvent(benchmark::State& state) {
  static Zone zone(10);
  Store store = zone.store();
  while (state.KeepRunning()) {
    store.WriteEvent(store.ReserveEvent(), {.cause = Cause::kReadTimeout},
                     {.upstream = "backend",
                      .peer = "127.0.0.1:8080",
                      .method = "GET",
                      .host = "www.example.com",
                      .uri = "/index.php",
                      .message = "upstream timed out (110: Connection timed "
                                 "out) while reading response header"});
  }
}
BENCHMARK(BM_WriteEvent);

void BM_Copy(benchmark::State& state) {
  Zone zone(static_cast<uint32_t>(state.range(0)));
  while (state.KeepRunning()) {
    Snapshot snapshot;
    Copy(zone.store(), kNow, &snapshot);
    benchmark::DoNotOptimize(snapshot);
  }
}

void BM_Diagnose(benchmark::State& state) {
  Zone zone(static_cast<uint32_t>(state.range(0)));
  Snapshot snapshot;
  Copy(zone.store(), kNow, &snapshot);
  while (state.KeepRunning()) {
    benchmark::DoNotOptimize(Diagnose(snapshot));
  }
}

// Besides the whole: what the longest piece holds a worker for.
void BM_Render(benchmark::State& state,
               std::unique_ptr<Renderer> (*make)(const Report&)) {
  using Clock = std::chrono::steady_clock;
  const Report report =
      Zone(static_cast<uint32_t>(state.range(0))).MakeReport();
  size_t bytes = 0;
  size_t pieces = 0;
  size_t largest = 0;
  Clock::duration longest{};
  while (state.KeepRunning()) {
    bytes = 0;
    pieces = 0;
    Clock::duration longest_now{};
    const std::unique_ptr<Renderer> renderer = make(report);
    for (bool more = true; more; ++pieces) {
      std::string piece;
      const Clock::time_point begin = Clock::now();
      more = renderer->Next(&piece);
      longest_now = std::max(longest_now, Clock::now() - begin);
      bytes += piece.size();
      largest = std::max(largest, piece.size());
    }
    // The best of all runs, since the machine has other work too.
    longest = longest == Clock::duration{} ? longest_now
                                           : std::min(longest, longest_now);
  }
  state.counters["bytes"] = static_cast<double>(bytes);
  state.counters["pieces"] = static_cast<double>(pieces);
  state.counters["largest"] = static_cast<double>(largest);
  state.counters["longest_us"] =
      std::chrono::duration<double, std::micro>(longest).count();
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(1000)->Arg(10000)->Unit(benchmark::kMicrosecond);
}
BENCHMARK(BM_Copy)->Apply(Sizes);
BENCHMARK(BM_Diagnose)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Render, json, MakeJsonRenderer)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Render, text, MakeTextRenderer)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Render, html, MakeHtmlRenderer)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Render, prometheus, MakePrometheusRenderer)->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Render, openmetrics, MakeOpenMetricsRenderer)
    ->Apply(Sizes);

}  // namespace
}  // namespace upstream_502

BENCHMARK_MAIN();
