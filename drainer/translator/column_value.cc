#include "drainer/translator/column_value.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <absl/strings/match.h>

#include "base/status.h"
#include "drainer/translator/decimal_text.h"
#include "drainer/translator/json_text.h"
#include "drainer/translator/time_text.h"

namespace sluice::drainer::translator {
namespace {

using Kind = RowDatum::Kind;

unsigned fraction_of(const change::ColumnDef& column) {
  return column.decimals < 0 ? 0 : static_cast<unsigned>(std::min(column.decimals, 6));
}

absl::Status unfit(const RowDatum& datum, const change::ColumnDef& column) {
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
uint64_t ordinal_of(const change::ColumnDef& column, std::string_view name) {
  for (size_t i = 0; i < column.elements.size(); ++i)
    if (same_name(column.elements[i], name)) return i + 1;
  return 0;
}

uint64_t bits_of(const change::ColumnDef& column, std::string_view names) {
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

change::Datum ColumnValues::copy(std::string_view text) {
  if (text.empty()) return change::Datum::bytes({});
  char* to = static_cast<char*>(arena_.allocate(text.size(), 1));
  std::memcpy(to, text.data(), text.size());
  return change::Datum::bytes({to, text.size()});
}

absl::StatusOr<change::Datum> ColumnValues::time(uint64_t packed, const change::ColumnDef& column) {
  CivilTime time = unpack_time(packed);
  if (!is_plausible(time)) return absl::DataLossError(fmt::format("packed time {} is no date", packed));
  if (column.type == change::MysqlType::timestamp) time = shift(time, offset_);
  text_.clear();
  if (column.type == change::MysqlType::date || column.type == change::MysqlType::new_date)
    append_date(time, text_);
  else
    append_datetime(time, fraction_of(column), text_);
  return copy(text_);
}

absl::StatusOr<change::Datum> ColumnValues::from_row(const RowDatum& datum, const change::ColumnDef& column) {
  if (datum.kind == Kind::null) return change::Datum::null();
  switch (column.type) {
    case change::MysqlType::tiny_int:
    case change::MysqlType::small_int:
    case change::MysqlType::medium_int:
    case change::MysqlType::integer:
    case change::MysqlType::big_int:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      return column.is_unsigned() ? change::Datum::uint64(unsigned_of(datum)) : change::Datum::int64(signed_of(datum));
    case change::MysqlType::year:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      return change::Datum::int64(signed_of(datum));
    case change::MysqlType::float32:
      if (datum.kind != Kind::float64) return unfit(datum, column);
      return change::Datum::float32(static_cast<float>(datum.real));
    case change::MysqlType::float64:
      if (datum.kind != Kind::float64) return unfit(datum, column);
      return change::Datum::float64(datum.real);
    case change::MysqlType::decimal:
      if (datum.kind != Kind::decimal) return unfit(datum, column);
      text_.clear();
      SLUICE_RETURN_IF_ERROR(
          append_decimal(datum.bytes, {.precision = datum.precision, .fraction = datum.fraction}, text_));
      return copy(text_);
    case change::MysqlType::date:
    case change::MysqlType::new_date:
    case change::MysqlType::datetime:
    case change::MysqlType::timestamp:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      return time(unsigned_of(datum), column);
    case change::MysqlType::time:
      if (datum.kind != Kind::int64 && datum.kind != Kind::duration) return unfit(datum, column);
      text_.clear();
      append_duration(datum.integer, fraction_of(column), text_);
      return copy(text_);
    case change::MysqlType::enumeration:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      if (unsigned_of(datum) > column.elements.size())
        return absl::DataLossError(
            fmt::format("enum ordinal {} of {} elements", unsigned_of(datum), column.elements.size()));
      return change::Datum::uint64(unsigned_of(datum));
    case change::MysqlType::set:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      if (column.elements.size() < 64 && unsigned_of(datum) >> column.elements.size() != 0)
        return absl::DataLossError(
            fmt::format("set value {} of {} elements", unsigned_of(datum), column.elements.size()));
      return change::Datum::uint64(unsigned_of(datum));
    case change::MysqlType::bit:
      if (!is_integer(datum.kind)) return unfit(datum, column);
      return change::Datum::uint64(unsigned_of(datum));
    case change::MysqlType::json:
      if (datum.kind != Kind::json) return unfit(datum, column);
      text_.clear();
      SLUICE_RETURN_IF_ERROR(append_json(datum.bytes, text_));
      return copy(text_);
    case change::MysqlType::varchar:
    case change::MysqlType::var_string:
    case change::MysqlType::string:
    case change::MysqlType::tiny_blob:
    case change::MysqlType::medium_blob:
    case change::MysqlType::long_blob:
    case change::MysqlType::blob:
    case change::MysqlType::geometry:
      if (datum.kind != Kind::bytes) return unfit(datum, column);
      return change::Datum::bytes(datum.bytes);
    case change::MysqlType::null:
      return change::Datum::null();
  }
  return absl::DataLossError(fmt::format("column type {} is unknown", static_cast<int>(column.type)));
}

absl::StatusOr<change::Datum> ColumnValues::missing(const change::ColumnDef& column,
                                                    const std::optional<std::string>& origin_default) {
  if (origin_default.has_value()) return from_text(*origin_default, column);
  if ((column.flags & change::kColumnNotNull) == 0) return change::Datum::null();
  return zero(column);
}

absl::StatusOr<change::Datum> ColumnValues::from_text(std::string_view text, const change::ColumnDef& column) {
  switch (column.type) {
    case change::MysqlType::tiny_int:
    case change::MysqlType::small_int:
    case change::MysqlType::medium_int:
    case change::MysqlType::integer:
    case change::MysqlType::big_int:
    case change::MysqlType::year: {
      if (column.is_unsigned() && column.type != change::MysqlType::year) {
        SLUICE_ASSIGN_OR_RETURN(const uint64_t value, parse<uint64_t>(text));
        return change::Datum::uint64(value);
      }
      SLUICE_ASSIGN_OR_RETURN(const int64_t value, parse<int64_t>(text));
      return change::Datum::int64(value);
    }
    case change::MysqlType::float32: {
      SLUICE_ASSIGN_OR_RETURN(const double value, parse<double>(text));
      return change::Datum::float32(static_cast<float>(value));
    }
    case change::MysqlType::float64: {
      SLUICE_ASSIGN_OR_RETURN(const double value, parse<double>(text));
      return change::Datum::float64(value);
    }
    case change::MysqlType::enumeration:
      return change::Datum::uint64(ordinal_of(column, text));
    case change::MysqlType::set:
      return change::Datum::uint64(bits_of(column, text));
    case change::MysqlType::bit:
      return change::Datum::uint64(big_endian(text));
    case change::MysqlType::timestamp:
      return timestamp_from_utc(text, column);
    default:
      return copy(text);
  }
}

// Origin defaults of TIMESTAMP columns are UTC text: "2020-01-02 03:04:05.678".
absl::StatusOr<change::Datum> ColumnValues::timestamp_from_utc(std::string_view text, const change::ColumnDef& column) {
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

change::Datum ColumnValues::zero(const change::ColumnDef& column) {
  switch (column.type) {
    case change::MysqlType::tiny_int:
    case change::MysqlType::small_int:
    case change::MysqlType::medium_int:
    case change::MysqlType::integer:
    case change::MysqlType::big_int:
      return column.is_unsigned() ? change::Datum::uint64(0) : change::Datum::int64(0);
    case change::MysqlType::year:
      return change::Datum::int64(0);
    case change::MysqlType::float32:
      return change::Datum::float32(0);
    case change::MysqlType::float64:
      return change::Datum::float64(0);
    case change::MysqlType::enumeration:
      return change::Datum::uint64(1);  // NOT NULL without a default: the first element
    case change::MysqlType::set:
    case change::MysqlType::bit:
      return change::Datum::uint64(0);
    case change::MysqlType::json:
      return change::Datum::bytes("null");
    case change::MysqlType::null:
      return change::Datum::null();
    case change::MysqlType::decimal:
      text_ = "0";
      if (column.decimals > 0) text_.append(".").append(static_cast<size_t>(column.decimals), '0');
      return copy(text_);
    case change::MysqlType::date:
    case change::MysqlType::new_date:
      return change::Datum::bytes("0000-00-00");
    case change::MysqlType::datetime:
    case change::MysqlType::timestamp:
      text_.clear();
      append_datetime({}, fraction_of(column), text_);
      return copy(text_);
    case change::MysqlType::time:
      text_.clear();
      append_duration(0, fraction_of(column), text_);
      return copy(text_);
    default:
      return change::Datum::bytes({});
  }
}

}  // namespace sluice::drainer::translator
