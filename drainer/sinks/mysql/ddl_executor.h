// Runs a DDL downstream so that a crash at any point can be decided afterwards: an intent with the fingerprint of the
// objects it touches is durable before it runs, its outcome moves the progress row after.
// Contract: ok means: done (or skipped), recorded, and progress.position() is the DDL's commit ts.
// Errors:   FAILED_PRECONDITION for what a human must decide; the text names commit ts, SQL, the server's words and
//           what to do.
// Format:   docs/formats/mysql-progress.md
#pragma once

#include <set>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "drainer/change/row_change.h"
#include "drainer/sinks/mysql/mysql_connection.h"
#include "drainer/sinks/mysql/progress.h"
#include "drainer/sinks/mysql/sink_step.h"

namespace sluice::drainer::sinks::mysql {

struct DdlCounters {
  uint64_t run = 0;
  uint64_t skipped_row_neutral = 0;
  uint64_t skipped_on_demand = 0;
};

class DdlExecutor {
 public:
  DdlExecutor(std::set<CommitTs> skip, SinkStepHook hook) : skip_(std::move(skip)), hook_(std::move(hook)) {}

  [[nodiscard]] absl::Status run(MysqlConnection& connection, Progress& progress, const change::DdlChange& ddl,
                                 CommitTs commit_ts);
  [[nodiscard]] const DdlCounters& counters() const { return counters_; }

 private:
  enum class Earlier { not_begun, done };

  [[nodiscard]] absl::StatusOr<Earlier> look_for_earlier_run(MysqlConnection& connection, const Progress& progress,
                                                             const change::DdlChange& ddl, CommitTs commit_ts) const;
  [[nodiscard]] absl::Status write_intent(MysqlConnection& connection, Progress& progress, const change::DdlChange& ddl,
                                          CommitTs commit_ts);
  [[nodiscard]] absl::Status execute(MysqlConnection& connection, const Progress& progress,
                                     const change::DdlChange& ddl, CommitTs commit_ts) const;
  [[nodiscard]] absl::Status record(MysqlConnection& connection, Progress& progress, const change::DdlChange& ddl,
                                    CommitTs commit_ts, std::string_view state);
  [[nodiscard]] absl::StatusOr<bool> is_repeat_of_last_drop(MysqlConnection& connection, const Progress& progress,
                                                            const change::DdlChange& ddl, CommitTs commit_ts) const;

  std::set<CommitTs> skip_;
  SinkStepHook hook_;
  DdlCounters counters_;
};

}  // namespace sluice::drainer::sinks::mysql
