// Memory as nginx gives it: shared with the children, full of junk, and with
// a page after it that must not be touched.

#ifndef UPSTREAM_502_T_UNIT_SHARED_MEMORY_H_
#define UPSTREAM_502_T_UNIT_SHARED_MEMORY_H_

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "gtest/gtest.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {

class SharedMemory {
 public:
  explicit SharedMemory(size_t size) : size_(size) {
    file_ = memfd_create("store_test", 0);
    if (file_ == -1 || ftruncate(file_, static_cast<off_t>(Pages())) != 0) {
      std::abort();
    }
    start_ = Map();
    std::memset(start_, 0xA5, size_);
  }
  ~SharedMemory() {
    munmap(start_, Pages() + kPage);
    close(file_);
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  char* data() const { return start_; }
  size_t size() const { return size_; }

  // The same memory at another address, until the process ends.
  char* Map() const {
    void* at = mmap(nullptr, Pages() + kPage, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED ||
        mmap(at, Pages(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file_,
             0) == MAP_FAILED) {
      std::abort();
    }
    return static_cast<char*>(at);
  }

 private:
  static constexpr size_t kPage = 4096;
  size_t Pages() const { return (size_ + kPage - 1) / kPage * kPage; }

  size_t size_;
  int file_ = -1;
  char* start_ = nullptr;
};

// Runs `body` in a child; returns its pid.
template <typename Body>
pid_t Fork(const Body& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    _exit(0);
  }
  return pid;
}

inline bool EndedWell(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_SHARED_MEMORY_H_
