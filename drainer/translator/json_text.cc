#include "drainer/translator/json_text.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include <absl/strings/escaping.h>

#include "base/status.h"
#include "drainer/translator/time_text.h"

namespace sluice::drainer::translator {
namespace {

enum TypeCode : uint8_t {
  kObject = 0x01,
  kArray = 0x03,
  kLiteral = 0x04,
  kInt64 = 0x09,
  kUint64 = 0x0a,
  kFloat64 = 0x0b,
  kString = 0x0c,
  kOpaque = 0x0d,
  kDate = 0x0e,
  kDatetime = 0x0f,
  kTimestamp = 0x10,
  kDuration = 0x11,
};

constexpr size_t kContainerHeaderBytes = 8;  // count, size
constexpr size_t kKeyEntryBytes = 6;         // offset, length
constexpr size_t kValueEntryBytes = 5;       // type code, offset or literal
constexpr unsigned kTimeFraction = 6;

absl::Status broken(std::string_view what) {
  return absl::DataLossError(fmt::format("JSON value: {}", what));
}

template <class T>
T load(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

struct Sized {
  size_t prefix = 0;  // bytes of the length itself
  size_t size = 0;
};
// A length as a varint, then that many bytes.
absl::StatusOr<Sized> read_length(std::string_view bytes) {
  uint64_t size = 0;
  for (unsigned i = 0; i < 5 && i < bytes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    size |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte >= 0x80) continue;
    if (size > bytes.size() - i - 1) break;
    return Sized{.prefix = i + 1, .size = size};
  }
  return broken("string is cut off");
}

absl::StatusOr<size_t> fixed(std::string_view bytes, size_t size) {
  if (bytes.size() < size) return broken("number is cut off");
  return size;
}

absl::StatusOr<size_t> container_bytes(std::string_view bytes) {
  if (bytes.size() < kContainerHeaderBytes) return broken("object or array is cut off");
  const size_t size = load<uint32_t>(bytes, 4);
  if (size < kContainerHeaderBytes || size > bytes.size()) return broken("object or array is cut off");
  return size;
}

// Bytes of a value's body.
absl::StatusOr<size_t> body_bytes(uint8_t type, std::string_view body) {
  switch (type) {
    case kObject:
    case kArray:
      return container_bytes(body);
    case kLiteral:
      return fixed(body, 1);
    case kInt64:
    case kUint64:
    case kFloat64:
    case kDate:
    case kDatetime:
    case kTimestamp:
      return fixed(body, 8);
    case kDuration:
      return fixed(body, 12);
    case kString: {
      SLUICE_ASSIGN_OR_RETURN(const Sized sized, read_length(body));
      return sized.prefix + sized.size;
    }
    case kOpaque: {
      if (body.empty()) return broken("opaque value is cut off");
      SLUICE_ASSIGN_OR_RETURN(const Sized sized, read_length(body.substr(1)));
      return 1 + sized.prefix + sized.size;
    }
    default:
      return broken(fmt::format("type code {} is unknown", type));
  }
}

// Go's shortest form: plain from 1e-6 up to 1e21, else with an exponent of no leading zero.
void append_float(double value, std::string& text) {
  char digits[400];
  const double magnitude = std::fabs(value);
  const bool exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  const auto end = std::to_chars(digits, digits + sizeof(digits), value,
                                 exponent ? std::chars_format::scientific : std::chars_format::fixed)
                       .ptr;
  std::string_view all(digits, static_cast<size_t>(end - digits));
  // "1e-09" is written "1e-9"; a positive exponent keeps its two digits.
  if (exponent && all.size() >= 4 && all[all.size() - 4] == 'e' && all[all.size() - 3] == '-' &&
      all[all.size() - 2] == '0') {
    text.append(all.substr(0, all.size() - 2));
    text += all.back();
    return;
  }
  text.append(all);
}

// Length of the UTF-8 sequence at the front, 0 when it isn't one.
size_t utf8_length(std::string_view s) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(s[i]); };
  const uint8_t lead = at(0);
  const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || s.size() < size) return 0;
  for (size_t i = 1; i < size; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f) || (lead == 0xf0 && at(1) < 0x90) ||
      (lead == 0xf4 && at(1) > 0x8f))
    return 0;
  return size;
}

void append_ascii(char c, std::string& text) {
  switch (c) {
    case '"':
    case '\\':
      text += '\\';
      text += c;
      return;
    case '\n':
      text += "\\n";
      return;
    case '\r':
      text += "\\r";
      return;
    case '\t':
      text += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<uint8_t>(c) < 0x20)
    text += fmt::format("\\u{:04x}", static_cast<uint8_t>(c));
  else
    text += c;
}

void append_string(std::string_view s, std::string& text) {
  text += '"';
  while (!s.empty()) {
    if (static_cast<uint8_t>(s[0]) < 0x80) {
      append_ascii(s[0], text);
      s.remove_prefix(1);
      continue;
    }
    const size_t size = utf8_length(s);
    if (size == 0) {
      text += "\\ufffd";
      s.remove_prefix(1);
      continue;
    }
    // Line and paragraph separators, which JavaScript takes for line ends.
    if (s.starts_with("\xe2\x80\xa8"))
      text += "\\u2028";
    else if (s.starts_with("\xe2\x80\xa9"))
      text += "\\u2029";
    else
      text.append(s.substr(0, size));
    s.remove_prefix(size);
  }
  text += '"';
}

