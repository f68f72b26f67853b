// A strict reader of JSON (RFC 8259), for tests. Text must be UTF-8 and no
// key may come twice.

#ifndef UPSTREAM_502_T_UNIT_JSON_H_
#define UPSTREAM_502_T_UNIT_JSON_H_

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace upstream_502 {

struct Json {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  std::string text;  // of a string; of a number or bool as it was written
  std::vector<Json> elements;     // of an array; the values of an object
  std::vector<std::string> keys;  // of an object, beside its elements

  bool IsNull() const { return kind == Kind::kNull; }
  // A member; a JSON null where there is none, so that chains do not crash.
  const Json& operator[](const std::string& key) const {
    static const Json kAbsent;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] == key) {
        return elements[i];
      }
    }
    return kAbsent;
  }
  // "a b c": the members' names in their order.
  std::string Keys() const {
    std::string names;
    for (const std::string& key : keys) {
      names += (names.empty() ? "" : " ") + key;
    }
    return names;
  }
};

class JsonReader {
 public:
  // nullopt where `text` is not one JSON value.
  static std::optional<Json> Read(const std::string& text) {
    JsonReader reader(text);
    Json value;
    if (!reader.Value(&value)) {
      return std::nullopt;
    }
    reader.Blanks();
    if (reader.at_ != text.size()) {
      return std::nullopt;
    }
    return value;
  }

 private:
  explicit JsonReader(const std::string& text) : text_(text) {}

  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(const std::string& token) {
    if (text_.compare(at_, token.size(), token) != 0) {
      return false;
    }
    at_ += token.size();
    return true;
  }
  void Blanks() {
    while (Peek() == ' ' || Peek() == '\n' || Peek() == '\r' ||
           Peek() == '\t') {
      ++at_;
    }
  }

  bool Value(Json* value) {
    Blanks();
    switch (Peek()) {
      case '{':
        return Object(value);
      case '[':
        return Array(value);
      case '"':
        value->kind = Json::Kind::kString;
        return String(&value->text);
      case 'n':
        return Take("null");
      case 't':
      case 'f':
        value->kind = Json::Kind::kBool;
        value->text = Peek() == 't' ? "true" : "false";
        return Take(value->text);
      default:
        return Number(value);
    }
  }

  bool Object(Json* value) {
    value->kind = Json::Kind::kObject;
    ++at_;
    Blanks();
    if (Take("}")) {
      return true;
    }
    do {
      std::string key;
      Blanks();
      if (Peek() != '"' || !String(&key)) {
        return false;
      }
      const bool twice = std::find(value->keys.begin(), value->keys.end(),
                                   key) != value->keys.end();
      value->keys.push_back(std::move(key));
      Blanks();
      if (twice || !Take(":") || !Value(&value->elements.emplace_back())) {
        return false;
      }
      Blanks();
    } while (Take(","));
    return Take("}");
  }

  bool Array(Json* value) {
    value->kind = Json::Kind::kArray;
    ++at_;
    Blanks();
    if (Take("]")) {
      return true;
    }
    do {
      if (!Value(&value->elements.emplace_back())) {
        return false;
      }
      Blanks();
    } while (Take(","));
    return Take("]");
  }

  bool Digits() {
    const size_t start = at_;
    while (std::isdigit(static_cast<unsigned char>(Peek())) != 0) {
      ++at_;
    }
    return at_ > start;
  }

  bool Number(Json* value) {
    value->kind = Json::Kind::kNumber;
    const size_t start = at_;
    Take("-");
    if (!Take("0") && !Digits()) {
      return false;
    }
    if (Take(".") && !Digits()) {
      return false;
    }
    if (Take("e") || Take("E")) {
      if (!Take("-")) {
        Take("+");
      }
      if (!Digits()) {
        return false;
      }
    }
    value->text = text_.substr(start, at_ - start);
    return true;
  }

  bool String(std::string* text) {
    ++at_;
    while (at_ < text_.size() && Peek() != '"') {
      const auto byte = static_cast<uint8_t>(Peek());
      if (byte < 0x20) {
        return false;
      }
      if (byte == '\\' ? !Escape(text) : !Character(text)) {
        return false;
      }
    }
    return Take("\"");
  }

  bool Escape(std::string* text) {
    static const std::string kFrom = "\"\\/bfnrt";
    static const std::string kTo = "\"\\/\b\f\n\r\t";
    ++at_;
    const size_t index = at_ < text_.size() ? kFrom.find(Peek()) : kFrom.npos;
    if (index != std::string::npos) {
      text->push_back(kTo[index]);
      ++at_;
      return true;
    }
    if (!Take("u") || at_ + 4 > text_.size()) {
      return false;
    }
    int code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (std::isxdigit(static_cast<unsigned char>(Peek())) == 0) {
        return false;
      }
      code = code * 16 + std::stoi(std::string(1, Peek()), nullptr, 16);
    }
    // Nothing we write needs an escaped surrogate.
    return code >= 0xD800 && code <= 0xDFFF ? false : Encode(code, text);
  }

  static bool Encode(int code, std::string* text) {
    if (code < 0x80) {
      text->push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      text->push_back(static_cast<char>(0xC0 | (code >> 6)));
      text->push_back(static_cast<char>(0x80 | (code & 0x3F)));
    } else {
      text->push_back(static_cast<char>(0xE0 | (code >> 12)));
      text->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
      text->push_back(static_cast<char>(0x80 | (code & 0x3F)));
    }
    return true;
  }

  // One character of UTF-8, checked by decoding and encoding it again.
  bool Character(std::string* text) {
    const auto lead = static_cast<uint8_t>(Peek());
    const size_t length = lead < 0x80   ? 1
                          : lead < 0xE0 ? 2
                          : lead < 0xF0 ? 3
                                        : 4;
    const std::string bytes = text_.substr(at_, length);
    if (bytes.size() < length || (lead >= 0x80 && lead < 0xC2) || lead > 0xF4) {
      return false;
    }
    int code = length == 1 ? lead : lead & (0x7F >> length);
    for (size_t i = 1; i < length; ++i) {
      const auto byte = static_cast<uint8_t>(bytes[i]);
      if ((byte & 0xC0) != 0x80) {
        return false;
      }
      code = code * 64 + (byte & 0x3F);
    }
    constexpr int kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    at_ += length;
    *text += bytes;
    return code >= kSmallest[length] && code <= 0x10FFFF &&
           (code < 0xD800 || code > 0xDFFF);
  }

  const std::string& text_;
  size_t at_ = 0;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_JSON_H_
