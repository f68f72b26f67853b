// Texts that most events share: an event keeps the number of such a text. Other
// processes read what this one has written, so a number never changes its
// meaning.

#ifndef UPSTREAM_502_WORDS_USUAL_H_
#define UPSTREAM_502_WORDS_USUAL_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// Methods by the place of nginx's bit for them; 0 is any other method.
inline constexpr absl::string_view kMethods[] = {
    "",      "GET",    "HEAD",  "POST",    "PUT",      "DELETE",
    "MKCOL", "COPY",   "MOVE",  "OPTIONS", "PROPFIND", "PROPPATCH",
    "LOCK",  "UNLOCK", "PATCH", "TRACE",   "CONNECT"};

// The number, from 1, of an error line of nginx that always reads the same but
// for its errno. 0 for others, and where `errno_number` (0: none) is not the
// one that `message` ends with.
uint8_t UsualLine(absl::string_view message, int errno_number);

// Whether `line` is the number of one.
bool IsUsualLine(uint8_t line);

// Its text; "" for a number that is none.
std::string UsualText(uint8_t line, int errno_number);

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_USUAL_H_
