#include "drainer/sinks/mysql/progress.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/status.h"
#include "drainer/sinks/mysql/sql_text.h"
#include "drainer/sinks/sink.h"

namespace sluice::drainer::sinks::mysql {

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

// A number and nothing else; `place` is where it stands, for people.
absl::StatusOr<uint64_t> parse_number(const std::optional<std::string>& text, const std::string& place) {
  uint64_t value = 0;
  if (text) {
    const char* end = text->data() + text->size();
    const auto [rest, error] = std::from_chars(text->data(), end, value);
    if (error == std::errc() && rest == end && !text->empty()) return value;
  }
  return absl::FailedPreconditionError(
      fmt::format("{} is {}, which is no number and so no position: put the right one there (the commit ts up to which "
                  "the downstream has everything), or restore it from a backup",
                  place, text ? "\"" + text->substr(0, 100) + "\"" : "NULL"));
}

// A lock function's answer; anything but a number is no.
uint64_t answer_of(const std::vector<MysqlConnection::Row>& rows) {
  uint64_t value = 0;
  if (!rows.empty() && rows[0].at(0))
    (void)std::from_chars(rows[0][0]->data(), rows[0][0]->data() + rows[0][0]->size(), value);
  return value;
}

std::string new_owner() {
  char host[200] = {};
  (void)gethostname(host, sizeof host - 1);  // an empty name only makes the row less telling
  std::random_device random;
  return fmt::format("{}:{}:{:08x}{:08x}", host, getpid(), random(), random());
}

}  // namespace

Progress::Progress(ProgressOptions options) : options_(std::move(options)), owner_(new_owner()) {}

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
absl::Status Progress::lock_owner(MysqlConnection& connection) {
  const auto now = std::chrono::steady_clock::now();
  if (!lock_wanted_since_) lock_wanted_since_ = now;
  SLUICE_ASSIGN_OR_RETURN(const auto got, connection.query(fmt::format("SELECT GET_LOCK({}, 1)", owner_lock())));
  if (answer_of(got) == 1) {
    lock_wanted_since_.reset();
    return absl::OkStatus();
  }
  SLUICE_ASSIGN_OR_RETURN(const auto holder, connection.query(fmt::format("SELECT IS_USED_LOCK({})", owner_lock())));
  const uint64_t id = answer_of(holder);
  if (id == 0) return absl::UnavailableError("the previous owner's session has just ended");
  SLUICE_ASSIGN_OR_RETURN(
      const auto running,
      connection.query(
          fmt::format("SELECT commit_ts FROM `tidb_binlog`.`sluice_ddl` WHERE cluster_id={} AND state='running'",
                      options_.cluster_id)));
  // A DDL that runs is waited for, however long: cut off, it may leave what no fingerprint explains. A session that
  // sleeps runs none, whatever its last intent says.
  bool sleeps = false;
  SLUICE_ASSIGN_OR_RETURN(const auto sessions, connection.query("SHOW PROCESSLIST"));
  for (const auto& session : sessions)
    if (session.at(0) == std::to_string(id)) sleeps = session.at(4) == "Sleep";
  if (now >= *lock_wanted_since_ + options_.takeover_grace && (running.empty() || sleeps))
    SLUICE_RETURN_IF_ERROR(kill_owner(connection, id));
  return absl::UnavailableError(fmt::format(
      "session {} of the previous owner still holds the lock {}{}", id, owner_lock(),
      running.empty() || sleeps ? "" : fmt::format(" and runs the DDL of commit ts {}", running[0][0].value_or(""))));
}

absl::Status Progress::kill_owner(MysqlConnection& connection, uint64_t id) const {
  spdlog::warn("killing the downstream session of the previous owner connection_id={}", id);
  const absl::Status killed = connection.execute(fmt::format("KILL CONNECTION {}", id)).status();
  constexpr unsigned kNoSuchThread = 1094;
  if (mysql_error_of(killed) == kNoSuchThread) return absl::OkStatus();
  return annotate(killed, "ending the session of the previous owner");
}

absl::StatusOr<std::optional<CommitTs>> Progress::read_go_checkpoint(MysqlConnection& connection) const {
  SLUICE_ASSIGN_OR_RETURN(
      const auto rows,
      connection.query(fmt::format("SELECT JSON_VALID(checkPoint), JSON_UNQUOTE(JSON_EXTRACT(IF(JSON_VALID(checkPoint),"
                                   "checkPoint,'{{}}'), '$.commitTS')), JSON_UNQUOTE(JSON_EXTRACT(IF(JSON_VALID("
                                   "checkPoint),checkPoint,'{{}}'), '$.consistent')), checkPoint "
                                   "FROM `tidb_binlog`.`checkpoint` WHERE clusterID={}",
                                   options_.cluster_id)));
  if (rows.empty()) return std::nullopt;
  const std::string place =
      fmt::format("tidb_binlog.checkpoint.checkPoint where clusterID={}: commitTS", options_.cluster_id);
  SLUICE_ASSIGN_OR_RETURN(const uint64_t number, parse_number(rows[0][0] == "1" ? rows[0][1] : rows[0][3], place));
  if (number == 0) return std::nullopt;
  const CommitTs commit_ts(number);
  spdlog::info("starting from the checkpoint of TiDB-Binlog's drainer cluster_id={} commit_ts={}", options_.cluster_id,
               commit_ts);
  if (rows[0][2] != "true")
    spdlog::warn(
        "that drainer was not stopped cleanly: rows after its checkpoint may be there already, and applying them again "
        "will stop as diverged; start and stop it once more to get a consistent checkpoint commit_ts={}",
        commit_ts);
  return std::optional(commit_ts);
}

