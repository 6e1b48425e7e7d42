#include "drainer/sinks/mysql/progress.h"

#include <unistd.h>

#include <charconv>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/status.h"
#include "drainer/sinks/mysql/sql_text.h"

namespace sluice::drainer {

namespace {

constexpr char kCreateProgress[] =
    "CREATE TABLE IF NOT EXISTS `tidb_binlog`.`sluice_progress` ("
    "cluster_id BIGINT UNSIGNED NOT NULL, slot INT UNSIGNED NOT NULL, epoch BIGINT UNSIGNED NOT NULL, seq BIGINT "
    "UNSIGNED NOT NULL, "
    "commit_ts BIGINT UNSIGNED NOT NULL, first_row BIGINT UNSIGNED NOT NULL, last_row BIGINT UNSIGNED NOT NULL, "
    "owner VARCHAR(255) NOT NULL, PRIMARY KEY (cluster_id, slot)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
constexpr char kCreateDdl[] =
    "CREATE TABLE IF NOT EXISTS `tidb_binlog`.`sluice_ddl` ("
    "cluster_id BIGINT UNSIGNED NOT NULL, commit_ts BIGINT UNSIGNED NOT NULL, state VARCHAR(16) NOT NULL, "
    "schema_name VARCHAR(255) NOT NULL, query LONGTEXT NOT NULL, fingerprint LONGTEXT NOT NULL, "
    "PRIMARY KEY (cluster_id, commit_ts)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
// TiDB-Binlog's own, in its own words.
constexpr char kCreateCheckpoint[] =
    "CREATE TABLE IF NOT EXISTS `tidb_binlog`.`checkpoint` (clusterID BIGINT UNSIGNED PRIMARY KEY, checkPoint "
    "MEDIUMTEXT) ENGINE=InnoDB";

uint64_t to_number(const std::optional<std::string>& text) {
  uint64_t value = 0;
  if (text) (void)std::from_chars(text->data(), text->data() + text->size(), value);  // 0 when it is no number
  return value;
}

std::string owner_name() {
  char host[256] = {};
  (void)gethostname(host, sizeof host - 1);  // an empty name only makes the row less telling
  return fmt::format("{}:{}", host, getpid());
}

}  // namespace

std::string Progress::where_slot() const {
  return fmt::format("cluster_id={} AND slot={}", options_.cluster_id, options_.slot);
}
std::string Progress::place() const {
  return "tidb_binlog.sluice_progress.commit_ts where " + where_slot();
}
std::string Progress::owner_lock() const {
  return fmt::format("'sluice.{}.{}'", options_.cluster_id, options_.slot);
}

absl::Status Progress::create_tables(MysqlConnection& connection) const {
  for (const char* sql :
       {"CREATE DATABASE IF NOT EXISTS `tidb_binlog`", kCreateProgress, kCreateDdl, kCreateCheckpoint})
    if (auto done = connection.execute(sql); !done.ok())
      return annotate(done.status(), "creating the progress tables in schema tidb_binlog");
  return absl::OkStatus();
}

// The session that holds the lock is the owner's. It may be a zombie's, or our own last one that the server hasn't
// missed yet.
absl::Status Progress::lock_owner(MysqlConnection& connection, const std::atomic<bool>& stop) const {
  const auto deadline = std::chrono::steady_clock::now() + options_.takeover_grace;
  for (bool said = false;;) {
    if (stop) return absl::CancelledError("stopped while waiting for the previous owner's session");
    SLUICE_ASSIGN_OR_RETURN(const auto got, connection.query(fmt::format("SELECT GET_LOCK({}, 1)", owner_lock())));
    if (to_number(got.at(0).at(0)) == 1) return absl::OkStatus();
    SLUICE_ASSIGN_OR_RETURN(
        const auto running,
        connection.query(
            fmt::format("SELECT commit_ts FROM `tidb_binlog`.`sluice_ddl` WHERE cluster_id={} AND state='running'",
                        options_.cluster_id)));
    if (!said)
      spdlog::info("waiting for the downstream session of the previous owner cluster_id={} slot={} running_ddl={}",
                   options_.cluster_id, options_.slot, running.empty() ? "none" : running[0][0].value_or(""));
    said = true;
    // A DDL is waited for, however long: cut off, it may leave what no fingerprint explains.
    if (running.empty() && std::chrono::steady_clock::now() >= deadline) SLUICE_RETURN_IF_ERROR(kill_owner(connection));
  }
}

absl::Status Progress::kill_owner(MysqlConnection& connection) const {
  SLUICE_ASSIGN_OR_RETURN(const auto holder, connection.query(fmt::format("SELECT IS_USED_LOCK({})", owner_lock())));
  const uint64_t id = to_number(holder.at(0).at(0));
  if (id == 0) return absl::OkStatus();
  spdlog::warn("killing the downstream session of the previous owner connection_id={}", id);
  const absl::Status killed = connection.execute(fmt::format("KILL CONNECTION {}", id)).status();
  constexpr unsigned kNoSuchThread = 1094;
  if (mysql_error_of(killed) == kNoSuchThread) return absl::OkStatus();
  return annotate(killed, "ending the session of the previous owner");
}

absl::StatusOr<std::optional<CommitTs>> Progress::read_go_checkpoint(MysqlConnection& connection) const {
  SLUICE_ASSIGN_OR_RETURN(const auto rows,
                          connection.query(fmt::format("SELECT JSON_UNQUOTE(JSON_EXTRACT(checkPoint, '$.commitTS')), "
                                                       "JSON_UNQUOTE(JSON_EXTRACT(checkPoint, '$.consistent')) "
                                                       "FROM `tidb_binlog`.`checkpoint` WHERE clusterID={}",
                                                       options_.cluster_id)));
  if (rows.empty() || to_number(rows[0][0]) == 0) return std::nullopt;
  const CommitTs commit_ts(to_number(rows[0][0]));
  spdlog::info("starting from the checkpoint of TiDB-Binlog's drainer cluster_id={} commit_ts={}", options_.cluster_id,
               commit_ts);
  if (rows[0][1] != "true")
    spdlog::warn(
        "that drainer was not stopped cleanly: rows after its checkpoint may be there already, and applying them again "
        "will stop as diverged; start and stop it once more to get a consistent checkpoint commit_ts={}",
        commit_ts);
  return std::optional(commit_ts);
}

absl::Status Progress::insert_first_row(MysqlConnection& connection, CommitTs at_least) const {
  SLUICE_ASSIGN_OR_RETURN(const auto go_checkpoint, read_go_checkpoint(connection));
  return connection
      .execute(fmt::format("INSERT INTO `tidb_binlog`.`sluice_progress` VALUES ({}, {}, 0, 0, {}, 0, 0, '')",
                           options_.cluster_id, options_.slot, go_checkpoint.value_or(at_least)))
      .status();
}

absl::Status Progress::take_over(MysqlConnection& connection, CommitTs at_least, const std::atomic<bool>& stop) {
  SLUICE_RETURN_IF_ERROR(create_tables(connection));
  SLUICE_RETURN_IF_ERROR(lock_owner(connection, stop));
  const std::string select =
      "SELECT epoch, seq, commit_ts, owner FROM `tidb_binlog`.`sluice_progress` WHERE " + where_slot() + " FOR UPDATE";
  SLUICE_RETURN_IF_ERROR(connection.execute("BEGIN").status());
  // FOR UPDATE waits for whatever transaction still holds the row, whoever's it is.
  SLUICE_ASSIGN_OR_RETURN(auto rows, connection.query(select));
  if (rows.empty()) {
    if (owned_before_)
      return absl::FailedPreconditionError(
          "the progress row in tidb_binlog.sluice_progress is gone: someone deleted it; "
          "check the downstream, then start again with --initial-commit-ts");
    SLUICE_RETURN_IF_ERROR(insert_first_row(connection, at_least));
    SLUICE_ASSIGN_OR_RETURN(rows, connection.query(select));
  }
  const uint64_t epoch = to_number(rows[0][0]);
  if (owned_before_ && epoch != epoch_)
    return absl::FailedPreconditionError(
        fmt::format("another drainer ({}) took over this downstream: epoch {} there, {} here; stop one of the two",
                    rows[0][3].value_or(""), epoch, epoch_));
  SLUICE_RETURN_IF_ERROR(
      connection
          .execute(fmt::format("UPDATE `tidb_binlog`.`sluice_progress` SET epoch={}, owner={} WHERE {}; COMMIT",
                               epoch + 1, quoted_text(owner_name()), where_slot()))
          .status());
  epoch_ = epoch + 1;
  sequence_ = to_number(rows[0][1]);
  position_ = CommitTs(to_number(rows[0][2]));
  owned_before_ = true;
  return absl::OkStatus();
}

SqlPacket Progress::advance_sql(CommitTs through, uint64_t last_row) const {
  SqlPacket packet;
  packet.append("BEGIN", {});
  packet.append(fmt::format("UPDATE `tidb_binlog`.`sluice_progress` SET seq={}, commit_ts={}, first_row=0, last_row={} "
                            "WHERE {} AND epoch={} AND seq={}",
                            sequence_ + 1, through, last_row, where_slot(), epoch_, sequence_),
                {.rows = 1, .commit_ts = through, .table = nullptr, .what = "fence"});
  // Exactly at the position, so TiDB-Binlog's drainer may go on from it without its safe mode.
  packet.append(fmt::format("REPLACE INTO `tidb_binlog`.`checkpoint` VALUES ({}, "
                            "'{{\"consistent\":true,\"commitTS\":{},\"ts-map\":{{}}}}')",
                            options_.cluster_id, through),
                {.rows = kAnyRows, .commit_ts = through, .table = nullptr, .what = "checkpoint"});
  return packet;
}

void Progress::confirm(CommitTs through) {
  ++sequence_;
  position_ = through;
}

}  // namespace sluice::drainer
