#include "drainer/sinks/mysql/mysql_sink.h"

#include <pthread.h>

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/status.h"
#include "drainer/sinks/mysql/apply_transaction.h"
#include "drainer/sinks/mysql/row_statements.h"
#include "drainer/sinks/mysql/server_errors.h"
#include "drainer/sinks/mysql/server_state.h"
#include "drainer/sinks/mysql/sql_text.h"

namespace sluice::drainer::sinks::mysql {

namespace {

// A statement that runs for less is nothing to tell.
constexpr std::chrono::seconds kHoldAfter{3};
// How often a caller who waits looks whether a stop that was wanted is better obeyed without the downstream.
constexpr std::chrono::milliseconds kGiveUpLook{100};
constexpr std::chrono::seconds kKeepInterval{1};
constexpr size_t kShownQueryBytes = 200;
// What the protocol adds to a statement's text.
constexpr uint64_t kPacketOverheadBytes = 64;

std::string what_of(const std::vector<std::shared_ptr<const change::Transaction>>& pack) {
  if (pack.empty()) return "the position";
  const CommitTs first = pack.front()->commit_ts;
  if (pack.front()->ddl)
    return fmt::format("DDL commit_ts={}: {}", first, pack.front()->ddl->query.substr(0, kShownQueryBytes));
  return fmt::format("{} transactions commit_ts={}..{}", pack.size(), first, pack.back()->commit_ts);
}

}  // namespace

MysqlSink::MysqlSink(MysqlSinkOptions options)
    : options_(std::move(options)), progress_(options_.progress), ddl_(options_.ddl_skip, options_.hook) {}

MysqlSink::~MysqlSink() {
  close();
}

absl::StatusOr<SinkPosition> MysqlSink::open(CommitTs at_least) {
  SLUICE_ASSERT(!thread_.joinable());
  at_least_ = at_least;
  SLUICE_RETURN_IF_ERROR(connect_and_take_over());
  SLUICE_RETURN_IF_ERROR(check_privileges(*connection_));
  opened_ = true;
  spdlog::info("downstream ready server={} version={} at={} epoch={} applied_through={}",
               to_string(connection_->kind()), connection_->version(), options_.endpoint.to_string(), progress_.epoch(),
               progress_.position());
  submitted_ = resolved_ = progress_.position();
  note_durable();
  thread_ = std::thread([this] { work(); });
  pthread_setname_np(thread_.native_handle(), "mysql-sink");
  return SinkPosition{.applied_through = progress_.position(),
                      .kept_with_the_rows = true,
                      .place = fmt::format("{} at {}", progress_.place(), options_.endpoint.to_string())};
}

absl::Status MysqlSink::submit(std::shared_ptr<const change::Transaction> transaction) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] {
    return !error_.ok() || stop_ || gives_up() || queue_.empty() || queue_bytes_ < options_.queue_bytes_max;
  };
  while (!moved_.wait_for(lock, kGiveUpLook, ready)) {
  }
  if (!error_.ok()) return error_;
  if (gives_up()) return absl::CancelledError("asked to stop while the downstream doesn't answer");
  if (stop_) return absl::CancelledError("the sink is closed");
  SLUICE_ASSERT(transaction->commit_ts > submitted_, "commit_ts={} before={}", transaction->commit_ts, submitted_);
  submitted_ = transaction->commit_ts;
  queue_bytes_ += transaction->memory_bytes;
  queue_.push_back(std::move(transaction));
  work_.notify_one();
  return absl::OkStatus();
}

absl::Status MysqlSink::resolve(ResolvedTs ts) {
  const std::lock_guard lock(mutex_);
  if (!error_.ok()) return error_;
  submitted_ = std::max(submitted_, CommitTs(ts.value));
  resolved_ = std::max(resolved_, CommitTs(ts.value));
  return absl::OkStatus();
}

bool MysqlSink::is_idle() const {
  return queue_.empty() && !applying_ && durable_through() >= submitted_ && !has_unkept();
}

bool MysqlSink::has_unkept() const {
  return options_.keep_confirmed && kept_ < durable_through_;
}

absl::Status MysqlSink::flush() {
  std::unique_lock lock(mutex_);
  flushing_ = true;
  work_.notify_one();
  const auto ready = [&] { return !error_.ok() || stop_ || gives_up() || is_idle(); };
  while (!moved_.wait_for(lock, kGiveUpLook, ready)) {
  }
  flushing_ = false;
  if (!error_.ok()) return error_;
  return is_idle() ? absl::OkStatus() : absl::CancelledError("the sink was closed before all was durable");
}

