// The texts that most events share.

#include "upstream_502/words/usual.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "upstream_502/words/errno.h"

namespace upstream_502 {
namespace {

// Without their errno. Append only.
constexpr absl::string_view kLines[] = {
    "connect() failed",
    "upstream timed out",
    "upstream prematurely closed connection",
    "no live upstreams",
    "recv() failed",
    "readv() failed",
    "send() failed",
    "writev() failed",
    "sendfile() failed",
    "peer closed connection in SSL handshake",
    "upstream sent too big header",
    "upstream prematurely closed stream",
    "upstream sent no valid HTTP/1.0 header",
    "upstream sent invalid chunked response",
};

// Whether `end` is how nginx ends a line.
bool TellsErrno(absl::string_view end, int errno_number) {
  return errno_number == 0
             ? end.empty()
             : absl::ConsumePrefix(&end, " (") &&
                   absl::ConsumePrefix(&end,
                                       absl::AlphaNum(errno_number).Piece()) &&
                   absl::ConsumePrefix(&end, ": ") &&
                   absl::ConsumePrefix(&end, ErrnoText(errno_number)) &&
                   end == ")";
}

}  // namespace

uint8_t UsualLine(absl::string_view message, int errno_number) {
  const auto* line = std::find_if(
      std::begin(kLines), std::end(kLines), [message](absl::string_view text) {
        return absl::StartsWith(message, text) &&
               (message.size() == text.size() || message[text.size()] == ' ');
      });
  return line != std::end(kLines) &&
                 TellsErrno(message.substr(line->size()), errno_number)
             ? static_cast<uint8_t>(line - std::begin(kLines) + 1)
             : 0;
}

bool IsUsualLine(uint8_t line) { return line > 0 && line <= std::size(kLines); }

std::string UsualText(uint8_t line, int errno_number) {
  if (!IsUsualLine(line)) {
    return "";
  }
  const absl::string_view text = kLines[line - 1];
  return errno_number == 0 ? std::string(text)
                           : absl::StrCat(text, " (", errno_number, ": ",
                                          ErrnoText(errno_number), ")");
}

}  // namespace upstream_502
