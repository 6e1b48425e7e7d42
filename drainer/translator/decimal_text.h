// MySQL's binary decimals as text, every digit of the fraction kept.
// Format:   docs/formats/row-v1.md
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>

namespace sluice::drainer::translator {

inline constexpr uint8_t kDecimalDigitsMax = 81;  // nine words of nine digits, as the database computes with

struct DecimalShape {
  uint8_t precision = 0;  // digits in all
  uint8_t fraction = 0;   // of them after the point
};

// Size of a decimal of this shape.
[[nodiscard]] size_t decimal_bytes(uint8_t precision, uint8_t fraction);

// Appends to `text`. `bytes` has decimal_bytes() bytes.
// Errors:   DATA_LOSS for a digit group that overflows.
[[nodiscard]] absl::Status append_decimal(std::string_view bytes, DecimalShape shape, std::string& text);

}  // namespace sluice::drainer::translator
