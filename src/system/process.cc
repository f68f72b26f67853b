// Tells processes apart by when they began.

#include "system/process.h"

#include <cerrno>
#include <csignal>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "system/proc_file.h"

namespace upstream_502 {
namespace {

constexpr int kPidBits = 22;  // the most that Linux gives
constexpr uint64_t kPidMask = (uint64_t{1} << kPidBits) - 1;
// Of /proc/PID/stat, behind the name in brackets, which may hold anything.
constexpr int kStartField = 20;

// Ticks since the boot; 0 where nothing says so.
uint64_t StartOf(pid_t pid) {
  char buffer[1024];
  absl::string_view stat = ReadFile(
      absl::StrCat("/proc/", pid, "/stat").c_str(), buffer, sizeof(buffer));
  const size_t name_end = stat.rfind(')');
  if (name_end == absl::string_view::npos) {
    return 0;
  }
  stat.remove_prefix(name_end);
  for (int field = 0; field < kStartField; ++field) {
    const size_t space = stat.find(' ');
    if (space == absl::string_view::npos) {
      return 0;
    }
    stat.remove_prefix(space + 1);
  }
  uint64_t ticks = 0;
  return absl::SimpleAtoi(stat.substr(0, stat.find(' ')), &ticks) ? ticks : 0;
}

}  // namespace

uint64_t IdentifyProcess(pid_t pid) {
  return StartOf(pid) << kPidBits | (static_cast<uint64_t>(pid) & kPidMask);
}

bool IsProcessGone(uint64_t process) {
  const auto pid = static_cast<pid_t>(process & kPidMask);
  if (kill(pid, 0) != 0 && errno == ESRCH) {
    return true;
  }
  const uint64_t start = StartOf(pid);
  return start != 0 && process >> kPidBits != 0 && start != process >> kPidBits;
}

}  // namespace upstream_502
