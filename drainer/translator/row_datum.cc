#include "drainer/translator/row_datum.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/status.h"
#include "drainer/translator/decimal_text.h"
#include "drainer/translator/json_text.h"

namespace sluice::drainer::translator {
namespace {

enum Flag : uint8_t {
  kNull = 0,
  kComparableBytes = 1,
  kCompactBytes = 2,
  kComparableInt = 3,
  kComparableUint = 4,
  kFloat = 5,
  kDecimal = 6,
  kDuration = 7,
  kVarint = 8,
  kUvarint = 9,
  kJson = 10,
};

constexpr uint64_t kSignBit = uint64_t{1} << 63;
constexpr size_t kGroupBytes = 8;  // memcomparable strings: 8 bytes and a marker that counts the padding
constexpr unsigned kVarintBytesMax = 10;

absl::Status cut_off(std::string_view what) {
  return absl::DataLossError(fmt::format("{} is cut off", what));
}

absl::StatusOr<uint64_t> take_uvarint(std::string_view& row) {
  uint64_t value = 0;
  for (unsigned i = 0; i < kVarintBytesMax && i < row.size(); ++i) {
    const auto byte = static_cast<uint8_t>(row[i]);
    value |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      row.remove_prefix(i + 1);
      return value;
    }
  }
  return cut_off("varint");
}

absl::StatusOr<int64_t> take_varint(std::string_view& row) {
  SLUICE_ASSIGN_OR_RETURN(const uint64_t zigzag, take_uvarint(row));
  return static_cast<int64_t>(zigzag >> 1) ^ -static_cast<int64_t>(zigzag & 1);
}

absl::StatusOr<uint64_t> take_big_endian(std::string_view& row) {
  if (row.size() < sizeof(uint64_t)) return cut_off("8-byte number");
  uint64_t value;
  std::memcpy(&value, row.data(), sizeof(value));
  row.remove_prefix(sizeof(value));
  return __builtin_bswap64(value);
}

absl::StatusOr<RowDatum> take_comparable_bytes(std::string_view& row, std::pmr::memory_resource& arena) {
  size_t groups = 0;
  for (;; ++groups) {
    if (row.size() < (groups + 1) * (kGroupBytes + 1)) return cut_off("memcomparable string");
    if (static_cast<uint8_t>(row[groups * (kGroupBytes + 1) + kGroupBytes]) != 0xff) break;
  }
  const size_t padding = 0xffu - static_cast<uint8_t>(row[groups * (kGroupBytes + 1) + kGroupBytes]);
  if (padding > kGroupBytes) return absl::DataLossError("memcomparable string has a wrong padding");
  const size_t size = (groups + 1) * kGroupBytes - padding;
  char* copy = static_cast<char*>(arena.allocate((groups + 1) * kGroupBytes, 1));
  for (size_t i = 0; i <= groups; ++i)
    std::memcpy(copy + i * kGroupBytes, row.data() + i * (kGroupBytes + 1), kGroupBytes);
  row.remove_prefix((groups + 1) * (kGroupBytes + 1));
  return RowDatum{.kind = RowDatum::Kind::bytes, .bytes = {copy, size}};
}

absl::StatusOr<RowDatum> take_compact_bytes(std::string_view& row) {
  SLUICE_ASSIGN_OR_RETURN(const int64_t size, take_varint(row));
  if (size < 0 || static_cast<uint64_t>(size) > row.size())
    return absl::DataLossError(fmt::format("string of {} bytes where {} are left", size, row.size()));
  const RowDatum datum{.kind = RowDatum::Kind::bytes, .bytes = row.substr(0, static_cast<size_t>(size))};
  row.remove_prefix(static_cast<size_t>(size));
  return datum;
}

absl::StatusOr<RowDatum> take_float(std::string_view& row) {
  SLUICE_ASSIGN_OR_RETURN(uint64_t bits, take_big_endian(row));
  bits = (bits & kSignBit) != 0 ? bits & ~kSignBit : ~bits;
  return RowDatum{.kind = RowDatum::Kind::float64, .real = std::bit_cast<double>(bits)};
}

absl::StatusOr<RowDatum> take_decimal(std::string_view& row) {
  if (row.size() < 2) return cut_off("decimal");
  RowDatum datum{.kind = RowDatum::Kind::decimal,
                 .precision = static_cast<uint8_t>(row[0]),
                 .fraction = static_cast<uint8_t>(row[1])};
  row.remove_prefix(2);
  if (datum.precision == 0 || datum.precision > kDecimalDigitsMax || datum.fraction > datum.precision)
    return absl::DataLossError(fmt::format("decimal({},{}) is impossible", datum.precision, datum.fraction));
  const size_t size = decimal_bytes(datum.precision, datum.fraction);
  if (size > row.size()) return cut_off("decimal");
  datum.bytes = row.substr(0, size);
  row.remove_prefix(size);
  return datum;
}

absl::StatusOr<RowDatum> take_json(std::string_view& row) {
  SLUICE_ASSIGN_OR_RETURN(const size_t size, json_bytes(row));
  const RowDatum datum{.kind = RowDatum::Kind::json, .bytes = row.substr(0, size)};
  row.remove_prefix(size);
  return datum;
}

}  // namespace

std::string_view to_string(RowDatum::Kind kind) {
  static constexpr std::array<std::string_view, 8> kNames = {"null",  "int",     "uint",     "float",
                                                             "bytes", "decimal", "duration", "json"};
  return kNames[static_cast<size_t>(kind)];
}

absl::StatusOr<RowDatum> take_datum(std::string_view& row, std::pmr::memory_resource& arena) {
  if (row.empty()) return cut_off("row");
  const auto flag = static_cast<uint8_t>(row[0]);
  row.remove_prefix(1);
  switch (flag) {
    case kNull:
      return RowDatum{};
    case kComparableBytes:
      return take_comparable_bytes(row, arena);
    case kCompactBytes:
      return take_compact_bytes(row);
    case kFloat:
      return take_float(row);
    case kDecimal:
      return take_decimal(row);
    case kJson:
      return take_json(row);
    case kComparableInt:
    case kDuration: {
      SLUICE_ASSIGN_OR_RETURN(const uint64_t bits, take_big_endian(row));
      return RowDatum{.kind = flag == kDuration ? RowDatum::Kind::duration : RowDatum::Kind::int64,
                      .integer = static_cast<int64_t>(bits ^ kSignBit)};
    }
    case kComparableUint: {
      SLUICE_ASSIGN_OR_RETURN(const uint64_t value, take_big_endian(row));
      return RowDatum{.kind = RowDatum::Kind::uint64, .unsigned_integer = value};
    }
    case kVarint: {
      SLUICE_ASSIGN_OR_RETURN(const int64_t value, take_varint(row));
      return RowDatum{.kind = RowDatum::Kind::int64, .integer = value};
    }
    case kUvarint: {
      SLUICE_ASSIGN_OR_RETURN(const uint64_t value, take_uvarint(row));
      return RowDatum{.kind = RowDatum::Kind::uint64, .unsigned_integer = value};
    }
    default:
      return absl::DataLossError(fmt::format("datum flag {} is unknown", flag));
  }
}

}  // namespace sluice::drainer::translator
