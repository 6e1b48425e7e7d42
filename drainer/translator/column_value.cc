#include "drainer/translator/column_value.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <absl/strings/match.h>

#include "base/status.h"
#include "drainer/translator/decimal_text.h"
#include "drainer/translator/json_text.h"
#include "drainer/translator/time_text.h"

namespace sluice::drainer {
namespace {

using Kind = RowDatum::Kind;

unsigned fraction_of(const ColumnDef& column) {
  return column.decimals < 0 ? 0 : static_cast<unsigned>(std::min(column.decimals, 6));
}

absl::Status unfit(const RowDatum& datum, const ColumnDef& column) {
  return absl::DataLossError(
      fmt::format("a {} datum can't be a value of type {}", to_string(datum.kind), static_cast<int>(column.type)));
}

bool is_integer(Kind kind) {
  return kind == Kind::int64 || kind == Kind::uint64;
}

int64_t signed_of(const RowDatum& d) {
  return d.kind == Kind::int64 ? d.integer : static_cast<int64_t>(d.unsigned_integer);
}
uint64_t unsigned_of(const RowDatum& d) {
  return d.kind == Kind::int64 ? static_cast<uint64_t>(d.integer) : d.unsigned_integer;
}

template <class T>
absl::StatusOr<T> parse(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return absl::DataLossError(fmt::format("default value '{}' isn't a number", text));
  return value;
}

bool same_name(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase(absl::string_view(a.data(), a.size()), absl::string_view(b.data(), b.size()));
}

// Ordinal of an enum element, 0 when there is none.
uint64_t ordinal_of(const ColumnDef& column, std::string_view name) {
  for (size_t i = 0; i < column.elements.size(); ++i)
    if (same_name(column.elements[i], name)) return i + 1;
  return 0;
}

uint64_t bits_of(const ColumnDef& column, std::string_view names) {
  uint64_t bits = 0;
  while (!names.empty()) {
    const size_t comma = std::min(names.find(','), names.size());
    if (const uint64_t ordinal = ordinal_of(column, names.substr(0, comma)); ordinal != 0)
      bits |= uint64_t{1} << (ordinal - 1);
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return bits;
}

uint64_t big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

}  // namespace

Datum ColumnValues::copy(std::string_view text) {
  if (text.empty()) return Datum::bytes({});
  char* to = static_cast<char*>(arena_.allocate(text.size(), 1));
  std::memcpy(to, text.data(), text.size());
  return Datum::bytes({to, text.size()});
}

absl::StatusOr<Datum> ColumnValues::time(uint64_t packed, const ColumnDef& column) {
  CivilTime time = unpack_time(packed);
  if (!is_plausible(time)) return absl::DataLossError(fmt::format("packed time {} is no date", packed));
  if (column.type == MysqlType::timestamp) time = shift(time, offset_);
  text_.clear();
  if (column.type == MysqlType::date || column.type == MysqlType::new_date)
    append_date(time, text_);
  else
    append_datetime(time, fraction_of(column), text_);
  return copy(text_);
}

absl::StatusOr<Datum> ColumnValues::from_row(const RowDatum& datum, const ColumnDef& column) {
  if (datum.kind == Kind::null) return Datum::null();
  switch (column.type) {
    case MysqlType::tiny_int:
    case MysqlType::small_int:
    case MysqlType::medium_int:
    case MysqlType::integer:
    case MysqlType::big_int:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      return column.is_unsigned() ? Datum::uint64(unsigned_of(datum)) : Datum::int64(signed_of(datum));
    case MysqlType::year:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      return Datum::int64(signed_of(datum));
    case MysqlType::float32:
      if (datum.kind != Kind::float64) return unfit(datum, column);
      return Datum::float32(static_cast<float>(datum.real));
    case MysqlType::float64:
      if (datum.kind != Kind::float64) return unfit(datum, column);
      return Datum::float64(datum.real);
    case MysqlType::decimal:
      if (datum.kind != Kind::decimal) return unfit(datum, column);
      text_.clear();
      SLUICE_RETURN_IF_ERROR(
          append_decimal(datum.bytes, {.precision = datum.precision, .fraction = datum.fraction}, text_));
      return copy(text_);
    case MysqlType::date:
    case MysqlType::new_date:
    case MysqlType::datetime:
    case MysqlType::timestamp:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      return time(unsigned_of(datum), column);
    case MysqlType::time:
      if (datum.kind != Kind::int64 && datum.kind != Kind::duration) return unfit(datum, column);
      text_.clear();
      append_duration(datum.integer, fraction_of(column), text_);
      return copy(text_);
    case MysqlType::enumeration:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      if (unsigned_of(datum) > column.elements.size())
        return absl::DataLossError(
            fmt::format("enum ordinal {} of {} elements", unsigned_of(datum), column.elements.size()));
      return Datum::uint64(unsigned_of(datum));
    case MysqlType::set:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      if (column.elements.size() < 64 && unsigned_of(datum) >> column.elements.size() != 0)
        return absl::DataLossError(
            fmt::format("set value {} of {} elements", unsigned_of(datum), column.elements.size()));
      return Datum::uint64(unsigned_of(datum));
    case MysqlType::bit:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      return Datum::uint64(unsigned_of(datum));
    case MysqlType::json:
      if (datum.kind != Kind::json) return unfit(datum, column);
      text_.clear();
      SLUICE_RETURN_IF_ERROR(append_json(datum.bytes, text_));
      return copy(text_);
    case MysqlType::varchar:
    case MysqlType::var_string:
    case MysqlType::string:
    case MysqlType::tiny_blob:
    case MysqlType::medium_blob:
    case MysqlType::long_blob:
    case MysqlType::blob:
    case MysqlType::geometry:
      if (datum.kind != Kind::bytes) return unfit(datum, column);
      return Datum::bytes(datum.bytes);
    case MysqlType::null:
      return Datum::null();
  }
  return absl::DataLossError(fmt::format("column type {} is unknown", static_cast<int>(column.type)));
}

absl::StatusOr<Datum> ColumnValues::missing(const ColumnDef& column, const std::optional<std::string>& origin_default) {
  if (origin_default.has_value()) return from_text(*origin_default, column);
  if ((column.flags & kColumnNotNull) == 0) return Datum::null();
  return zero(column);
}

absl::StatusOr<Datum> ColumnValues::from_text(std::string_view text, const ColumnDef& column) {
  switch (column.type) {
    case MysqlType::tiny_int:
    case MysqlType::small_int:
    case MysqlType::medium_int:
    case MysqlType::integer:
    case MysqlType::big_int:
    case MysqlType::year: {
      if (column.is_unsigned() && column.type != MysqlType::year) {
        SLUICE_ASSIGN_OR_RETURN(const uint64_t value, parse<uint64_t>(text));
        return Datum::uint64(value);
      }
      SLUICE_ASSIGN_OR_RETURN(const int64_t value, parse<int64_t>(text));
      return Datum::int64(value);
    }
    case MysqlType::float32: {
      SLUICE_ASSIGN_OR_RETURN(const double value, parse<double>(text));
      return Datum::float32(static_cast<float>(value));
    }
    case MysqlType::float64: {
      SLUICE_ASSIGN_OR_RETURN(const double value, parse<double>(text));
      return Datum::float64(value);
    }
    case MysqlType::enumeration:
      return Datum::uint64(ordinal_of(column, text));
    case MysqlType::set:
      return Datum::uint64(bits_of(column, text));
    case MysqlType::bit:
      return Datum::uint64(big_endian(text));
    case MysqlType::timestamp:
      return timestamp_from_utc(text, column);
    default:
      return copy(text);
  }
}

// Origin defaults of TIMESTAMP columns are UTC text: "2020-01-02 03:04:05.678".
absl::StatusOr<Datum> ColumnValues::timestamp_from_utc(std::string_view text, const ColumnDef& column) {
  if (text.size() < 19) return copy(text);
  CivilTime time;
  SLUICE_ASSIGN_OR_RETURN(time.year, parse<int32_t>(text.substr(0, 4)));
  const auto two = [&](size_t at) { return parse<uint32_t>(text.substr(at, 2)); };
  SLUICE_ASSIGN_OR_RETURN(time.month, two(5));
  SLUICE_ASSIGN_OR_RETURN(time.day, two(8));
  SLUICE_ASSIGN_OR_RETURN(time.hour, two(11));
  SLUICE_ASSIGN_OR_RETURN(time.minute, two(14));
  SLUICE_ASSIGN_OR_RETURN(time.second, two(17));
  if (text.size() > 20) {
    std::string digits(text.substr(20, 6));
    digits.resize(6, '0');
    SLUICE_ASSIGN_OR_RETURN(time.microsecond, parse<uint32_t>(digits));
  }
  if (!is_plausible(time)) return absl::DataLossError(fmt::format("default value '{}' is no time", text));
  text_.clear();
  append_datetime(shift(time, offset_), fraction_of(column), text_);
  return copy(text_);
}

Datum ColumnValues::zero(const ColumnDef& column) {
  switch (column.type) {
    case MysqlType::tiny_int:
    case MysqlType::small_int:
    case MysqlType::medium_int:
    case MysqlType::integer:
    case MysqlType::big_int:
      return column.is_unsigned() ? Datum::uint64(0) : Datum::int64(0);
    case MysqlType::year:
      return Datum::int64(0);
    case MysqlType::float32:
      return Datum::float32(0);
    case MysqlType::float64:
      return Datum::float64(0);
    case MysqlType::enumeration:
      return Datum::uint64(1);  // NOT NULL without a default: the first element
    case MysqlType::set:
    case MysqlType::bit:
      return Datum::uint64(0);
    case MysqlType::json:
      return Datum::bytes("null");
    case MysqlType::null:
      return Datum::null();
    case MysqlType::decimal:
      text_ = "0";
      if (column.decimals > 0) text_.append(".").append(static_cast<size_t>(column.decimals), '0');
      return copy(text_);
    case MysqlType::date:
    case MysqlType::new_date:
      return Datum::bytes("0000-00-00");
    case MysqlType::datetime:
    case MysqlType::timestamp:
      text_.clear();
      append_datetime({}, fraction_of(column), text_);
      return copy(text_);
    case MysqlType::time:
      text_.clear();
      append_duration(0, fraction_of(column), text_);
      return copy(text_);
    default:
      return Datum::bytes({});
  }
}

}  // namespace sluice::drainer
