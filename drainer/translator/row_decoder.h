// Decodes the rows of one table's mutation: inserts, updates and deletes in TiDB's row format v1.
// Contract: row images are positional with the table's columns; memory lies in the payload and in the transaction's
//           arena.
// Errors:   DATA_LOSS naming the table, the column and the byte offset; FAILED_PRECONDITION for a column that the
//           schema history ends too early to know.
// Format:   docs/formats/row-v1.md
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "drainer/change/row_change.h"
#include "drainer/schema/table_schema.h"
#include "drainer/translator/column_value.h"

namespace sluice::drainer::translator {

struct RowContext {
  int64_t schema_version = 0;        // the transaction's
  int64_t schema_version_known = 0;  // of the history's last job
  bool may_be_changing = false;      // SchemaTracker::may_be_changing
};

class RowDecoder {
 public:
  // Everything given must outlive the decoder.
  RowDecoder(const schema::TableSchema& table, RowContext context, std::string_view payload, ColumnValues& values);

  // `row` lies in the payload.
  [[nodiscard]] absl::StatusOr<change::RowChange> insert(std::string_view row);
  [[nodiscard]] absl::StatusOr<change::RowChange> update(std::string_view row);
  [[nodiscard]] absl::StatusOr<change::RowChange> remove(std::string_view row);

 private:
  using Image = std::span<change::Datum>;

  [[nodiscard]] Image new_image();
  [[nodiscard]] absl::Status take_handle(std::string_view& row, Image image);
  // Takes one (column id, value) pair; `column` is -1 for a column that the table doesn't have.
  [[nodiscard]] absl::Status take_pair(std::string_view& row, int& column, change::Datum& value);
  [[nodiscard]] absl::Status unknown_column(int64_t id, std::string_view at) const;
  [[nodiscard]] absl::Status fill_missing(Image image, std::string_view row);
  [[nodiscard]] absl::Status complete_update(Image before, Image after, std::string_view row);
  // Adds where to a status of what.
  [[nodiscard]] absl::Status at(const absl::Status& status, std::string_view where, int column) const;

  const schema::TableSchema& table_;
  RowContext context_;
  std::string_view payload_;
  ColumnValues& values_;
};

}  // namespace sluice::drainer::translator
