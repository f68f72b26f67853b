// What a probe costs on a busy machine: printed, not judged, since the machine
// that runs the tests is shared. What is found there is. Time is the
// processor's: a probe never waits, whatever else is at work.

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sockets.h"
#include "system/probe.h"

namespace upstream_502 {
namespace {

constexpr int kRounds = 400;
// So many listeners are listed in time.
constexpr int kFew = 100;

// A second apart every long question is asked each time; 19 ms apart is as in a
// flood of failures.
Evidence Measure(const char* name, Prober* prober, ProbeRequest request,
                 int apart_ms) {
  static int64_t now_ms = 0;
  now_ms += 10000;
  std::vector<double> times;
  Evidence evidence;
  for (int i = 0; i < kRounds; ++i) {
    request.now_ms = now_ms += apart_ms;
    timespec start = {};
    timespec end = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    prober->Probe(request, &evidence);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    times.push_back(static_cast<double>(end.tv_sec - start.tv_sec) * 1e6 +
                    static_cast<double>(end.tv_nsec - start.tv_nsec) / 1e3);
  }
  std::sort(times.begin(), times.end());
  std::printf("%-32s every %4d ms: median %7.1f  99%% %7.1f  max %7.1f us\n",
              name, apart_ms, times[kRounds / 2], times[kRounds * 99 / 100],
              times.back());
  return evidence;
}

Evidence Measure(const char* name, Prober* prober,
                 const ProbeRequest& request) {
  const Evidence flood = Measure(name, prober, request, 19);
  const Evidence asked = Measure(name, prober, request, 1000);
  // What is remembered for a second is what is answered.
  EXPECT_EQ(flood.listening, asked.listening) << name;
  EXPECT_EQ(flood.listening_hidden, asked.listening_hidden) << name;
  EXPECT_EQ(flood.queue, asked.queue) << name;
  // A list that takes too long is none: where there are few, none does.
  if (flood.named_count != 0 && asked.named_count != 0) {
    EXPECT_EQ(flood.named_count, asked.named_count) << name;
    EXPECT_EQ(flood.Text(), asked.Text()) << name;
  }
  return asked;
}

struct Machine {
  Machine(int connections, int listeners, int unix_sockets) {
    for (int i = 0; i < listeners; ++i) {
      many.push_back(ListenAt(At("127.0.0.1", 2000 + i)));
    }
    busy = ListenAt("127.0.0.1:1000", connections + 10);
    // A process has not descriptors enough for all of them.
    for (int left = connections; left > 0; left -= kEach) {
      holders.push_back(Hold(std::min(left, kEach)));
    }
    unix_listener = ListenAt(UnixName(folder / "app.sock"), 500);
    for (int i = 0; i < unix_sockets / 2; ++i) {
      int ends[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0) {
        many.emplace_back(ends[0]);
        many.emplace_back(ends[1]);
      }
    }
  }
  ~Machine() {
    for (const pid_t holder : holders) {
      kill(holder, SIGKILL);
      waitpid(holder, nullptr, 0);
    }
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Another process with so many connections, once they are there.
  pid_t Hold(int count) const {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::vector<Fd> held;
      for (int i = 0; i < count; ++i) {
        held.push_back(Connect("127.0.0.1:1000"));
        held.push_back(Accept(busy));
      }
      close(ready[1]);
      pause();
    }
    close(ready[1]);
    char nothing;
    EXPECT_EQ(read(ready[0], &nothing, 1), 0);
    close(ready[0]);
    return pid;
  }

  static constexpr int kEach = 2500;
  Folder folder;
  std::vector<Fd> many;
  std::vector<pid_t> holders;
  Fd busy;
  Fd unix_listener;
};

void MeasureAll(int connections, int listeners, int unix_sockets) {
  Machine machine(connections, listeners, unix_sockets);
  auto* prober = new Prober;
  prober->Warm(0);
  std::printf("%d connections, %d listeners, %d unix sockets:\n", connections,
              listeners, unix_sockets);

  const Fd client = Connect("127.0.0.1:1000");
  Send(client, "0123456789");
  EXPECT_EQ(Measure("read_timeout", prober,
                    {.cause = Cause::kReadTimeout,
                     .fd = client.get(),
                     .peer = "127.0.0.1:1000"})
                .accepted,
            Seen::kNo);
  EXPECT_EQ(Measure("closed_before_response", prober,
                    {.cause = Cause::kClosedBeforeResponse,
                     .fd = client.get(),
                     .peer = "127.0.0.1:1000"})
                .listening,
            Seen::kYes);
  EXPECT_THAT(
      Measure("connection_refused, port closed", prober,
              {.cause = Cause::kConnectionRefused, .peer = "127.0.0.1:1999"})
          .named_count,
      testing::AnyOf(listeners + 1, listeners > kFew ? 0 : listeners + 1));
  EXPECT_EQ(
      Measure("closed_before_response, gone", prober,
              {.cause = Cause::kClosedBeforeResponse, .peer = "127.0.0.1:1999"})
          .listening,
      Seen::kNo);
  const Evidence ports = Measure("local_exhausted, ports", prober,
                                 {.cause = Cause::kLocalExhausted,
                                  .errno_number = EADDRNOTAVAIL,
                                  .peer = "127.0.0.1:1000"});
  EXPECT_GT(ports.ports_used, 0);
  // A count that took too long is cut, and says so.
  if (ports.ports_of != PortsOf::kPeerAtLeast) {
    EXPECT_GT(ports.ports_used, std::min(connections, 1000) / 2);
  }
  const std::string path = machine.folder / "app.sock";
  const std::string peer = "unix:" + path;
  const Fd unix_client = Connect(UnixName(path));
  Send(unix_client, "0123456789");
  EXPECT_EQ(
      Measure(
          "read_timeout, unix", prober,
          {.cause = Cause::kReadTimeout, .fd = unix_client.get(), .peer = peer})
          .accepted,
      Seen::kNo);
  EXPECT_EQ(Measure("backlog_full, unix", prober,
                    {.cause = Cause::kBacklogFull, .peer = peer})
                .queue,
            1);
  delete prober;
}

TEST(ProbeCost, OnAQuietMachine) {
  InNetwork([] { MeasureAll(10, 10, 20); });
}

TEST(ProbeCost, OnABusyMachine) {
  InNetwork([] {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 15000) {
      _exit(kSkipped);
    }
    MeasureAll(10000, 2000, 5000);
  });
}

}  // namespace
}  // namespace upstream_502
