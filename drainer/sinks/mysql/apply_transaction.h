// One downstream transaction: the fence first, then statements whose found rows are checked, then the commit.
#pragma once

#include <absl/status/status.h>

#include "drainer/sinks/mysql/mysql_connection.h"
#include "drainer/sinks/mysql/progress.h"
#include "drainer/sinks/mysql/row_statements.h"
#include "drainer/sinks/mysql/sink_step.h"

namespace sluice::drainer::sinks::mysql {

// Runs the packet and holds the rows found against what each statement expects.
// Errors:   FAILED_PRECONDITION when we are fenced off, or the downstream has diverged (commit ts, table, row and what
//           to do); else the connection's. The caller rolls back.
// Limits:   values of rows stand in errors only with show_values.
[[nodiscard]] absl::Status run_packet(MysqlConnection& connection, const SqlPacket& packet, bool show_values = false);

// COMMIT, then progress.confirm(). An error after this leaves open whether it landed: take over and read the position.
[[nodiscard]] absl::Status commit(MysqlConnection& connection, Progress& progress, CommitTs through,
                                  const SinkStepHook& hook);

}  // namespace sluice::drainer::sinks::mysql