// A downstream without a row of ours: new, or has it lost its past?
absl::Status Progress::check_first_row(MysqlConnection& connection, CommitTs at_least) const {
  if (options_.confirmed_before.value > 0)
    return absl::FailedPreconditionError(fmt::format(
        "the downstream has no position of this cluster ({}), but this drainer had seen commit ts {} committed there "
        "({}): the progress is gone. Was tidb_binlog dropped, or a backup restored without it? Put the row back if the "
        "rows are still there; if the downstream is to be filled anew, remove that file and start with "
        "--initial-commit-ts",
        place(), options_.confirmed_before, options_.confirmed_place));
  if (at_least.value > 0) return absl::OkStatus();
  SLUICE_ASSIGN_OR_RETURN(const auto others,
                          connection.query(fmt::format("SELECT cluster_id FROM `tidb_binlog`.`sluice_progress` UNION "
                                                       "SELECT clusterID FROM `tidb_binlog`.`checkpoint` LIMIT 1")));
  if (others.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("the downstream's position is of another cluster: tidb_binlog has one of cluster_id={}, this "
                  "drainer's pumps are of cluster_id={}. Is it the right downstream? To write a second cluster into "
                  "it, say where to start with --initial-commit-ts",
                  others[0][0].value_or(""), options_.cluster_id));
}

absl::Status Progress::insert_first_row(MysqlConnection& connection, CommitTs at_least) const {
  SLUICE_ASSIGN_OR_RETURN(const auto go_checkpoint, read_go_checkpoint(connection));
  if (!go_checkpoint) SLUICE_RETURN_IF_ERROR(check_first_row(connection, at_least));
  return connection
      .execute(fmt::format("INSERT INTO `tidb_binlog`.`sluice_progress` VALUES ({}, {}, 0, 0, {}, 0, 0, '')",
                           options_.cluster_id, options_.slot, go_checkpoint.value_or(at_least)))
      .status();
}

absl::StatusOr<std::optional<Progress::Row>> Progress::read_row(MysqlConnection& connection) const {
  // FOR UPDATE waits for whatever transaction still holds the row, whoever's it is.
  SLUICE_ASSIGN_OR_RETURN(
      const auto rows,
      connection.query("SELECT epoch, seq, commit_ts, owner FROM `tidb_binlog`.`sluice_progress` WHERE " +
                       where_slot() + " FOR UPDATE"));
  if (rows.empty()) return std::nullopt;
  const auto named = [&](const char* column) {
    return fmt::format("tidb_binlog.sluice_progress.{} where {}", column, where_slot());
  };
  Row row;
  row.owner = rows[0][3].value_or("");
  SLUICE_ASSIGN_OR_RETURN(row.epoch, parse_number(rows[0][0], named("epoch")));
  SLUICE_ASSIGN_OR_RETURN(row.sequence, parse_number(rows[0][1], named("seq")));
  SLUICE_ASSIGN_OR_RETURN(row.position.value, parse_number(rows[0][2], named("commit_ts")));
  return std::optional(row);
}

// Owned before: is it still ours, and does it still hold what was confirmed? The token tells our own take-over, whose
// answer or whose commit was lost, from a rival's.
absl::Status Progress::compare_with_confirmed(const Row& row) const {
  if (row.owner != owner_ && row.epoch >= epoch_)
    return absl::FailedPreconditionError(
        fmt::format("another drainer ({}) took over this downstream: epoch {} there, {} here; stop one of the two",
                    row.owner, row.epoch, epoch_));
  if (row.position >= position_ && row.sequence >= sequence_) return absl::OkStatus();
  return rewind_error(
      fmt::format("the downstream has lost commits: it had confirmed commit ts {} (seq {}) and now stands at commit ts "
                  "{} (seq {}): a crash without innodb_flush_log_at_trx_commit=1, a failover to a replica that lagged, "
                  "or a backup restored? What it lost is pulled again from there",
                  position_, sequence_, row.position, row.sequence));
}

absl::Status Progress::take_over(MysqlConnection& connection, CommitTs at_least) {
  SLUICE_RETURN_IF_ERROR(create_tables(connection));
  SLUICE_RETURN_IF_ERROR(lock_owner(connection));
  SLUICE_RETURN_IF_ERROR(connection.execute("BEGIN").status());
  SLUICE_ASSIGN_OR_RETURN(std::optional<Row> row, read_row(connection));
  if (!row) {
    if (owned_before_)
      return absl::FailedPreconditionError(fmt::format(
          "the progress is gone: {} has no row any more, and commit ts {} was confirmed there. Was tidb_binlog "
          "dropped, "
          "or a backup restored without it? Put the row back, or fill the downstream anew with --initial-commit-ts",
          place(), position_));
    SLUICE_RETURN_IF_ERROR(insert_first_row(connection, at_least));
    SLUICE_ASSIGN_OR_RETURN(row, read_row(connection));
    if (!row) return absl::UnavailableError("the progress row is gone right after it was written");
  }
  if (owned_before_) {
    SLUICE_RETURN_IF_ERROR(compare_with_confirmed(*row));
  } else if (row->position < options_.confirmed_before) {
    spdlog::warn(
        "the downstream has lost commits since this drainer's last run: confirmed={} kept_in={} there={}; what it lost "
        "is pulled again from there",
        options_.confirmed_before, options_.confirmed_place, row->position);
  }
  const uint64_t epoch = std::max(row->epoch, epoch_) + 1;
  SLUICE_RETURN_IF_ERROR(
      connection
          .execute(fmt::format("UPDATE `tidb_binlog`.`sluice_progress` SET epoch={}, owner={} WHERE {}; COMMIT", epoch,
                               quoted_text(owner_), where_slot()))
          .status());
  epoch_ = epoch;
  sequence_ = row->sequence;
  position_ = row->position;
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

}  // namespace sluice::drainer::sinks::mysql
