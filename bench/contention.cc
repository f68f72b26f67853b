// Many processes that count requests of one peer: with a shard for each, as
// the store does, and with all of them in one, as it would be without.
// Prints nanoseconds of CPU time per request, the median of several rounds by
// turns. Processes are spread over the processors that there are: no more of
// them than processors contend at any moment.

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "upstream_502/store/store.h"

namespace upstream_502 {
namespace {

constexpr int64_t kNow = 1700000000000;
constexpr size_t kZone = size_t{4} << 20;
constexpr int kMost = 16;
constexpr int kRequests = 3000000;
constexpr int kRounds = 7;

// The layout's promise: what two shards count shares no cache line.
static_assert(sizeof(Shard) == kCacheLine && alignof(Shard) == kCacheLine);
static_assert(offsetof(PeerRow, shards) % kCacheLine == 0);
static_assert(offsetof(UpstreamRow, shards) % kCacheLine == 0);

struct Shared {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  double nanoseconds[kMost]{};
};

template <typename T>
T* Map(size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  return static_cast<T*>(memory);
}

double CpuNanoseconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 +
         static_cast<double>(time.tv_nsec);
}

class Contest {
 public:
  Contest() {
    upstream_ = store_.FindOrAddUpstream("backend", Protocol::kHttp);
    peer_ = store_.FindOrAddPeer(upstream_, "127.0.0.1:8080");
    store_.AddRequest(upstream_, 0, kNow, 1);
    store_.AddAttempt(peer_, 0, kNow, true);
  }

  // The mean over all processes.
  double Run(int processes, bool sharded) {
    auto* shared = new (memory_) Shared;
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i) {
      const pid_t pid = fork();
      if (pid == 0) {
        Pin(i);
        Count(i, sharded ? static_cast<uint32_t>(i) : 0, shared);
        _exit(0);
      }
      children.push_back(pid);
    }
    while (shared->ready.load() < processes) {
      usleep(100);
    }
    shared->go.store(true);
    double sum = 0;
    for (int i = 0; i < processes; ++i) {
      waitpid(children[static_cast<size_t>(i)], nullptr, 0);
      sum += shared->nanoseconds[i];
    }
    return sum / processes;
  }

 private:
  static void Pin(int index) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<size_t>(index % sysconf(_SC_NPROCESSORS_ONLN)), &set);
    sched_setaffinity(0, sizeof(set), &set);
  }

  void Count(int index, uint32_t worker, Shared* shared) {
    shared->ready.fetch_add(1);
    while (!shared->go.load()) {
      usleep(50);
    }
    const double begin = CpuNanoseconds();
    for (int i = 0; i < kRequests; ++i) {
      store_.AddRequest(upstream_, worker, kNow, 1);
      store_.AddAttempt(peer_, worker, kNow, true);
    }
    shared->nanoseconds[index] = (CpuNanoseconds() - begin) / kRequests;
  }

  Shared* memory_ = Map<Shared>(sizeof(Shared));
  Store store_ = Store::Create(Map<char>(kZone), kZone, {64}, kNow);
  uint32_t upstream_ = 0;
  uint32_t peer_ = 0;
};

}  // namespace
}  // namespace upstream_502

int main() {
  upstream_502::Contest contest;
  std::printf("%10s %12s %12s   ns of CPU per request\n", "processes",
              "sharded", "one shard");
  for (int processes = 1; processes <= upstream_502::kMost; processes *= 2) {
    std::vector<double> times[2];
    for (int round = 0; round < upstream_502::kRounds; ++round) {
      for (const int sharded : {1, 0}) {
        times[sharded].push_back(contest.Run(processes, sharded == 1));
      }
    }
    for (std::vector<double>& each : times) {
      std::sort(each.begin(), each.end());
    }
    std::printf("%10d %12.1f %12.1f\n", processes,
                times[1][upstream_502::kRounds / 2],
                times[0][upstream_502::kRounds / 2]);
  }
}
