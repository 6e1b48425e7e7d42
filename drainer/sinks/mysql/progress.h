// The fenced progress row: what makes "applied" and "known as applied" one atomic step (INV-7, INV-8).
// Contract: after take_over() returned ok, no transaction of an earlier owner can commit any more, and position() is
//           exact. advance_sql() must be the first statement of a transaction and find exactly one row; confirm() once
//           it committed.
// Threads:  one.
// Errors:   FAILED_PRECONDITION when another drainer took over, or when what is written there can't be a position of
//           ours; rewind_error() when the server holds less than was confirmed; UNAVAILABLE and others as
//           MysqlConnection.
// Format:   docs/formats/mysql-progress.md
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"
#include "drainer/sinks/mysql/mysql_connection.h"
#include "drainer/sinks/mysql/row_statements.h"

namespace sluice::drainer::sinks::mysql {

struct ProgressOptions {
  uint64_t cluster_id = 0;
  uint32_t slot = 0;
  // How long a session that still holds the owner's lock may finish its work before it is killed.
  std::chrono::seconds takeover_grace{10};
  // What an earlier process of this drainer had seen committed here, and where that is kept; 0: nothing is known.
  CommitTs confirmed_before;
  std::string confirmed_place;
};

class Progress {
 public:
  explicit Progress(ProgressOptions options);

  // Asks for the owner's lock, bumps the epoch and reads the position. UNAVAILABLE while another session holds the
  // lock: ask again; once the grace is over it is killed. The first time whoever held it before is replaced; later
  // (after a lost connection) another owner's token means that we are the one who was replaced, unless the server went
  // back behind our own take-over. `at_least` starts a downstream that has no row of ours and no TiDB-Binlog
  // checkpoint.
  [[nodiscard]] absl::Status take_over(MysqlConnection& connection, CommitTs at_least);

  // Moves the row, and TiDB-Binlog's checkpoint with it, to `through`; `last_row` is the ordinal of its last row, 0
  // without rows.
  [[nodiscard]] SqlPacket advance_sql(CommitTs through, uint64_t last_row) const;
  void confirm(CommitTs through);

  [[nodiscard]] CommitTs position() const { return position_; }
  // Where the position is written, for people: table, column and row.
  [[nodiscard]] std::string place() const;
  [[nodiscard]] uint64_t epoch() const { return epoch_; }
  [[nodiscard]] const ProgressOptions& options() const { return options_; }

 private:
  [[nodiscard]] absl::Status create_tables(MysqlConnection& connection) const;
  [[nodiscard]] absl::Status lock_owner(MysqlConnection& connection);
  [[nodiscard]] absl::Status kill_owner(MysqlConnection& connection, uint64_t id) const;
  [[nodiscard]] absl::StatusOr<std::optional<CommitTs>> read_go_checkpoint(MysqlConnection& connection) const;
  [[nodiscard]] absl::Status insert_first_row(MysqlConnection& connection, CommitTs at_least) const;
  [[nodiscard]] absl::Status check_first_row(MysqlConnection& connection, CommitTs at_least) const;
  struct Row {
    uint64_t epoch = 0;
    uint64_t sequence = 0;
    CommitTs position;
    std::string owner;
  };
  // The slot's row, locked.
  [[nodiscard]] absl::StatusOr<std::optional<Row>> read_row(MysqlConnection& connection) const;
  [[nodiscard]] absl::Status compare_with_confirmed(const Row& row) const;
  [[nodiscard]] std::string where_slot() const;
  [[nodiscard]] std::string owner_lock() const;

  const ProgressOptions options_;
  const std::string owner_;  // host:pid:token, the token random: no other process, earlier or later, has it
  std::optional<std::chrono::steady_clock::time_point> lock_wanted_since_;
  bool owned_before_ = false;
  uint64_t epoch_ = 0;
  uint64_t sequence_ = 0;
  CommitTs position_;
};

}  // namespace sluice::drainer::sinks::mysql
