#include "drainer/pipeline.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/status.h"

namespace sluice::drainer {
namespace {

// Credit goes back in pieces of this size while transactions flow, and wholly when nothing does.
constexpr uint64_t kCreditBytes = uint64_t{256} << 10;

}  // namespace

std::string_view to_string(PipelineState state) {
  switch (state) {
    case PipelineState::meeting_pumps:
      return "meeting pumps";
    case PipelineState::opening_sink:
      return "opening sink";
    case PipelineState::merging:
      return "merging";
    case PipelineState::waiting:
      return "waiting";
    case PipelineState::flushing:
      return "flushing";
    case PipelineState::done:
      return "done";
    case PipelineState::failed:
      return "failed";
  }
  return "unknown";
}

Pipeline::Pipeline(PipelineOptions options, PipelinePorts ports)
    : options_(std::move(options)),
      ports_(std::move(ports)),
      merger_(options_.pumps),
      given_back_(options_.pumps.size(), 0),
      wanted_(options_.pumps.size()) {
  status_.state = PipelineState::opening_sink;
  status_.last_submit = std::chrono::steady_clock::now();
}

absl::Status Pipeline::run() {
  absl::Status outcome = open_sink();
  // A restart after the end: pumps owe no word about what lies at or below the start.
  const bool reached = outcome.ok() && options_.until && status_.start >= *options_.until;
  if (reached)
    spdlog::info("everything at or below --until was durable before this start until={} position={}", *options_.until,
                 status_.start);
  if (outcome.ok() && !reached) outcome = move_until_done();
  outcome = finish(std::move(outcome));
  set_state(outcome.ok() ? PipelineState::done : PipelineState::failed);
  return outcome;
}

void Pipeline::request_stop() {
  stopping_ = true;
  ports_.inbox.wake();
}

// A position above every timestamp that was ever given out would pass over all that is still to come.
absl::Status Pipeline::check_position(std::string_view place, CommitTs position) const {
  if (!options_.largest_ts || position <= *options_.largest_ts) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("the position {} in {} can't be true: it lies above {}, the largest timestamp that the pumps have. "
                  "It is damaged, "
                  "of another cluster, or the pumps were set back: restore what belongs together; nothing was changed",
                  position, place, *options_.largest_ts));
}

absl::Status Pipeline::open_sink() {
  if (options_.saved.value > 0) SLUICE_RETURN_IF_ERROR(check_position(options_.saved_in, options_.saved));
  if (const CommitTs initial = options_.initial;
      options_.saved.value == 0 && options_.largest_ts && initial > *options_.largest_ts)
    return absl::InvalidArgumentError(
        fmt::format("--initial-commit-ts {} lies above {}, the largest timestamp that the pumps have: everything up to "
                    "there would be passed over. Correct it; nothing was changed",
                    initial, *options_.largest_ts));
  const CommitTs at_least = options_.saved.value > 0 ? options_.saved : options_.initial;
  const auto position = ports_.sink.open(at_least);
  if (!position.ok()) {
    sink_failed_ = true;
    return position.status();
  }
  SLUICE_RETURN_IF_ERROR(check_position(position->place, position->applied_through));
  // A position beside the rows is exact: from anywhere else, rows would be missing or come twice.
  const bool exact = position->kept_with_the_rows;
  const CommitTs known = exact ? position->applied_through : std::max(options_.saved, position->applied_through);
  const CommitTs start = exact || known.value > 0 ? known : options_.initial;
  if (start < options_.saved)
    spdlog::warn("the downstream's own position counts, not the checkpoint file's position={} file={} place=\"{}\"",
                 start, options_.saved, position->place);
  if (options_.initial.value > 0 && start != options_.initial)
    spdlog::info(
        "--initial-commit-ts is ignored, there is a checkpoint initial_commit_ts={} checkpoint={} place=\"{}\"",
        options_.initial, start,
        start > position->applied_through ? std::string_view(options_.saved_in) : position->place);
  spdlog::info("sink is open position={} start={}", position->applied_through, start);
  {
    const std::lock_guard lock(mutex_);
    status_.start = start;
    status_.durable = position->applied_through;
  }
  started_ = true;
  return ports_.started(start);
}

