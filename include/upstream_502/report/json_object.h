// Writing JSON, for the renderers alone.
//
//   JsonObject object(&out);
//   object.Number("id", 7);
//   object.Close();

#ifndef UPSTREAM_502_REPORT_JSON_OBJECT_H_
#define UPSTREAM_502_REPORT_JSON_OBJECT_H_

#include <cstdint>
#include <string>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {

// Writes one object, member by member. `Close` may come in a later item.
class JsonObject {
 public:
  explicit JsonObject(std::string* out) : out_(out) { out_->push_back('{'); }

  // Names the next member; its value is up to the caller.
  std::string* Key(absl::string_view key) {
    absl::StrAppend(out_, first_ ? "\"" : ",\"", key, "\":");
    first_ = false;
    return out_;
  }
  template <typename T>
  void Number(absl::string_view key, T number) {
    absl::StrAppend(Key(key), number);
  }
  // null where `number` is `absent`.
  template <typename T>
  void NumberUnless(std::type_identity_t<T> absent, absl::string_view key,
                    T number) {
    Key(key);
    if (number == absent) {
      out_->append("null");
    } else {
      absl::StrAppend(out_, number);
    }
  }
  void Bool(absl::string_view key, bool value) {
    Key(key)->append(value ? "true" : "false");
  }
  void Text(absl::string_view key, absl::string_view text) {
    AppendJsonString(text, Key(key));
  }
  // null where `text` is empty.
  void TextOrNull(absl::string_view key, absl::string_view text) {
    if (text.empty()) {
      Key(key)->append("null");
    } else {
      Text(key, text);
    }
  }
  void Close() { out_->push_back('}'); }

 private:
  std::string* out_;
  bool first_ = true;
};

// `[…]` of whatever `write` makes of each element.
template <typename List, typename Write>
void AppendJsonArray(const List& list, std::string* out, Write write) {
  char separator = '[';
  for (const auto& element : list) {
    out->push_back(separator);
    write(element, out);
    separator = ',';
  }
  out->append(list.empty() ? "[]" : "]");
}

template <typename List>
void AppendJsonNumbers(const List& list, std::string* out) {
  AppendJsonArray(list, out, [](uint64_t number, std::string* to) {
    absl::StrAppend(to, number);
  });
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_JSON_OBJECT_H_
