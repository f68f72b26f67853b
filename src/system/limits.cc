// Limits out of getrlimit() and /proc.

#include "system/limits.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "system/proc_file.h"

namespace upstream_502 {
namespace {

int32_t Bounded(uint64_t number) {
  return static_cast<int32_t>(std::min<uint64_t>(number, INT32_MAX));
}

// Takes the number at the front of `text`. -1: there is none.
int64_t TakeNumber(absl::string_view* text) {
  *text = absl::StripLeadingAsciiWhitespace(*text);
  const size_t end = std::min(text->find_first_of(" \t\n"), text->size());
  int64_t number = 0;
  const bool valid = absl::SimpleAtoi(text->substr(0, end), &number);
  text->remove_prefix(end);
  return valid && number >= 0 ? number : -1;
}

// Since Linux 6.2 the size of that directory is the count. Before, the lowest
// free number has to do: nginx leaves few gaps.
int32_t FilesUsed(int32_t max) {
  struct stat directory = {};
  if (stat("/proc/self/fd", &directory) == 0 && directory.st_size > 0) {
    return Bounded(static_cast<uint64_t>(directory.st_size));
  }
  const int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  if (fd == -1) {
    return errno == EMFILE ? max : -1;
  }
  close(fd);
  return fd;
}

}  // namespace

Usage ProcessFiles() {
  rlimit limit = {};
  Usage usage;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    usage.max = Bounded(limit.rlim_cur);
  }
  usage.used = FilesUsed(usage.max);
  return usage;
}

Usage ParseFileNr(absl::string_view file_nr) {
  const int64_t used = TakeNumber(&file_nr);
  TakeNumber(&file_nr);  // always 0
  const int64_t max = TakeNumber(&file_nr);
  if (used < 0 || max < 0) {
    return {};
  }
  return {Bounded(static_cast<uint64_t>(used)),
          Bounded(static_cast<uint64_t>(max))};
}

Usage MachineFiles() {
  char text[128];
  return ParseFileNr(ReadFile("/proc/sys/fs/file-nr", text, sizeof(text)));
}

int32_t ParsePortRange(absl::string_view range) {
  const int64_t low = TakeNumber(&range);
  const int64_t high = TakeNumber(&range);
  if (low < 0 || high < low || high > 65535) {
    return -1;
  }
  return static_cast<int32_t>(high - low + 1);
}

int32_t LocalPorts() {
  char text[64];
  return ParsePortRange(
      ReadFile("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text)));
}

int32_t ParseSockstat(absl::string_view sockstat, absl::string_view protocol) {
  const size_t begin = sockstat.find(protocol);
  if (begin == absl::string_view::npos) {
    return -1;
  }
  absl::string_view line = sockstat.substr(begin + protocol.size());
  line = line.substr(0, line.find('\n'));
  int64_t sum = 0;
  while (!line.empty()) {
    line = absl::StripLeadingAsciiWhitespace(line);
    const bool counts = absl::ConsumePrefix(&line, "inuse ") ||
                        absl::ConsumePrefix(&line, "tw ");
    if (!counts) {
      line.remove_prefix(std::min(line.find(' '), line.size()));
      continue;
    }
    const int64_t number = TakeNumber(&line);
    if (number < 0) {
      return -1;
    }
    sum = std::min<int64_t>(sum + number, INT32_MAX);
  }
  return static_cast<int32_t>(sum);
}

int32_t TcpSockets() {
  char text[1024];
  const int32_t v4 =
      ParseSockstat(ReadFile("/proc/net/sockstat", text, sizeof(text)), "TCP:");
  const int32_t v6 = ParseSockstat(
      ReadFile("/proc/net/sockstat6", text, sizeof(text)), "TCP6:");
  return v4 < 0 ? -1 : v4 + std::max(v6, 0);
}

// Negative where a network namespace shares the table of the first one.
int32_t ConnectionTableSize() {
  char text[32];
  absl::string_view number =
      ReadFile("/proc/sys/net/ipv4/tcp_ehash_entries", text, sizeof(text));
  absl::ConsumePrefix(&number, "-");
  const int64_t size = TakeNumber(&number);
  return size < 0 ? -1 : Bounded(static_cast<uint64_t>(size));
}

}  // namespace upstream_502
