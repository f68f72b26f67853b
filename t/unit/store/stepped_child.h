// A process that can be stopped between any two instructions.

#ifndef UPSTREAM_502_T_UNIT_STORE_STEPPED_CHILD_H_
#define UPSTREAM_502_T_UNIT_STORE_STEPPED_CHILD_H_

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <string>

#include "store/shared_memory.h"

namespace upstream_502 {

// A child that is run instruction by instruction.
class SteppedChild {
 public:
  // `prepare` runs at full speed.
  template <typename Prepare, typename Body>
  SteppedChild(const Prepare& prepare, const Body& body)
      : pid_(Fork([&] {
          prepare();
          if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
            _exit(1);
          }
          raise(SIGSTOP);
          body();
        })) {
    Wait();
  }
  ~SteppedChild() {
    if (IsRunning()) {
      kill(pid_, SIGKILL);
      Wait();
    }
  }

  bool IsRunning() const { return WIFSTOPPED(status_); }
  bool EndedWell() const { return WIFEXITED(status_) && status_ == 0; }
  void Step() { Resume(PTRACE_SINGLESTEP); }
  void Finish() { Resume(PTRACE_CONT); }

 private:
  void Resume(__ptrace_request request) {
    ptrace(request, pid_, nullptr, nullptr);
    Wait();
  }
  void Wait() { waitpid(pid_, &status_, 0); }

  pid_t pid_;
  int status_ = 0;
};

// Lets the child run to its end, or to the first failure, with a `check` each
// time it has changed something in `memory`; how often that was.
template <typename Check>
int StepThrough(SteppedChild* child, const SharedMemory& memory,
                const Check& check) {
  std::string last(memory.size(), '\0');
  int changes = 0;
  for (; child->IsRunning() && !testing::Test::HasFailure(); child->Step()) {
    if (std::memcmp(last.data(), memory.data(), memory.size()) != 0) {
      std::memcpy(last.data(), memory.data(), memory.size());
      check();
      ++changes;
    }
  }
  return changes;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_STORE_STEPPED_CHILD_H_
