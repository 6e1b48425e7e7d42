// A row's datum as the value of its column, and the values of columns that a row leaves out.
// Errors:   DATA_LOSS when the datum can't be a value of this column; the caller adds where.
#pragma once

#include <chrono>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "drainer/change/row_change.h"
#include "drainer/translator/row_datum.h"

namespace sluice::drainer::translator {

// Renders values into one transaction's arena.
class ColumnValues {
 public:
  ColumnValues(std::pmr::memory_resource& arena, std::chrono::minutes time_zone_offset)
      : arena_(arena), offset_(time_zone_offset) {}

  [[nodiscard]] absl::StatusOr<change::Datum> from_row(const RowDatum& datum, const change::ColumnDef& column);

  // What a row written before the column existed has in it: its origin default, else NULL, else the type's zero value.
  [[nodiscard]] absl::StatusOr<change::Datum> missing(const change::ColumnDef& column,
                                                      const std::optional<std::string>& origin_default);

  [[nodiscard]] std::pmr::memory_resource& arena() { return arena_; }

 private:
  [[nodiscard]] change::Datum copy(std::string_view text);
  [[nodiscard]] absl::StatusOr<change::Datum> time(uint64_t packed, const change::ColumnDef& column);
  [[nodiscard]] absl::StatusOr<change::Datum> from_text(std::string_view text, const change::ColumnDef& column);
  [[nodiscard]] absl::StatusOr<change::Datum> timestamp_from_utc(std::string_view text,
                                                                 const change::ColumnDef& column);
  [[nodiscard]] change::Datum zero(const change::ColumnDef& column);

  std::pmr::memory_resource& arena_;
  std::chrono::minutes offset_;
  std::string text_;  // reused
};

}  // namespace sluice::drainer::translator
