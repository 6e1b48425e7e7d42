// The datums that rows in binlogs are made of: a flag byte, then a body that the flag gives the shape of.
// Errors:   DATA_LOSS, says what is wrong; the caller adds where.
// Format:   docs/formats/row-v1.md; source: TiDB's util/codec.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <string_view>

#include <absl/status/statusor.h>

namespace sluice::drainer::translator {

struct RowDatum {
  enum class Kind : uint8_t { null, int64, uint64, float64, bytes, decimal, duration, json };
  Kind kind = Kind::null;
  int64_t integer = 0;  // int64; duration: nanoseconds
  uint64_t unsigned_integer = 0;
  double real = 0;
  std::string_view bytes{};  // bytes; decimal: its binary digits; json: type code and value
  uint8_t precision = 0;     // of a decimal: digits in all, digits of fraction
  uint8_t fraction = 0;
};

[[nodiscard]] std::string_view to_string(RowDatum::Kind kind);

// Takes one datum off the front of `row`. Only memcomparable strings, which occur in clustered keys, are copied, into
// `arena`.
[[nodiscard]] absl::StatusOr<RowDatum> take_datum(std::string_view& row, std::pmr::memory_resource& arena);

}  // namespace sluice::drainer::translator