std::optional<SinkHold> MysqlSink::hold() const {
  std::string doing;
  {
    const std::lock_guard lock(mutex_);
    if (waits_) return waits_;
    doing = doing_;
  }
  const std::lock_guard lock(connection_mutex_);
  const auto since = connection_ ? connection_->running_since() : std::nullopt;
  if (!since || std::chrono::steady_clock::now() - *since < kHoldAfter) return std::nullopt;
  return SinkHold{.what = fmt::format("{} hasn't answered yet on session {}: {}", options_.endpoint.to_string(),
                                      connection_->id(), doing),
                  .since = *since};
}

absl::Status MysqlSink::health() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void MysqlSink::request_stop() {
  const std::lock_guard lock(mutex_);
  stop_wanted_ = true;
  work_.notify_all();
  moved_.notify_all();
}

// Of a transaction that is running nothing is known until its session answers, so only a wait is cut short at once.
bool MysqlSink::gives_up() const {
  if (!stop_wanted_) return false;
  if (waits_) return true;
  const std::lock_guard lock(connection_mutex_);
  const auto since = connection_ ? connection_->running_since() : std::nullopt;
  return since && std::chrono::steady_clock::now() - *since >= kHoldAfter;
}

void MysqlSink::close() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    work_.notify_all();
    moved_.notify_all();
  }
  {
    const std::lock_guard lock(connection_mutex_);
    if (connection_) connection_->interrupt();
  }
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
}

MysqlSinkCounters MysqlSink::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

void MysqlSink::work() {
  for (;;) {
    const Pack pack = take_pack();
    if (stop_) return;
    const absl::Status status = apply(pack);
    const std::lock_guard lock(mutex_);
    applying_ = false;
    if (status.ok()) {
      counters_.transactions += pack.size();
      counters_.ddl = ddl_.counters();
    } else {
      error_ = status;
    }
    moved_.notify_all();
    if (!status.ok()) {
      if (!stop_) spdlog::error("downstream apply stopped: {}", message_of(status));
      return;
    }
  }
}

// The longest run of transactions that fits one downstream transaction; a DDL goes alone.
MysqlSink::Pack MysqlSink::take_pack() {
  std::unique_lock lock(mutex_);
  const auto resolved_waits = [&] { return resolved_.value > durable_through_; };
  const auto wanted = [&] { return stop_ || !queue_.empty() || (flushing_ && (resolved_waits() || has_unkept())); };
  while (!wanted())
    if (!work_.wait_for(lock, options_.resolved_interval, wanted) && (resolved_waits() || is_long_unused())) break;
  Pack pack;
  size_t rows = 0;
  uint64_t bytes = 0;
  while (!stop_ && !queue_.empty()) {
    const auto& next = queue_.front();
    if (!pack.empty() && (next->ddl || rows + next->rows.size() > options_.pack_rows_max ||
                          bytes + next->memory_bytes > options_.pack_bytes_max))
      break;
    rows += next->rows.size();
    bytes += next->memory_bytes;
    queue_bytes_ -= next->memory_bytes;
    pack.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (pack.back()->ddl) break;
  }
  // Read here, with the queue seen empty: one promised later may lie above a transaction that is queued by then.
  if (pack.empty()) resolved_target_ = resolved_;
  applying_ = true;
  moved_.notify_all();
  return pack;
}

absl::Status MysqlSink::apply(const Pack& pack) {
  {
    const std::lock_guard lock(mutex_);
    doing_ = what_of(pack);
  }
  const absl::Status status = apply_whole(pack);
  if (status.ok() || pack.size() < 2 || !refused_ || stop_) return status;
  return apply_one_by_one(pack);
}

// One of the pack can't be applied: those before it are, and the error names the right one.
absl::Status MysqlSink::apply_one_by_one(const Pack& pack) {
  for (const auto& transaction : pack) {
    if (transaction->commit_ts <= progress_.position()) continue;
    SLUICE_RETURN_IF_ERROR(apply_whole({transaction}));
  }
  return absl::OkStatus();
}

