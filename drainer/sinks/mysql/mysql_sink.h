// Applies transactions to MySQL, MariaDB or TiDB, in commit order, each exactly once.
// Contract: runs of whole source transactions go into one downstream transaction together with the progress row, one
//           commit in flight (INV-7, INV-8); a lost connection is made again, and the progress row says whether the
//           commit landed.
// Threads:  Sink's; close() from any. One thread of its own, "mysql-sink", holds the connection.
// Errors:   rewind_error() when the downstream holds less than it had confirmed. FAILED_PRECONDITION when diverged, taken over by another drainer, at a DDL that the server refuses or at a
//           table whose engine has no transactions; INVALID_ARGUMENT for user or password; PERMISSION_DENIED names the
//           privilege.
// Limits:   queue_bytes_max of queued transactions, a single larger one passes alone; the server's max_allowed_packet a
//           row.
// Format:   docs/formats/mysql-progress.md
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/retry_pace.h"
#include "drainer/sinks/mysql/ddl_executor.h"
#include "drainer/sinks/mysql/mysql_connection.h"
#include "drainer/sinks/mysql/progress.h"
#include "drainer/sinks/mysql/sink_step.h"
#include "drainer/sinks/sink.h"

namespace sluice::drainer::sinks::mysql {

struct MysqlSinkOptions {
  MysqlEndpoint endpoint;
  ProgressOptions progress;
  std::set<CommitTs> ddl_skip;
  // Write to a server that is read-only or a running replica, too.
  bool allow_replica = false;
  // Errors about rows show all their values, not only the key's.
  bool log_row_values = false;
  // Keeps a position that was seen committed, for ProgressOptions::confirmed_before of the next process. At most once a
  // second; what it can't keep is logged by it.
  std::function<void(CommitTs)> keep_confirmed;
  uint64_t queue_bytes_max = 64 << 20;
  // One downstream transaction takes whole source transactions until one of these is reached.
  size_t pack_rows_max = 4000;
  uint64_t pack_bytes_max = 8 << 20;
  uint64_t packet_bytes_target = 2 << 20;
  // A resolved ts without transactions is made durable this often; flush() doesn't wait for it.
  std::chrono::milliseconds resolved_interval{1000};
  // A session without work is looked after this often: a server that went away, or went back, is noticed.
  std::chrono::milliseconds idle_interval{5000};
  SinkStepHook hook;  // tests only
};

struct MysqlSinkCounters {
  uint64_t transactions = 0;
  uint64_t rows = 0;
  uint64_t commits = 0;
  uint64_t reconnects = 0;
  DdlCounters ddl;
};

class MysqlSink final : public Sink {
 public:
  explicit MysqlSink(MysqlSinkOptions options);
  ~MysqlSink() override;

  [[nodiscard]] absl::StatusOr<SinkPosition> open(CommitTs at_least) override;
  [[nodiscard]] absl::Status submit(std::shared_ptr<const change::Transaction> transaction) override;
  [[nodiscard]] absl::Status resolve(ResolvedTs ts) override;
  [[nodiscard]] absl::Status flush() override;
  [[nodiscard]] CommitTs durable_through() const override { return CommitTs(durable_through_.load()); }
  [[nodiscard]] std::optional<SinkHold> hold() const override;
  [[nodiscard]] absl::Status health() const override;
  void request_stop() override;
  void close() override;

  [[nodiscard]] MysqlSinkCounters counters() const;
  [[nodiscard]] uint64_t ddls_left_out() const override { return counters().ddl.skipped_row_neutral; }

 private:
  using Pack = std::vector<std::shared_ptr<const change::Transaction>>;

  // The caller's side of the queue.
  [[nodiscard]] bool is_idle() const;  // mutex_ held

  // The sink's thread.
  void work();
  [[nodiscard]] Pack take_pack();  // empty: nothing but a resolved ts, or stopping
  [[nodiscard]] absl::Status apply(const Pack& pack);
  [[nodiscard]] absl::Status apply_one_by_one(const Pack& pack);
  [[nodiscard]] absl::Status apply_whole(const Pack& pack);
  [[nodiscard]] absl::Status try_apply(const Pack& pack);
  [[nodiscard]] absl::Status apply_rows(const Pack& pack);
  [[nodiscard]] absl::Status apply_resolved();
  [[nodiscard]] bool is_long_unused() const;
  [[nodiscard]] absl::Status check_engines(const Pack& pack);
  [[nodiscard]] absl::Status check_engine(const change::TableDef& table, CommitTs commit_ts);
  [[nodiscard]] bool passes(const absl::Status& status) const;
  [[nodiscard]] absl::Status recover_from(const absl::Status& status);
  [[nodiscard]] absl::Status connect_and_take_over();
  [[nodiscard]] absl::Status connect_once();
  [[nodiscard]] absl::Status wait_after(const absl::Status& status);
  void went_on();
  [[nodiscard]] bool gives_up() const;  // mutex_ held
  [[nodiscard]] bool has_unkept() const;
  void note_durable();

  const MysqlSinkOptions options_;
  CommitTs at_least_;
  Progress progress_;
  DdlExecutor ddl_;
  CommitTs resolved_target_;  // of the empty pack taken last
  std::set<std::pair<std::string, std::string>> engines_checked_;

  bool opened_ = false;   // written before thread_ starts
  bool refused_ = false;  // the last error was the server's word about a transaction, not about the connection
  RetryPace pace_;        // of the thread that applies
  std::chrono::steady_clock::time_point kept_at_{};
  std::chrono::steady_clock::time_point used_at_ = std::chrono::steady_clock::now();  // the session, successfully
  std::atomic<uint64_t> kept_{0};                                                     // given to keep_confirmed

  mutable std::mutex connection_mutex_;  // guards the pointer only, for close() and hold()
  std::unique_ptr<MysqlConnection> connection_;

  mutable std::mutex mutex_;
  std::condition_variable work_;   // something to do, or stopping
  std::condition_variable moved_;  // room in the queue, progress, an error
  std::deque<std::shared_ptr<const change::Transaction>> queue_;
  uint64_t queue_bytes_ = 0;
  bool applying_ = false;
  bool flushing_ = false;
  CommitTs submitted_;  // the largest commit ts or resolved ts asked for
  CommitTs resolved_;   // position may go here once the queue is empty
  absl::Status error_;
  MysqlSinkCounters counters_;
  std::optional<SinkHold> waits_;  // the downstream isn't there, or refuses for now
  std::string doing_;              // what is being applied, for hold()
  bool stop_wanted_ = false;

  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> durable_through_{0};
  std::thread thread_;
};

}  // namespace sluice::drainer::sinks::mysql
