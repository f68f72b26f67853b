// Reading /etc/hosts.

#include "system/hosts.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "system/proc_file.h"

namespace upstream_502 {
namespace {

// Takes the first word off `line`; "" at its end.
absl::string_view TakeWord(absl::string_view* line) {
  *line = absl::StripLeadingAsciiWhitespace(*line);
  const absl::string_view word =
      line->substr(0, std::min(line->find_first_of(" \t\r\v\f"), line->size()));
  line->remove_prefix(word.size());
  return word;
}

bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev &&
         a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

absl::string_view FindHost(absl::string_view hosts, absl::string_view name) {
  name = absl::StripSuffix(name, ".");
  while (!hosts.empty() && !name.empty()) {
    const absl::string_view whole = hosts.substr(0, hosts.find('\n'));
    hosts.remove_prefix(std::min(whole.size() + 1, hosts.size()));
    absl::string_view line = whole.substr(0, whole.find('#'));
    const absl::string_view address = TakeWord(&line);
    for (absl::string_view word = TakeWord(&line); !word.empty();
         word = TakeWord(&line)) {
      if (absl::EqualsIgnoreCase(absl::StripSuffix(word, "."), name)) {
        return address;
      }
    }
  }
  return "";
}

bool HostsFile::Load() {
  struct stat file = {};
  if (stat(path_, &file) != 0 || !S_ISREG(file.st_mode) ||
      file.st_size > static_cast<off_t>(text_.size())) {
    loaded_ = false;
  } else if (!loaded_ || !IsSame(file, loaded_as_)) {
    size_ = ReadFile(path_, text_.data(), text_.size()).size();
    loaded_as_ = file;
    loaded_ = size_ == static_cast<size_t>(file.st_size);
  }
  return loaded_;
}

}  // namespace upstream_502