absl::Status Pipeline::move_until_done() {
  while (!stopping_) {
    SLUICE_RETURN_IF_ERROR(take_news());
    SLUICE_ASSIGN_OR_RETURN(const Turn turn, merge());
    SLUICE_RETURN_IF_ERROR(resolve_sink());
    SLUICE_RETURN_IF_ERROR(tend());
    give_back_credit();
    if (turn == Turn::done || !source_failure_.ok()) break;
    ask_for_progress();
  }
  return source_failure_;
}

absl::Status Pipeline::take_news() {
  ports_.inbox.take(news_,
                    std::chrono::steady_clock::now() + std::min(options_.checkpoint_interval, options_.tend_interval));
  for (size_t source = 0; source < news_.size(); ++source)
    SLUICE_RETURN_IF_ERROR(feed(source, std::move(news_[source])));
  return absl::OkStatus();
}

absl::Status Pipeline::feed(size_t source, merge::SourceNews news) {
  for (merge::PulledTransaction& transaction : news.transactions)
    SLUICE_RETURN_IF_ERROR(merger_.push(source, std::move(transaction)));
  if (news.resolved) SLUICE_RETURN_IF_ERROR(merger_.resolve(source, *news.resolved));
  if (news.announced) SLUICE_RETURN_IF_ERROR(merger_.announce(source, *news.announced));
  if (news.end) SLUICE_RETURN_IF_ERROR(merger_.finish(source, *news.end));
  source_failure_.Update(news.failure);  // what came before it is merged first
  return absl::OkStatus();
}

absl::StatusOr<Pipeline::Turn> Pipeline::merge() {
  set_state(PipelineState::merging);
  while (!stopping_) {
    SLUICE_ASSIGN_OR_RETURN(std::optional<merge::PulledTransaction> next, merger_.pop());
    if (!next) {
      const bool reached = options_.until && merger_.resolved().value >= options_.until->value;
      set_state(PipelineState::waiting);
      return reached || merger_.exhausted() ? Turn::done : Turn::idle;
    }
    if (options_.until && next->commit_ts > *options_.until) return Turn::done;
    SLUICE_RETURN_IF_ERROR(take(std::move(*next)));
    if (std::chrono::steady_clock::now() >= next_checkpoint_) SLUICE_RETURN_IF_ERROR(tend());
  }
  return Turn::done;
}

absl::Status Pipeline::take(merge::PulledTransaction pulled) {
  kept_bytes_ += pulled.wire_bytes;
  if (pulled.commit_ts <= status_.start) {
    const std::lock_guard lock(mutex_);
    ++status_.repeated;
    return absl::OkStatus();
  }
  SLUICE_ASSIGN_OR_RETURN(const std::shared_ptr<const change::Transaction> transaction, ports_.translate(pulled));
  if (transaction) {
    if (schema_versions_.empty() || transaction->schema_version > schema_versions_.back().second)
      schema_versions_.emplace_back(pulled.commit_ts, transaction->schema_version);
    const absl::Status submitted = ports_.sink.submit(transaction);
    if (!submitted.ok()) {
      sink_failed_ = true;
      return submitted;
    }
    count(*transaction, pulled);
  } else {
    const std::lock_guard lock(mutex_);
    ++status_.transactions;
    ++status_.skipped;
  }
  if (kept_bytes_ >= kCreditBytes) give_back_credit();
  return absl::OkStatus();
}

void Pipeline::count(const change::Transaction& transaction, const merge::PulledTransaction& pulled) {
  const std::lock_guard lock(mutex_);
  ++status_.transactions;
  status_.submitted = pulled.commit_ts;
  status_.state = PipelineState::opening_sink;
  status_.last_submit = std::chrono::steady_clock::now();
  status_.payload_bytes += pulled.payload ? pulled.payload->size() : 0;
  if (transaction.ddl) ++status_.ddls;
  for (const change::RowChange& row : transaction.rows) {
    if (row.kind == change::RowChangeKind::insert)
      ++status_.rows_inserted;
    else if (row.kind == change::RowChangeKind::update)
      ++status_.rows_updated;
    else
      ++status_.rows_removed;
  }
}

void Pipeline::give_back_credit() {
  kept_bytes_ = 0;
  for (size_t source = 0; source < given_back_.size(); ++source) {
    const uint64_t bytes = merger_.popped_bytes(source) - given_back_[source];
    if (bytes == 0) continue;
    given_back_[source] += bytes;
    ports_.consumed(source, bytes);
  }
}

