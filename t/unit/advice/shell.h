#ifndef T_UNIT_ADVICE_SHELL_H_
#define T_UNIT_ADVICE_SHELL_H_

#include "absl/strings/string_view.h"

namespace upstream_502 {

/// Whether a shell finds an end to every quote of `command`. Quotes of comments
/// count, too: an interactive zsh knows no comments.
inline bool IsClosed(absl::string_view command) {
  char quote = 0;
  for (size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    if (c == '\\' && quote != '\'') {
      ++i;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    }
  }
  return quote == 0;
}

}  // namespace upstream_502

#endif  // T_UNIT_ADVICE_SHELL_H_
