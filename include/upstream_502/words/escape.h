// Escaping of text from outside, one function per format. Input may be any
// bytes; output is always valid UTF-8.

#ifndef UPSTREAM_502_WORDS_ESCAPE_H_
#define UPSTREAM_502_WORDS_ESCAPE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// Appends `text` with quotes around it, as a JSON string. Bytes that are not
// UTF-8 become U+FFFD; '<', '>' and '&' become \u003c and so on, so that the
// result is safe inside a <script> element too.
void AppendJsonString(absl::string_view text, std::string* out);

// Appends `text` for use in HTML text and double-quoted attributes.
void AppendHtml(absl::string_view text, std::string* out);

// Appends `text` as a Prometheus label value, without the quotes.
void AppendLabelValue(absl::string_view text, std::string* out);

// Appends `text` for a terminal: control characters and bytes that are not
// UTF-8 become '?'.
void AppendPrintable(absl::string_view text, std::string* out);

// `text` for where a line break would end it and begin another's: a header
// field, a line of a log. As AppendPrintable, and at most `limit` bytes.
std::string FieldText(absl::string_view text, size_t limit);

// The longest prefix of `text` of at most `size` bytes that does not end
// inside a UTF-8 sequence.
absl::string_view CutUtf8(absl::string_view text, size_t size);

// Appends `text` as an sf-string of RFC 8941, with quotes.
void AppendSfString(absl::string_view text, std::string* out);

// Quotes `text` for a POSIX shell where it needs it.
std::string ShellQuote(absl::string_view text);

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_ESCAPE_H_
