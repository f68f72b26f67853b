// Escaping, one function per format.

#include "upstream_502/words/escape.h"

#include <algorithm>
#include <cstdint>

namespace upstream_502 {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr char kHex[] = "0123456789abcdef";

uint8_t Byte(absl::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

bool IsContinuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// How long the sequence that `lead` begins wants to be; 0 for bytes that
// begin none.
size_t WantedLength(uint8_t lead) {
  if (lead < 0x80) {
    return 1;
  }
  if (lead < 0xC2) {
    return 0;
  }
  if (lead < 0xE0) {
    return 2;
  }
  if (lead < 0xF0) {
    return 3;
  }
  return lead < 0xF5 ? 4 : 0;
}

// One character of UTF-8 or, with `code` < 0, one byte that is none.
struct Char {
  int32_t code = -1;
  absl::string_view bytes;
};

Char FirstChar(absl::string_view text) {
  const uint8_t lead = Byte(text, 0);
  const size_t length = WantedLength(lead);
  const Char invalid = {-1, text.substr(0, 1)};
  if (length == 0 || length > text.size()) {
    return invalid;
  }
  if (length == 1) {
    return {lead, text.substr(0, 1)};
  }
  int32_t code = lead & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(Byte(text, i))) {
      return invalid;
    }
    code = (code << 6) | (Byte(text, i) & 0x3F);
  }
  constexpr int32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest[length] || code > 0x10FFFF || surrogate) {
    return invalid;
  }
  return {code, text.substr(0, length)};
}

template <typename Write>
void ForEachChar(absl::string_view text, Write write) {
  while (!text.empty()) {
    const Char c = FirstChar(text);
    write(c);
    text.remove_prefix(c.bytes.size());
  }
}

bool IsControl(int32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

// Characters that move the cursor or reorder what is around them: line and
// paragraph separators, directional marks and overrides, zero width.
bool IsInvisible(int32_t code) {
  return (code >= 0x200B && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF || code == 0x061C;
}

void Append(absl::string_view text, std::string* out) {
  out->append(text.data(), text.size());
}

// Only for codes below 0x10000.
void AppendUnicodeEscape(int32_t code, std::string* out) {
  out->append("\\u");
  for (int shift = 12; shift >= 0; shift -= 4) {
    out->push_back(kHex[(code >> shift) & 0xF]);
  }
}

void AppendJsonChar(const Char& c, std::string* out) {
  switch (c.code) {
    case -1:
      return Append(kReplacement, out);
    case '"':
      return Append("\\\"", out);
    case '\\':
      return Append("\\\\", out);
    case '\n':
      return Append("\\n", out);
    case '\r':
      return Append("\\r", out);
    case '\t':
      return Append("\\t", out);
    case '<':
    case '>':
    case '&':
    case 0x2028:  // these two end a line in older JavaScript
    case 0x2029:
      return AppendUnicodeEscape(c.code, out);
    default:
      return IsControl(c.code) ? AppendUnicodeEscape(c.code, out)
                               : Append(c.bytes, out);
  }
}

void AppendHtmlChar(const Char& c, std::string* out) {
  switch (c.code) {
    case '&':
      return Append("&amp;", out);
    case '<':
      return Append("&lt;", out);
    case '>':
      return Append("&gt;", out);
    case '"':
      return Append("&quot;", out);
    case '\'':
      return Append("&#39;", out);
    case '\n':
    case '\t':
      return Append(c.bytes, out);
    default:
      return Append(IsControl(c.code) ? kReplacement : c.bytes, out);
  }
}

void AppendLabelChar(const Char& c, std::string* out) {
  switch (c.code) {
    case '\\':
      return Append("\\\\", out);
    case '"':
      return Append("\\\"", out);
    case '\n':
      return Append("\\n", out);
    default:
      break;
  }
  // The format allows other controls, but scrapers that split lines at '\r'
  // do not. Bytes are spelled out, or two names could become one series.
  if (c.code >= 0 && !IsControl(c.code)) {
    return Append(c.bytes, out);
  }
  for (const char byte : c.bytes) {
    const auto value = static_cast<uint8_t>(byte);
    out->append("\\\\x");
    out->push_back(kHex[value >> 4]);
    out->push_back(kHex[value & 0xF]);
  }
}

bool IsShellSafe(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') ||
         absl::string_view("_@%+:,./-").find(c) != absl::string_view::npos;
}

}  // namespace

void AppendJsonString(absl::string_view text, std::string* out) {
  out->push_back('"');
  ForEachChar(text, [out](const Char& c) { AppendJsonChar(c, out); });
  out->push_back('"');
}

void AppendHtml(absl::string_view text, std::string* out) {
  ForEachChar(text, [out](const Char& c) { AppendHtmlChar(c, out); });
}

void AppendLabelValue(absl::string_view text, std::string* out) {
  ForEachChar(text, [out](const Char& c) { AppendLabelChar(c, out); });
}

void AppendPrintable(absl::string_view text, std::string* out) {
  ForEachChar(text, [out](const Char& c) {
    const bool shown = !IsControl(c.code) && !IsInvisible(c.code);
    Append(shown ? c.bytes : "?", out);
  });
}

absl::string_view CutUtf8(absl::string_view text, size_t size) {
  text = text.substr(0, size);
  const size_t back_most = std::min<size_t>(3, text.size());
  for (size_t back = 1; back <= back_most; ++back) {
    const uint8_t byte = Byte(text, text.size() - back);
    if (!IsContinuation(byte)) {
      const bool cut = WantedLength(byte) > back;
      return cut ? text.substr(0, text.size() - back) : text;
    }
  }
  return text;
}

// What AppendPrintable puts in place of a character is never longer than it.
std::string FieldText(absl::string_view text, size_t limit) {
  std::string field;
  AppendPrintable(CutUtf8(text, limit), &field);
  return field;
}

void AppendSfString(absl::string_view text, std::string* out) {
  out->push_back('"');
  ForEachChar(text, [out](const Char& c) {
    if (c.code == '"' || c.code == '\\') {
      out->push_back('\\');
    }
    Append(c.code >= 0x20 && c.code < 0x7F ? c.bytes : "?", out);
  });
  out->push_back('"');
}

std::string ShellQuote(absl::string_view text) {
  std::string printable;
  AppendPrintable(text, &printable);
  if (!printable.empty() &&
      std::all_of(printable.begin(), printable.end(), IsShellSafe)) {
    return printable;
  }
  std::string quoted = "'";
  for (const char c : printable) {
    if (c == '\'') {
      quoted.append("'\\''");
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('\'');
  return quoted;
}

}  // namespace upstream_502
