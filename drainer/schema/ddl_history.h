// The DDL jobs of a cluster, as TiDB's status port answers `GET /ddl/history`: a JSON array of jobs, or that file
// compressed with zstd.
// Contract: jobs come out sorted by schema version, one per job id (the one given last wins). A job's own JSON is kept
//           compressed, because table infos are large (6 KB each) and few of them are ever needed again.
// Errors:   NOT_FOUND when the file isn't there, DATA_LOSS for text that is cut off or isn't such an array: each names
//           the byte offset and says how to fetch the history again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace sluice::drainer::schema {

// TiDB's ActionType, those that mean more than "the table info has changed".
enum class DdlType : int {
  create_schema = 1,
  drop_schema = 2,
  create_table = 3,
  drop_table = 4,
  add_column = 5,
  drop_column = 6,
  truncate_table = 11,
  rename_table = 14,
  create_view = 21,
  drop_view = 24,
  recover_table = 25,
  modify_schema_charset = 26,
  lock_table = 27,
  unlock_table = 28,
  update_tiflash_status = 31,
  create_sequence = 34,
  drop_sequence = 36,
  exchange_partition = 42,
  rename_tables = 47,
  alter_table_attributes = 49,
  alter_partition_attributes = 50,
  create_placement_policy = 51,
  alter_placement_policy = 52,
  drop_placement_policy = 53,
  alter_partition_placement = 54,
  modify_schema_placement = 55,
  alter_table_placement = 56,
  cache_table = 57,
  no_cache_table = 59,
  create_tables = 60,
  multi_schema_change = 61,
  create_resource_group = 68,
  alter_resource_group = 69,
  drop_resource_group = 70,
};

enum class DdlState : int {
  none = 0,
  running = 1,
  rolling_back = 2,
  rollback_done = 3,
  done = 4,
  cancelled = 5,
  synced = 6,
  cancelling = 7
};

// What a job says about one table, short enough to keep.
struct DdlTable {
  int64_t id = 0;
  std::string name;
  std::vector<int64_t> partition_ids;
};

struct DdlJob {
  int64_t id = 0;
  DdlType type{};
  DdlState state{};
  int64_t schema_id = 0;
  int64_t table_id = 0;
  int64_t schema_version = 0;
  uint64_t finished_ts =
      0;  // a start ts: of the transaction that finished it, whose commit comes just after; 0: not known
  std::string schema_name;  // as the job names it; empty in old versions
  std::string table_name;
  std::string query;
  std::string database;          // of a job that carries a database info: its name
  std::vector<DdlTable> tables;  // that the job left behind; several for create tables and rename tables
  std::string compressed_json;

  [[nodiscard]] bool finished() const { return state == DdlState::done || state == DdlState::synced; }
};

[[nodiscard]] absl::StatusOr<std::vector<DdlJob>> parse_ddl_history(std::string_view text);

// Reads a `/ddl/history` answer from a file, plain or zstd-compressed (told by its first bytes).
[[nodiscard]] absl::StatusOr<std::vector<DdlJob>> read_ddl_history(const std::string& path);

}  // namespace sluice::drainer::schema
