#include "base/log_field.h"

#include <fmt/format.h>

namespace sluice {

std::string log_field(std::string_view value) {
  const bool cut = value.size() > kLogFieldBytesMax;
  value = value.substr(0, kLogFieldBytesMax);
  const auto plain = [](char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=' && c != '[' && c != ']';
  };
  if (!value.empty() && !cut && std::all_of(value.begin(), value.end(), plain)) return std::string(value);
  std::string field = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\')
      (field += '\\') += c;
    else if (c == '\n')
      field += "\\n";
    else if (c >= 0x20 && c < 0x7f)
      field += c;
    else
      field += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return field += cut ? "...\"" : "\"";
}

std::string like_this(uint64_t kept_back) {
  return kept_back == 0 ? std::string() : fmt::format(" more_like_this={}", kept_back);
}

}  // namespace sluice
