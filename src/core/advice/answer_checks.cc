// The checks after an answer that was of no use.

#include "upstream_502/advice/answer_checks.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "upstream_502/advice/commands.h"
#include "upstream_502/advice/reading.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kHeaderOnly = "-D - -o /dev/null";

// The first path in quotation marks, which nginx puts around its files.
absl::string_view QuotedPath(absl::string_view message) {
  const size_t begin = message.find("\"/");
  if (begin == absl::string_view::npos) {
    return "";
  }
  message.remove_prefix(begin + 1);
  const absl::string_view path = message.substr(0, message.find('"'));
  return path.size() < message.size() && IsPrintable(path) ? path : "";
}

// A file without room is gone with its request; one that is forbidden may be
// there.
std::vector<std::string> Writable(absl::string_view path, int errno_number) {
  if (path.empty()) {
    return {};
  }
  if (errno_number == EACCES) {
    return {absl::StrCat("namei -l ", ShellQuote(path))};
  }
  const std::string folder = ShellQuote(path.substr(0, path.rfind('/')));
  return {absl::StrCat("df -h ", folder,
                       "  # it is free again once the request has ended"),
          absl::StrCat("df -i ", folder), absl::StrCat("namei -l ", folder)};
}

}  // namespace

std::vector<std::string> AnswerChecks(const Failure& failure,
                                      const FailureText& text,
                                      const PeerAddress& address) {
  std::vector<std::string> checks;
  const auto fetch = [&](absl::string_view flags, absl::string_view then = "") {
    const std::string command = FetchFrom(address, failure, text, flags);
    if (!command.empty()) {
      checks.push_back(absl::StrCat(command, then));
    }
  };
  switch (ReadingOf(failure, text)) {
    case Reading::kSliceStatus:
    case Reading::kSliceMisfit:
    case Reading::kSliceMissing:
      // Each server of the group has to give a part of the same file.
      fetch(absl::StrCat(kHeaderOnly, " -r 0-0"));
      checks.push_back(ConfigWith({"slice", "error_page"}));
      break;
    case Reading::kInterim:
      fetch(kHeaderOnly);
      break;
    case Reading::kCoding:
      fetch(kHeaderOnly);
      fetch("-o -", " | gzip -t");
      break;
    case Reading::kAuthStatus:
      fetch("-i");
      checks.push_back(ConfigWith({"auth_request", "error_page"}));
      break;
    case Reading::kKeptWhole:
      fetch("-o /dev/null -w '%{size_download}\\n'");
      checks.push_back(ConfigWith({"subrequest_output_buffer_size"}));
      break;
    case Reading::kTemporaryFile:
      return Writable(QuotedPath(text.message), failure.errno_number);
    default:
      break;
  }
  return checks;
}

}  // namespace upstream_502
