#include "drainer/translator/decimal_text.h"

#include <array>

#include "base/status.h"

namespace sluice::drainer::translator {
namespace {

constexpr unsigned kGroupDigits = 9;  // in four bytes
// Bytes of a group of fewer digits.
constexpr std::array<uint8_t, kGroupDigits + 1> kPartBytes = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

// Reads digit groups. The first byte's top bit is stored inverted, and negative numbers have all bits inverted: so that
// bytes compare as numbers do.
class Groups {
 public:
  explicit Groups(std::string_view bytes) : bytes_(bytes), negative_((static_cast<uint8_t>(bytes[0]) & 0x80) == 0) {}

  [[nodiscard]] bool negative() const { return negative_; }

  // Appends the group's `digits` digits.
  bool append(unsigned digits, std::string& text) {
    uint32_t value = 0;
    uint32_t limit = 1;
    for (unsigned i = 0; i < digits; ++i) limit *= 10;
    for (unsigned i = 0; i < kPartBytes[digits]; ++i, ++at_) {
      auto byte = static_cast<uint8_t>(bytes_[at_]);
      if (at_ == 0) byte ^= 0x80;
      if (negative_) byte ^= 0xff;
      value = value << 8 | byte;
    }
    if (value >= limit) return false;
    text += fmt::format("{:0{}}", value, digits);
    return true;
  }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool negative_;
};

}  // namespace

size_t decimal_bytes(uint8_t precision, uint8_t fraction) {
  const unsigned whole = precision - fraction;
  return whole / kGroupDigits * 4 + kPartBytes[whole % kGroupDigits] + fraction / kGroupDigits * 4 +
         kPartBytes[fraction % kGroupDigits];
}

absl::Status append_decimal(std::string_view bytes, DecimalShape shape, std::string& text) {
  Groups groups(bytes);
  const unsigned whole = shape.precision - shape.fraction;
  std::string digits;
  bool good = true;
  if (whole % kGroupDigits != 0) good = groups.append(whole % kGroupDigits, digits);
  for (unsigned i = 0; i < whole / kGroupDigits; ++i) good = good && groups.append(kGroupDigits, digits);
  const size_t first = digits.find_first_not_of('0');
  digits.erase(0, first == std::string::npos ? digits.size() : first);
  if (digits.empty()) digits = "0";
  if (shape.fraction != 0) digits += '.';
  for (unsigned i = 0; i < shape.fraction / kGroupDigits; ++i) good = good && groups.append(kGroupDigits, digits);
  if (shape.fraction % kGroupDigits != 0) good = good && groups.append(shape.fraction % kGroupDigits, digits);
  if (!good) return absl::DataLossError("decimal has a digit group that overflows");
  if (groups.negative()) text += '-';
  text += digits;
  return absl::OkStatus();
}

}  // namespace sluice::drainer::translator