absl::Status MysqlSink::apply_whole(const Pack& pack) {
  refused_ = false;
  for (;;) {
    const absl::Status status = pack.empty() ? apply_resolved() : try_apply(pack);
    if (status.ok()) {
      used_at_ = std::chrono::steady_clock::now();
      note_durable();
      went_on();
      return status;
    }
    if (!passes(status)) {
      // The connection may be gone too; a transaction that nobody commits goes with it.
      (void)connection_->execute("ROLLBACK");
      refused_ = true;
      return status;
    }
    SLUICE_RETURN_IF_ERROR(recover_from(status));
    if (!pack.empty() && progress_.position() >= pack.back()->commit_ts) {  // the lost answer was "committed"
      note_durable();
      went_on();
      return absl::OkStatus();
    }
  }
}

absl::Status MysqlSink::try_apply(const Pack& pack) {
  if (!pack.front()->ddl) return apply_rows(pack);
  engines_checked_.clear();
  return ddl_.run(*connection_, progress_, *pack.front()->ddl, pack.front()->commit_ts);
}

absl::Status MysqlSink::apply_rows(const Pack& pack) {
  SLUICE_RETURN_IF_ERROR(check_engines(pack));
  const uint64_t packet_bytes_max = connection_->packet_bytes_max() - kPacketOverheadBytes;
  RowStatements statements(pack, connection_->kind(),
                           {.packet_bytes_target = std::min(options_.packet_bytes_target, packet_bytes_max),
                            .packet_bytes_max = packet_bytes_max,
                            .show_values = options_.log_row_values});
  const CommitTs through = pack.back()->commit_ts;
  const std::vector<change::RowChange>& last_rows = pack.back()->rows;
  SqlPacket packet = progress_.advance_sql(through, last_rows.empty() ? 0 : last_rows.back().ordinal);
  uint64_t rows = 0;
  do {
    SLUICE_RETURN_IF_ERROR(statements.fill(packet));
    SLUICE_RETURN_IF_ERROR(run_packet(*connection_, packet, options_.log_row_values));
    SLUICE_RETURN_IF_ERROR(pass_step(options_.hook, SinkStep::packet_sent));
    for (const auto& statement : packet.expectations)
      if (statement.table != nullptr) rows += statement.rows;
    packet = {};
  } while (!statements.done());
  SLUICE_RETURN_IF_ERROR(commit(*connection_, progress_, through, options_.hook));
  const std::lock_guard lock(mutex_);
  counters_.rows += rows;
  ++counters_.commits;
  return absl::OkStatus();
}

bool MysqlSink::is_long_unused() const {
  return std::chrono::steady_clock::now() - used_at_ >= options_.idle_interval;
}

// Only the position moves: nothing at or below the resolved ts is left to apply.
absl::Status MysqlSink::apply_resolved() {
  const CommitTs through = resolved_target_;
  if (through <= progress_.position())
    return is_long_unused() ? connection_->query("SELECT 1").status() : absl::OkStatus();
  SLUICE_RETURN_IF_ERROR(run_packet(*connection_, progress_.advance_sql(through, 0)));
  return commit(*connection_, progress_, through, {});
}

// In a table without transactions a row would stay when its transaction is rolled back, and come again (INV-8).
absl::Status MysqlSink::check_engines(const Pack& pack) {
  const change::TableDef* last = nullptr;
  for (const auto& transaction : pack) {
    for (const change::RowChange& row : transaction->rows) {
      if (row.table == last) continue;
      last = row.table;
      if (is_own_schema(last->schema) || engines_checked_.contains({last->schema, last->name})) continue;
      SLUICE_RETURN_IF_ERROR(check_engine(*last, transaction->commit_ts));
      engines_checked_.emplace(last->schema, last->name);
    }
  }
  return absl::OkStatus();
}

absl::Status MysqlSink::check_engine(const change::TableDef& table, CommitTs commit_ts) {
  SLUICE_ASSIGN_OR_RETURN(
      const auto rows, connection_->query(fmt::format("SELECT t.ENGINE, e.TRANSACTIONS FROM information_schema.TABLES "
                                                      "t LEFT JOIN information_schema.ENGINES e ON e.ENGINE=t.ENGINE "
                                                      "WHERE t.TABLE_SCHEMA={} AND t.TABLE_NAME={}",
                                                      quoted_text(table.schema), quoted_text(table.name))));
  if (rows.empty())
    return absl::FailedPreconditionError(
        fmt::format("the downstream has no table {}.{} (or its user may not see it): make it as upstream has it, then "
                    "start again; commit_ts={}",
                    table.schema, table.name, commit_ts));
  if (rows[0][1] == "YES") return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "downstream table {}.{} has engine {}, which has no transactions, so that rows can't be applied exactly once: "
      "run "
      "ALTER TABLE {} ENGINE=InnoDB there, then start again; commit_ts={}",
      table.schema, table.name, rows[0][0].value_or("none"), quoted_table(table.schema, table.name), commit_ts));
}

