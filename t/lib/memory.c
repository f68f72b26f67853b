// Lets a test take memory away from a process: the file that TEST_MEMORY names
// says how many allocations still succeed, -1 being all, and of which process.
// See Upstream502::Memory.

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

#define EXPORTED __attribute__((visibility("default")))

static volatile struct {
  int64_t left;
  int64_t pid;
} * memory;

__attribute__((constructor)) static void Begin(void) {
  const char *path = getenv("TEST_MEMORY");
  const int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (file >= 0) {
    void *page =
        mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) {
      memory = page;
    }
    close(file);
  }
}

static int Fails(void) {
  if (memory == NULL || memory->left < 0 || memory->pid != getpid()) {
    return 0;
  }
  if (memory->left > 0) {
    --memory->left;
    return 0;
  }
  errno = ENOMEM;
  return 1;
}

EXPORTED void *malloc(size_t size) {
  return Fails() ? NULL : __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size) {
  return Fails() ? NULL : __libc_calloc(count, size);
}

EXPORTED void *realloc(void *old, size_t size) {
  return Fails() ? NULL : __libc_realloc(old, size);
}

EXPORTED int posix_memalign(void **result, size_t alignment, size_t size) {
  if (Fails()) {
    return ENOMEM;
  }
  *result = __libc_memalign(alignment, size);
  return *result == NULL ? ENOMEM : 0;
}