// Nothing at or below the merged resolved ts comes any more; with --until nothing above it is promised.
absl::Status Pipeline::resolve_sink() {
  ResolvedTs resolved = merger_.resolved();
  {
    const std::lock_guard lock(mutex_);
    status_.resolved = std::max(resolved, ResolvedTs(status_.start.value));
    status_.duplicates = merger_.duplicates();
    status_.blocker = merger_.blocker();
  }
  if (merger_.exhausted() && options_.until)
    resolved = ResolvedTs(options_.until->value);
  else if (options_.until)
    resolved = std::min(resolved, ResolvedTs(options_.until->value));
  if (resolved <= sink_resolved_ || resolved.value <= status_.start.value) return absl::OkStatus();
  sink_resolved_ = resolved;
  absl::Status status = ports_.sink.resolve(resolved);
  sink_failed_ |= !status.ok();
  return status;
}

// The periodic duty between transactions.
absl::Status Pipeline::tend() {
  const auto now = std::chrono::steady_clock::now();
  if (const absl::Status status = ports_.sink.tend(); !status.ok()) {
    sink_failed_ = true;
    return status;
  }
  {
    const std::lock_guard lock(mutex_);
    status_.durable = std::max(status_.durable, ports_.sink.durable_through());
  }
  if (absl::Status health = ports_.sink.health(); !health.ok()) {
    sink_failed_ = true;
    return health;
  }
  if (now < next_checkpoint_) return absl::OkStatus();
  next_checkpoint_ = now + options_.checkpoint_interval;
  SLUICE_RETURN_IF_ERROR(remember_sources());
  return save_checkpoint(false);
}

absl::Status Pipeline::remember_sources() {
  std::vector<SourceProgress> progress;
  for (size_t source = 0; source < merger_.sources(); ++source)
    progress.push_back({.seen = merger_.last_of(source), .resolved = merger_.bound_of(source)});
  return ports_.remember(progress);
}

int64_t Pipeline::schema_version_at(CommitTs ts) {
  while (schema_versions_.size() > 1 && schema_versions_[1].first <= ts) schema_versions_.pop_front();
  const int64_t saved = ports_.checkpoint->saved().schema_version;
  return schema_versions_.empty() || schema_versions_.front().first > ts
             ? saved
             : std::max(saved, schema_versions_.front().second);
}

absl::Status Pipeline::save_checkpoint(bool clean_stop) {
  if (ports_.checkpoint == nullptr) return absl::OkStatus();
  const position::Savepoint& saved = ports_.checkpoint->saved();
  const CommitTs durable = std::max(ports_.sink.durable_through(), saved.commit_ts);  // INV-7
  if (durable == saved.commit_ts && clean_stop == saved.consistent) return absl::OkStatus();
  return ports_.checkpoint->save(
      {.consistent = clean_stop, .commit_ts = durable, .schema_version = schema_version_at(durable)});
}

absl::Status Pipeline::finish(absl::Status outcome) {
  if (!sink_failed_ && started_) {
    set_state(PipelineState::flushing);
    const absl::Status flushed = ports_.sink.flush();
    outcome.Update(flushed);
    {
      const std::lock_guard lock(mutex_);
      status_.durable = std::max(status_.durable, ports_.sink.durable_through());
    }
    outcome.Update(save_checkpoint(outcome.ok()));
  }
  if (started_) outcome.Update(remember_sources());
  ports_.sink.close();
  return outcome;
}

// Pumps that are idle may not know that somebody waits for them.
void Pipeline::ask_for_progress() {
  const auto blocker = merger_.blocker();
  if (!blocker) return;
  const std::optional<CommitTs> wanted = blocker->wanted ? blocker->wanted : options_.until;
  if (!wanted) return;
  for (size_t source = 0; source < wanted_.size(); ++source) {
    if (!merger_.may_send(source, *wanted) || wanted_[source] == *wanted) continue;
    wanted_[source] = *wanted;
    ports_.want(source, *wanted);
  }
}

void Pipeline::set_state(PipelineState state) {
  const std::lock_guard lock(mutex_);
  status_.state = state;
}

PipelineStatus Pipeline::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace sluice::drainer
