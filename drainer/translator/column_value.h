// A row's datum as the value of its column, and the values of columns that a row leaves out.
// Errors:   DATA_LOSS when the datum can't be a value of this column; the caller adds where.
#pragma once

#include <chrono>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "base/row_change.h"
#include "drainer/translator/row_datum.h"

namespace sluice::drainer {

// Renders values into one transaction's arena.
class ColumnValues {
 public:
  ColumnValues(std::pmr::memory_resource& arena, std::chrono::minutes time_zone_offset)
      : arena_(arena), offset_(time_zone_offset) {}

  [[nodiscard]] absl::StatusOr<Datum> from_row(const RowDatum& datum, const ColumnDef& column);

  // What a row written before the column existed has in it: its origin default, else NULL, else the type's zero value.
  [[nodiscard]] absl::StatusOr<Datum> missing(const ColumnDef& column,
                                              const std::optional<std::string>& origin_default);

  [[nodiscard]] std::pmr::memory_resource& arena() { return arena_; }

 private:
  [[nodiscard]] Datum copy(std::string_view text);
  [[nodiscard]] absl::StatusOr<Datum> time(uint64_t packed, const ColumnDef& column);
  [[nodiscard]] absl::StatusOr<Datum> from_text(std::string_view text, const ColumnDef& column);
  [[nodiscard]] absl::StatusOr<Datum> timestamp_from_utc(std::string_view text, const ColumnDef& column);
  [[nodiscard]] Datum zero(const ColumnDef& column);

  std::pmr::memory_resource& arena_;
  std::chrono::minutes offset_;
  std::string text_;  // reused
};

}  // namespace sluice::drainer
