// What the core costs: a request that went well, a failure, and a look at the
// statistics with few peers and with many.

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "upstream_502/report/html.h"
#include "upstream_502/report/json.h"
#include "upstream_502/report/prometheus.h"
#include "upstream_502/report/query.h"
#include "upstream_502/report/text.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/store.h"
#include "upstream_502/verdict/classify.h"

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
        store_(Store::Create(memory_.get(), size_, {kEvents}, kNow)) {
    for (uint32_t i = 0; i < peers; ++i) {
      AddPeer(i);
    }
    for (uint32_t i = 0; i < kEvents; ++i) {
      // Far apart, so that most upstreams are in trouble.
      Fail(static_cast<uint32_t>(uint64_t{i} * 7919 % peers), i);
    }
  }

  Store& store() { return store_; }

  void AddFailure(uint32_t i, const Failure& failure) {
    const uint32_t upstream =
        store_.FindOrAddUpstream(Name(i), Protocol::kHttp);
    store_.AddFailedAttempt(upstream, store_.FindOrAddPeer(upstream, Addr(i)),
                            0, failure.time_ms, failure);
  }

  Report MakeReport() const {
    Report report;
    Copy(store_, kNow, &report.snapshot);
    report.diagnoses = Diagnose(report.snapshot);
    SortTroubled(&report);
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
    const auto cause = static_cast<Cause>(round % kCauseCount);
    const int64_t now = kNow - round * 100;
    AddFailure(i, {.time_ms = now,
                   .cause = cause,
                   .errno_class = ErrnoClass::kReset,
                   .response_time = static_cast<int32_t>(round)});
    store_.AddResponse(store_.FindOrAddUpstream(Name(i), Protocol::kHttp), 502,
                       Origin::kNginx, now);
    store_.WriteEvent(store_.ReserveEvents(1), {.time_ms = now, .cause = cause},
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
  attempt.rc = 502;
  while (state.KeepRunning()) {
    benchmark::DoNotOptimize(Classify(attempt));
  }
}
BENCHMARK(BM_Classify);

// By name, as the first failure of a request finds its rows.
void BM_RecordFailure(benchmark::State& state) {
  const auto peers = static_cast<uint32_t>(state.range(0));
  Zone zone(peers);
  uint32_t peer = 0;
  while (state.KeepRunning()) {
    zone.AddFailure(peer, {.time_ms = kNow,
                           .cause = Cause::kReadTimeout,
                           .errno_class = ErrnoClass::kTimedOut,
                           .response_time = 60000});
    peer = (peer + 7919) % peers;
  }
}

void BM_WriteEvent(benchmark::State& state) {
  static Zone zone(10);
  Store store = zone.store();
  while (state.KeepRunning()) {
    store.WriteEvent(store.ReserveEvents(1), {.cause = Cause::kReadTimeout},
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

// The CPU time of the longest of several steps, in the best of all runs.
class Longest {
 public:
  template <typename Step>
  bool Time(const Step& step) {
    const double begin = Now();
    const bool more = step();
    run_ = std::max(run_, Now() - begin);
    if (!more) {
      best_ = std::min(best_, run_);
      run_ = 0;
    }
    return more;
  }
  double us() const { return best_; }

 private:
  static double Now() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e6 +
           static_cast<double>(time.tv_nsec) / 1e3;
  }
  double run_ = 0;
  double best_ = 1e12;
};

// A full zone of some 3,000 peers that come and go.
class Turnover {
 public:
  Turnover()
      : memory_(std::aligned_alloc(4096, kSize), std::free),
        store_(Store::Create(memory_.get(), kSize, {16}, kNow)) {
    store_.SetInactive(kHourMs);
    upstream_ = store_.FindOrAddUpstream("u", Protocol::kHttp);
    while (Evicted() == 0) {
      Bring();
    }
  }

  // Until so many have lost their rows.
  void Evict(uint64_t count) {
    for (const uint64_t most = Evicted() + count; Evicted() < most;) {
      Bring();
    }
  }
  // One of those that came last.
  uint32_t FindKnown() {
    known_ = (known_ + 1) % kKnown;
    return store_.FindOrAddPeer(upstream_, names_[known_], now_);
  }
  // CPU time of one, in the best of many runs over all.
  double FindUs() {
    Longest longest;
    for (int run = 0; run < 2000; ++run) {
      longest.Time([this] {
        for (uint32_t i = 0; i < kKnown; ++i) {
          benchmark::DoNotOptimize(FindKnown());
        }
        return false;
      });
    }
    return longest.us() / kKnown;
  }

 private:
  static constexpr size_t kSize = size_t{9} << 20;
  static constexpr uint32_t kKnown = 256;

  uint64_t Evicted() const { return store_.arena().header->evicted.load(); }
  // One that nobody has seen before.
  void Bring() {
    now_ += 2 * kHourMs / store_.arena().capacity.peers;
    std::string& name = names_[++brought_ % kKnown];
    name = absl::StrCat("10.0.0.1:", brought_);
    store_.AddAttempt(store_.FindOrAddPeer(upstream_, name, now_), 0, now_,
                      true);
  }

  std::unique_ptr<void, decltype(&std::free)> memory_;
  Store store_;
  std::vector<std::string> names_{kKnown};
  int64_t now_ = kNow;
  uint32_t upstream_ = 0;
  uint32_t brought_ = 0;
  uint32_t known_ = 0;
};

// What is gone from the index must not make the way to what is there longer.
void BM_FindAfterEvictions(benchmark::State& state) {
  Turnover zone;
  const double before = zone.FindUs();
  zone.Evict(100000);
  const double after = zone.FindUs();
  while (state.KeepRunning()) {
    benchmark::DoNotOptimize(zone.FindKnown());
  }
  state.counters["ratio"] = after / before;
}
BENCHMARK(BM_FindAfterEvictions);

// In steps of the size that the status location takes.
void BM_Copy(benchmark::State& state) {
  Zone zone(static_cast<uint32_t>(state.range(0)));
  Longest longest;
  while (state.KeepRunning()) {
    Snapshot snapshot;
    Copier copier(zone.store(), kNow, &snapshot);
    while (longest.Time([&] { return copier.Next(1500); })) {
    }
    benchmark::DoNotOptimize(snapshot);
  }
  state.counters["longest_us"] = longest.us();
}

void BM_Diagnose(benchmark::State& state) {
  Zone zone(static_cast<uint32_t>(state.range(0)));
  Snapshot snapshot;
  Copy(zone.store(), kNow, &snapshot);
  Longest longest;
  size_t found = 0;
  while (state.KeepRunning()) {
    Diagnoser diagnoser(snapshot);
    while (longest.Time([&] { return diagnoser.Next(200000); })) {
    }
    found = diagnoser.Take().size();
  }
  state.counters["longest_us"] = longest.us();
  state.counters["found"] = static_cast<double>(found);
}

void BM_Render(benchmark::State& state,
               std::unique_ptr<Renderer> (*make)(const Excerpt&)) {
  const Report report =
      Zone(static_cast<uint32_t>(state.range(0))).MakeReport();
  Longest longest;
  size_t bytes = 0;
  size_t pieces = 0;
  while (state.KeepRunning()) {
    bytes = 0;
    pieces = 0;
    Excerpt excerpt(report, *ParseQuery(""));
    excerpt.Choose(SIZE_MAX);
    const std::unique_ptr<Renderer> renderer = make(excerpt);
    std::string piece;
    while (longest.Time([&] { return renderer->Next(&piece); })) {
      bytes += piece.size();
      ++pieces;
      piece.clear();
    }
  }
  state.counters["bytes"] = static_cast<double>(bytes);
  state.counters["pieces"] = static_cast<double>(pieces);
  state.counters["longest_us"] = longest.us();
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(1000)->Arg(10000)->Unit(benchmark::kMicrosecond);
}
BENCHMARK(BM_RecordFailure)->Apply(Sizes)->Unit(benchmark::kNanosecond);
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