// Bit fields of the in-memory time that JSON keeps, unlike columns: year 14, month 4, day 5, hour 5, minute 6, second
// 6, microsecond 20, type 4.
CivilTime unpack_json_time(uint64_t bits) {
  return {.year = static_cast<int32_t>(bits >> 50),
          .month = static_cast<uint32_t>(bits >> 46 & 15),
          .day = static_cast<uint32_t>(bits >> 41 & 31),
          .hour = static_cast<uint32_t>(bits >> 36 & 31),
          .minute = static_cast<uint32_t>(bits >> 30 & 63),
          .second = static_cast<uint32_t>(bits >> 24 & 63),
          .microsecond = static_cast<uint32_t>(bits >> 4 & 0xfffff)};
}

class Renderer {
 public:
  Renderer(size_t text_bytes_max, std::string& text) : text_bytes_max_(text_bytes_max), text_(text) {}

  absl::Status value(uint8_t type, std::string_view body, unsigned depth) {
    if (depth > kJsonDepthMax) return broken(fmt::format("nested deeper than {}", kJsonDepthMax));
    if (text_.size() > text_bytes_max_) return broken("its values overlap");
    SLUICE_ASSIGN_OR_RETURN(const size_t size, body_bytes(type, body));
    body = body.substr(0, size);
    if (type == kObject || type == kArray) return container(type == kObject, body, depth);
    return scalar(type, body);
  }

 private:
  absl::Status scalar(uint8_t type, std::string_view body) {
    switch (type) {
      case kLiteral:
        return literal(static_cast<uint8_t>(body[0]));
      case kInt64:
        text_ += fmt::format("{}", load<int64_t>(body, 0));
        break;
      case kUint64:
        text_ += fmt::format("{}", load<uint64_t>(body, 0));
        break;
      case kFloat64:
        append_float(load<double>(body, 0), text_);
        break;
      case kString: {
        SLUICE_ASSIGN_OR_RETURN(const Sized sized, read_length(body));
        append_string(body.substr(sized.prefix), text_);
        break;
      }
      case kOpaque:
        return opaque(body);
      default:
        time(type, body);
    }
    return absl::OkStatus();
  }

  absl::Status literal(uint8_t code) {
    if (code > 2) return broken(fmt::format("literal {} is unknown", code));
    text_ += code == 0 ? "null" : code == 1 ? "true" : "false";
    return absl::OkStatus();
  }

  absl::Status opaque(std::string_view body) {
    SLUICE_ASSIGN_OR_RETURN(const Sized sized, read_length(body.substr(1)));
    const std::string_view bytes = body.substr(1 + sized.prefix);
    std::string encoded;
    absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()), &encoded);
    text_ += fmt::format("\"base64:type{}:{}\"", static_cast<uint8_t>(body[0]), encoded);
    return absl::OkStatus();
  }

  void time(uint8_t type, std::string_view body) {
    text_ += '"';
    if (type == kDuration)
      append_duration(load<int64_t>(body, 0), std::min(load<uint32_t>(body, 8), kTimeFraction), text_);
    else if (type == kDate)
      append_date(unpack_json_time(load<uint64_t>(body, 0)), text_);
    else
      append_datetime(unpack_json_time(load<uint64_t>(body, 0)), kTimeFraction, text_);
    text_ += '"';
  }

  absl::Status container(bool object, std::string_view body, unsigned depth) {
    const size_t count = load<uint32_t>(body, 0);
    const size_t key_bytes = object ? kKeyEntryBytes : 0;
    if (count > (body.size() - kContainerHeaderBytes) / (key_bytes + kValueEntryBytes))
      return broken("more entries than bytes");
    const size_t values = kContainerHeaderBytes + count * key_bytes;
    text_ += object ? '{' : '[';
    for (size_t i = 0; i < count; ++i) {
      if (i != 0) text_ += ", ";
      if (object) SLUICE_RETURN_IF_ERROR(key(body, kContainerHeaderBytes + i * kKeyEntryBytes));
      SLUICE_RETURN_IF_ERROR(entry(body, values + i * kValueEntryBytes, depth));
    }
    text_ += object ? '}' : ']';
    return absl::OkStatus();
  }

  absl::Status key(std::string_view body, size_t at) {
    const size_t offset = load<uint32_t>(body, at);
    const size_t size = load<uint16_t>(body, at + 4);
    if (text_.size() > text_bytes_max_) return broken("its keys overlap");
    if (offset > body.size() || size > body.size() - offset) return broken("key is out of range");
    append_string(body.substr(offset, size), text_);
    text_ += ": ";
    return absl::OkStatus();
  }

  absl::Status entry(std::string_view body, size_t at, unsigned depth) {
    const auto type = static_cast<uint8_t>(body[at]);
    if (type == kLiteral) return literal(static_cast<uint8_t>(body[at + 1]));
    const size_t offset = load<uint32_t>(body, at + 1);
    if (offset > body.size()) return broken("value is out of range");
    return value(type, body.substr(offset), depth + 1);
  }

  size_t text_bytes_max_;
  std::string& text_;
};

}  // namespace

absl::StatusOr<size_t> json_bytes(std::string_view bytes) {
  if (bytes.empty()) return broken("cut off");
  SLUICE_ASSIGN_OR_RETURN(const size_t size, body_bytes(static_cast<uint8_t>(bytes[0]), bytes.substr(1)));
  return 1 + size;
}

absl::Status append_json(std::string_view value, std::string& text) {
  if (value.empty()) return broken("cut off");
  return Renderer(text.size() + value.size() * kJsonExpansionMax + 64, text)
      .value(static_cast<uint8_t>(value[0]), value.substr(1), 0);
}

}  // namespace sluice::drainer::translator
