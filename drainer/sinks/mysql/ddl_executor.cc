#include "drainer/sinks/mysql/ddl_executor.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/status.h"
#include "drainer/sinks/mysql/apply_transaction.h"
#include "drainer/sinks/mysql/ddl_classifier.h"
#include "drainer/sinks/mysql/ddl_proof.h"
#include "drainer/sinks/mysql/ddl_remedy.h"
#include "drainer/sinks/mysql/object_fingerprint.h"
#include "drainer/sinks/mysql/sql_text.h"

namespace sluice::drainer::sinks::mysql {

namespace {

constexpr int kDropSchema = 2;

absl::Status needs_a_human(const change::DdlChange& ddl, CommitTs commit_ts, std::string_view why, unsigned error = 0) {
  return absl::FailedPreconditionError(
      fmt::format("DDL cannot be applied downstream: {}; commit_ts={} schema={} query={}. {}", why, commit_ts,
                  ddl.schema, ddl.query, ddl_remedy(error, commit_ts)));
}

std::string intent_sql(const Progress& progress, const change::DdlChange& ddl, CommitTs commit_ts,
                       std::string_view state, std::string_view fingerprint) {
  return fmt::format("REPLACE INTO `tidb_binlog`.`sluice_ddl` VALUES ({}, {}, {}, {}, {}, {})",
                     progress.options().cluster_id, commit_ts, quoted_text(state), quoted_text(ddl.schema),
                     quoted_text(ddl.query), quoted_text(fingerprint));
}

// Runs `query` with the session's clock standing at `clock`, and lets it go on afterwards whatever came of it.
absl::Status run_at(MysqlConnection& connection, const std::string& clock, const std::string& query,
                    unsigned& warnings) {
  if (clock.empty()) {
    const absl::Status status = connection.execute(query).status();
    warnings = status.ok() ? connection.warning_count() : 0;
    return status;
  }
  SLUICE_RETURN_IF_ERROR(connection.execute("SET SESSION timestamp=" + clock).status());
  const absl::StatusOr<std::vector<uint64_t>> ran = connection.execute(query);
  warnings = ran.ok() ? connection.warning_count() : 0;
  const absl::Status reset = connection.execute("SET SESSION timestamp=DEFAULT").status();
  return ran.ok() ? reset : ran.status();
}

}  // namespace

absl::Status DdlExecutor::run(MysqlConnection& connection, Progress& progress, const change::DdlChange& ddl,
                              CommitTs commit_ts) {
  if (is_own_schema(ddl.schema)) return record(connection, progress, ddl, commit_ts, "own schema");
  if (skip_.contains(commit_ts)) {
    spdlog::warn("DDL skipped as asked for with --ddl-skip commit_ts={} query={}", commit_ts, ddl.query);
    ++counters_.skipped_on_demand;
    return record(connection, progress, ddl, commit_ts, "skipped");
  }
  const DdlVerdict verdict = classify_ddl(ddl, connection.kind());
  if (verdict.action == DdlAction::impossible) return needs_a_human(ddl, commit_ts, verdict.reason);
  if (verdict.action == DdlAction::skip_row_neutral) {
    spdlog::info("DDL skipped: it changes no row and {} has no such thing reason={} commit_ts={} query={}",
                 to_string(connection.kind()), verdict.reason, commit_ts, ddl.query);
    ++counters_.skipped_row_neutral;
    return record(connection, progress, ddl, commit_ts, "row neutral");
  }
  SLUICE_ASSIGN_OR_RETURN(const Earlier earlier, look_for_earlier_run(connection, progress, ddl, commit_ts));
  if (earlier == Earlier::not_begun) {
    SLUICE_RETURN_IF_ERROR(write_intent(connection, progress, ddl, commit_ts));
    SLUICE_RETURN_IF_ERROR(pass_step(hook_, SinkStep::ddl_intent_written));
    SLUICE_RETURN_IF_ERROR(execute(connection, progress, ddl, commit_ts));
    SLUICE_RETURN_IF_ERROR(pass_step(hook_, SinkStep::ddl_ran));
  }
  ++counters_.run;
  return record(connection, progress, ddl, commit_ts, "done");
}

// After a crash or a lost connection: did it take effect? The session that ran it is over (Progress::take_over waited).
absl::StatusOr<DdlExecutor::Earlier> DdlExecutor::look_for_earlier_run(MysqlConnection& connection,
                                                                       const Progress& progress,
                                                                       const change::DdlChange& ddl,
                                                                       CommitTs commit_ts) const {
  SLUICE_ASSIGN_OR_RETURN(
      const auto rows,
      connection.query(fmt::format(
          "SELECT fingerprint FROM `tidb_binlog`.`sluice_ddl` WHERE cluster_id={} AND commit_ts={} AND state='running'",
          progress.options().cluster_id, commit_ts)));
  if (rows.empty()) return Earlier::not_begun;
  SLUICE_ASSIGN_OR_RETURN(const ObjectStates now, read_objects(connection, ddl));
  switch (prove_ddl(ddl, Fingerprint::parse(rows[0][0].value_or("")), now)) {
    case DdlProof::done:
      spdlog::info("DDL had run before the interruption commit_ts={} query={}", commit_ts, ddl.query);
      return Earlier::done;
    case DdlProof::not_run:
      return Earlier::not_begun;  // a new intent: meanwhile others may have changed what this DDL doesn't
    case DdlProof::unclear:
      break;
  }
  return needs_a_human(ddl, commit_ts,
                       "it was interrupted, and what it changes looks neither as before nor as it should after it");
}

absl::Status DdlExecutor::write_intent(MysqlConnection& connection, Progress& progress, const change::DdlChange& ddl,
                                       CommitTs commit_ts) {
  SLUICE_ASSIGN_OR_RETURN(const ObjectStates objects, read_objects(connection, ddl));
  const CommitTs before = progress.position();  // the sequence moves, the position not yet
  SqlPacket packet = progress.advance_sql(before, 0);
  packet.append(intent_sql(progress, ddl, commit_ts, "running", Fingerprint::of(objects).text()),
                {.rows = kAnyRows, .commit_ts = commit_ts, .table = nullptr, .what = "DDL intent"});
  SLUICE_RETURN_IF_ERROR(run_packet(connection, packet));
  return commit(connection, progress, before, {});
}

absl::Status DdlExecutor::execute(MysqlConnection& connection, const Progress& progress, const change::DdlChange& ddl,
                                  CommitTs commit_ts) const {
  SLUICE_ASSIGN_OR_RETURN(const bool repeats, is_repeat_of_last_drop(connection, progress, ddl, commit_ts));
  if (repeats) return absl::OkStatus();
  absl::Status status;
  unsigned warnings = 0;
  if (!ddl.schema.empty() && !ddl.creates_schema && ddl.type != kDropSchema)
    status =
        connection.execute("USE " + quoted_name(ddl.session_schema.empty() ? ddl.schema : ddl.session_schema)).status();
  if (status.ok()) status = run_at(connection, ddl.clock, ddl.query, warnings);
  if (status.code() == absl::StatusCode::kUnknown)
    return needs_a_human(ddl, commit_ts,
                         fmt::format("{} refuses it: {}", to_string(connection.kind()), message_of(status)),
                         mysql_error_of(status));
  SLUICE_RETURN_IF_ERROR(status);
  // IF [NOT] EXISTS turns "there already" into a warning: then what is there must be what was wanted.
  if (warnings == 0 || ddl.expectations.empty()) return absl::OkStatus();
  SLUICE_ASSIGN_OR_RETURN(const bool as_wanted, meets_expectations(connection, ddl));
  if (as_wanted) return absl::OkStatus();
  return needs_a_human(ddl, commit_ts, "it ran with warnings, and the objects don't look as they should after it");
}

// The first of DROP TABLE a, b's two jobs drops both, in whatever databases they are; the second finds its own object
// gone.
absl::StatusOr<bool> DdlExecutor::is_repeat_of_last_drop(MysqlConnection& connection, const Progress& progress,
                                                         const change::DdlChange& ddl, CommitTs commit_ts) const {
  if (!is_multi_object_drop(ddl)) return false;
  SLUICE_ASSIGN_OR_RETURN(const auto rows,
                          connection.query(fmt::format("SELECT query FROM `tidb_binlog`.`sluice_ddl` WHERE "
                                                       "cluster_id={} AND commit_ts<{} ORDER BY commit_ts DESC LIMIT 1",
                                                       progress.options().cluster_id, commit_ts)));
  if (rows.empty() || rows[0][0] != ddl.query) return false;
  return meets_expectations(connection, ddl);
}

absl::Status DdlExecutor::record(MysqlConnection& connection, Progress& progress, const change::DdlChange& ddl,
                                 CommitTs commit_ts, std::string_view state) {
  SqlPacket packet = progress.advance_sql(commit_ts, 0);
  packet.append(intent_sql(progress, ddl, commit_ts, state, ""),
                {.rows = kAnyRows, .commit_ts = commit_ts, .table = nullptr, .what = "DDL record"});
  SLUICE_RETURN_IF_ERROR(run_packet(connection, packet));
  return commit(connection, progress, commit_ts, hook_);
}

}  // namespace sluice::drainer::sinks::mysql
