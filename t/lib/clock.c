// Lets a test turn the clocks of a process forward: seconds to add, to the wall
// clock and to the one that timers go by, are in the file that TEST_CLOCK
// names. See Upstream502::Clock.

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void Begin(void) {
  const char *path = getenv("TEST_CLOCK");
  const int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    void *page = mmap(NULL, 2 * sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) {
      ahead = page;
    }
    close(file);
  }
}

__attribute__((visibility("default"))) int gettimeofday(
    struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec real;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
  now->tv_sec = real.tv_sec + (ahead == NULL ? 0 : *ahead);
  now->tv_usec = real.tv_nsec / 1000;
  return 0;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock,
                                                         struct timespec *now) {
  const long result = syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && ahead != NULL &&
      (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE)) {
    now->tv_sec += ahead[1];
  }
  return (int)result;
}
