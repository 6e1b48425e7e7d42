// Knows every table as of every schema version, by replaying a cluster's DDL jobs in the order of their schema versions.
// Contract: table() answers with the definition that was in force at the version a DML was written with, however late that
//           DML commits. Jobs that were cancelled or rolled back change nothing. Pure: no I/O.
// Threads:  one.
// Errors:   FAILED_PRECONDITION when the history lacks a needed job: it names the schema version, table id or job id, and
//           says to fetch the history again. DATA_LOSS for a job that contradicts those before it.
// Limits:   keeps one small entry per job and table, the jobs' JSON compressed, and at most kCachedSchemasMax built schemas.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "drainer/schema/ddl_history.h"
#include "drainer/schema/table_schema.h"

namespace sluice::drainer {

class SchemaTracker {
 public:
  static constexpr size_t kCachedSchemasMax = 1024;

  SchemaTracker();

  // Takes in a history; jobs already known are kept, so an answer fetched again only adds. On error nothing has changed.
  [[nodiscard]] absl::Status load(std::vector<DdlJob> jobs);

  enum class TableState { known, gone };
  struct TableAt {
    TableState state = TableState::known;      // gone: truncated or dropped at or before that version
    std::shared_ptr<const TableSchema> schema;  // null when gone
  };
  // The table with this id as of `schema_version`.
  [[nodiscard]] absl::StatusOr<TableAt> table(int64_t table_id, int64_t schema_version);

  // The job a DDL binlog names.
  [[nodiscard]] absl::StatusOr<const DdlJob*> job(int64_t job_id) const;
  // Name of a database, also of a dropped one; empty when unknown.
  [[nodiscard]] std::string schema_name(int64_t schema_id) const;
  // The definition `job.tables[index]` as the job left it.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const TableSchema>> left_by(const DdlJob& job, size_t index);
  // Names as they were before `job`, for the tables it drops, renames or replaces.
  struct Name {
    std::string schema;
    std::string table;
  };
  [[nodiscard]] std::optional<Name> name_before(const DdlJob& job, int64_t table_id) const;

  // Of the last job known; 0 without any.
  [[nodiscard]] int64_t last_schema_version() const;

 private:
  static constexpr size_t kGone = SIZE_MAX;
  // From `schema_version` on the table is what job `job` left as its table `index`.
  struct Version {
    int64_t schema_version = 0;
    size_t job = kGone;  // in jobs_; kGone: the table is no more
    size_t index = 0;
    int64_t schema_id = 0;
  };
  using History = std::vector<Version>;  // ascending schema versions

  [[nodiscard]] absl::Status replay(size_t job);
  [[nodiscard]] absl::Status replay_tables(size_t job);
  [[nodiscard]] absl::Status replay_exchange(size_t job);
  void set_table(int64_t table_id, Version version);
  void drop_table(int64_t table_id, int64_t schema_version);
  [[nodiscard]] const Version* current(int64_t table_id) const;
  [[nodiscard]] const Version* before(int64_t table_id, int64_t schema_version) const;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const TableSchema>> build(const Version& version);

  std::vector<DdlJob> jobs_;  // ascending schema versions
  std::unordered_map<int64_t, size_t> job_by_id_;
  std::unordered_map<int64_t, std::string> schema_names_;
  std::unordered_map<int64_t, History> tables_;
  std::map<std::pair<size_t, size_t>, std::shared_ptr<const TableSchema>> cache_;  // by (job, index)
};

}  // namespace sluice::drainer
