// A table as of one schema version, with what decoding its rows needs beyond the definition that sinks see.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "drainer/change/row_change.h"
#include "drainer/schema/ddl_history.h"

namespace sluice::drainer::schema {

struct TableSchema {
  change::TableDef def;
  int64_t schema_version = 0;  // of the job that left it
  bool handle_is_key = false;  // a clustered integer key: its column's value is the row's handle
  // Ordinals of the columns of a clustered key of other types, in key order, and whether each is stored whole there.
  std::vector<std::pair<uint32_t, bool>> common_handle;
  // The value of rows written before the column was added; positional with def.columns.
  std::vector<std::optional<std::string>> origin_defaults;
  // What a DDL may change of a column but its place and its part in keys; positional with def.columns.
  std::vector<uint64_t> column_hashes;
  uint64_t constraints_hash = 0;        // of foreign keys and checks
  std::vector<std::string> partitions;  // names, in order
  std::vector<int64_t> partition_ids;
  std::vector<bool> defaults_to_now;                   // CURRENT_TIMESTAMP, CURRENT_DATE; positional with def.columns
  std::vector<std::pair<int64_t, uint32_t>> ordinals;  // column id -> ordinal, ascending ids

  // Ordinal of the column with this id, or -1.
  [[nodiscard]] int find_column(int64_t id) const;
};

// The table info `index` of a job's JSON (see DdlJob::tables), under `table_id`: EXCHANGE PARTITION gives a table a new
// id without a new table info.
// Errors:   DATA_LOSS names the job and the key.
[[nodiscard]] absl::StatusOr<std::shared_ptr<const TableSchema>> make_table_schema(const DdlJob& job, size_t index,
                                                                                   int64_t table_id,
                                                                                   std::string_view schema_name);

}  // namespace sluice::drainer::schema