// Later, a lost privilege or password is as much an operator's passing act as a server that is down.
bool MysqlSink::passes(const absl::Status& status) const {
  if (asks_for_rewind(status)) return false;
  if (absl::IsUnavailable(status) || absl::IsAborted(status)) return true;
  const ErrorMeaning meaning = meaning_of(mysql_error_of(status));
  return opened_ && mysql_error_of(status) != 0 &&
         (meaning == ErrorMeaning::privilege || meaning == ErrorMeaning::login);
}

// Says why, as often as is bearable, shows it, and waits longer each time.
absl::Status MysqlSink::wait_after(const absl::Status& status) {
  const auto now = std::chrono::steady_clock::now();
  const RetryPace::Turn turn = pace_.failed(now);
  if (turn.say)
    spdlog::warn("waiting for the downstream at={} doing={} since_seconds={:.1f} reason={} more_since_last_line={}",
                 options_.endpoint.to_string(), doing_.empty() ? "connecting" : doing_,
                 std::chrono::duration<double>(now - pace_.since().value_or(now)).count(), message_of(status),
                 turn.unsaid);
  std::unique_lock lock(mutex_);
  waits_ = SinkHold{.what = fmt::format("{}: {}", options_.endpoint.to_string(), message_of(status)),
                    .since = pace_.since().value_or(now),
                    .error = mysql_error_of(status)};
  moved_.notify_all();
  if (work_.wait_for(lock, turn.delay, [&] { return stop_ || (stop_wanted_ && !opened_); }))
    return absl::CancelledError("the sink is closed");
  return absl::OkStatus();
}

void MysqlSink::went_on() {
  if (!pace_.since()) return;
  if (const auto since = pace_.went_on())
    spdlog::info("the downstream is back at={} after_seconds={:.1f}", options_.endpoint.to_string(),
                 std::chrono::duration<double>(std::chrono::steady_clock::now() - *since).count());
  const std::lock_guard lock(mutex_);
  waits_.reset();
}

absl::Status MysqlSink::recover_from(const absl::Status& status) {
  if (stop_) return absl::CancelledError("the sink is closed");
  SLUICE_RETURN_IF_ERROR(wait_after(status));
  if (absl::IsAborted(status)) {
    const absl::Status rolled_back = connection_->execute("ROLLBACK").status();
    if (rolled_back.ok() || !passes(rolled_back)) return rolled_back;
  }
  {
    const std::lock_guard lock(mutex_);
    ++counters_.reconnects;
  }
  return connect_and_take_over();
}

absl::Status MysqlSink::connect_and_take_over() {
  for (;;) {
    if (stop_) return absl::CancelledError("the sink is closed");
    const absl::Status status = connect_once();
    if (status.ok()) {
      if (!opened_) went_on();
      return status;
    }
    if (stop_) return absl::CancelledError("the sink is closed");
    if (asks_for_rewind(status)) return status;
    if (!passes(status)) return annotate(status, fmt::format("downstream {}", options_.endpoint.to_string()));
    SLUICE_RETURN_IF_ERROR(wait_after(status));
  }
}

absl::Status MysqlSink::connect_once() {
  {
    // Ours must be gone before the next one asks for the owner's lock.
    const std::lock_guard lock(connection_mutex_);
    connection_.reset();
  }
  SLUICE_ASSIGN_OR_RETURN(auto connection, MysqlConnection::connect(options_.endpoint));
  {
    const std::lock_guard lock(connection_mutex_);
    connection_ = std::move(connection);
  }
  if (!options_.allow_replica) SLUICE_RETURN_IF_ERROR(check_writable(*connection_));
  return progress_.take_over(*connection_, at_least_);
}

void MysqlSink::note_durable() {
  durable_through_ = progress_.position().value;
  const auto now = std::chrono::steady_clock::now();
  const bool last = [&] {
    const std::lock_guard lock(mutex_);
    return flushing_ && queue_.empty();
  }();
  if (!has_unkept() || (!last && now - kept_at_ < kKeepInterval)) return;
  kept_at_ = now;
  options_.keep_confirmed(progress_.position());
  kept_ = progress_.position().value;
}

}  // namespace sluice::drainer::sinks::mysql
