// Knows every table as of every schema version, by replaying a cluster's DDL jobs in the order of their schema
// versions.
// Contract: table() answers with the definition that was in force at the version a DML was written with, however late
//           that DML commits. Jobs that were cancelled or rolled back change nothing. Pure: no I/O.
// Threads:  one.
// Errors:   FAILED_PRECONDITION when the history lacks a needed job: it names the schema version, table id or job id,
//           and says to fetch the history again. DATA_LOSS for a table info that lacks a key.
// Limits:   keeps one small entry per job and table, the jobs' JSON compressed, and at most kCachedSchemasMax built
//           schemas.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"
#include "drainer/schema/ddl_history.h"
#include "drainer/schema/table_schema.h"

namespace sluice::drainer::schema {

class SchemaTracker {
 public:
  static constexpr size_t kCachedSchemasMax = 1024;

  SchemaTracker();

  // Takes in a history; jobs already known are kept, so an answer fetched again only adds. Pointers from job() go
  // stale.
  // Errors:   INVALID_ARGUMENT for an empty one.
  [[nodiscard]] absl::Status load(std::vector<DdlJob> jobs);

  enum class TableState { known, gone };
  struct TableAt {
    TableState state = TableState::known;       // gone: truncated or dropped at or before that version
    std::shared_ptr<const TableSchema> schema;  // null when gone
  };
  // The table with this id as of `schema_version`.
  [[nodiscard]] absl::StatusOr<TableAt> table(int64_t table_id, int64_t schema_version);

  // The job a DDL binlog names.
  [[nodiscard]] absl::StatusOr<const DdlJob*> job(int64_t job_id) const;
  // Name of a database, also of a dropped one; empty when unknown.
  [[nodiscard]] std::string schema_name(int64_t schema_id) const;
  // Names as they were before `job`, for the tables it drops, renames or replaces.
  struct Name {
    std::string schema;
    std::string table;
  };
  [[nodiscard]] std::optional<Name> name_before(const DdlJob& job, int64_t table_id) const;

  // Of the last job finished at or before `ts`; 0 without any, or where the history doesn't say when jobs finished.
  [[nodiscard]] int64_t schema_version_at(Tso ts) const;
  // Of the last job known; 0 without any.
  [[nodiscard]] int64_t last_schema_version() const;
  // True when rows written at `schema_version` may come from the middle of a DDL on this table: one finishes later, or
  // the history ends before.
  [[nodiscard]] bool may_be_changing(int64_t table_id, int64_t schema_version) const;

 private:
  static constexpr size_t kGone = SIZE_MAX;
  // From `schema_version` on the table is what job `job` left as its table `index`.
  struct Version {
    int64_t schema_version = 0;
    size_t job = kGone;  // in jobs; kGone: the table is no more
    size_t index = 0;
    int64_t schema_id = 0;
  };
  using History = std::vector<Version>;  // ascending schema versions

  // All that replaying makes; load() builds a new one and swaps.
  struct State {
    State();
    void replay(size_t job);
    void replay_truncate(size_t job);
    void replay_rename_tables(size_t job);
    void replay_exchange(size_t job);
    [[nodiscard]] int64_t schema_id(std::string_view name) const;  // 0: none
    void drop_schema(int64_t schema_id, int64_t schema_version);
    void set_table(int64_t table_id, Version version) { tables[table_id].push_back(version); }
    void drop_table(int64_t table_id, int64_t schema_version) {
      tables[table_id].push_back({.schema_version = schema_version});
    }
    // The table's newest version; null when it is unknown or gone.
    [[nodiscard]] const Version* current(int64_t table_id) const;

    std::vector<DdlJob> jobs;  // ascending schema versions
    std::unordered_map<int64_t, size_t> job_by_id;
    std::unordered_map<int64_t, std::string> schema_names;
    std::unordered_map<int64_t, History> tables;
  };

  [[nodiscard]] absl::StatusOr<std::shared_ptr<const TableSchema>> build(int64_t table_id, const Version& version);

  State state_;
  // Built schemas by (table id, schema version).
  std::map<std::pair<int64_t, int64_t>, std::shared_ptr<const TableSchema>> cache_;
};

}  // namespace sluice::drainer::schema
