#include "tools/loadgen/write_lane.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/record.h"
#include "base/status.h"
#include "net/native/messages.h"

namespace sluice::loadgen {
namespace {

using net::FrameType;

constexpr uint64_t kWindowBytesDefault = 16u << 20;
constexpr uint64_t kOutboundBytesMax = 4u << 20;
// Steps that are ready share a frame up to this size; larger ones cost latency and save nothing.
constexpr uint64_t kFrameBytesTarget = 256u << 10;
constexpr size_t kScratchBytesKept = size_t{4} << 20;
constexpr std::chrono::milliseconds kBackoffMin{20};
constexpr std::chrono::milliseconds kBackoffMax{1'000};
constexpr std::chrono::milliseconds kWatchEvery{250};
constexpr uint32_t kStartPoolMin = 64;
constexpr uint32_t kStartPoolMax = 1u << 16;

uint32_t records_of(uint64_t payload_bytes) {
  return static_cast<uint32_t>(std::max<uint64_t>(1, (payload_bytes + kRecordBodyBytesMax - 1) / kRecordBodyBytesMax));
}

uint64_t next_random(uint64_t& state) {  // splitmix64
  uint64_t x = state += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

WriteLane::WriteLane(LaneOptions options, const Content& content, net::EventLoop& loop, Done done)
    : options_(std::move(options)),
      content_(content),
      loop_(loop),
      done_(std::move(done)),
      random_(content.seed() * 0x2545f4914f6cdd1d + options_.worker),
      pace_timer_(loop.context()),
      reconnect_(options_.pump, kBackoffMin, kBackoffMax),
      connect_timer_(loop),
      retry_timer_(loop),
      watch_timer_(loop),
      alive_(std::make_shared<bool>(true)) {
  if (options_.workload != nullptr) pace_.emplace(*options_.workload, options_.worker, options_.workers);
}

WriteLane::~WriteLane() {
  *alive_ = false;
  pace_timer_.cancel();
  if (session_) session_->drop();
}

void WriteLane::start(TimePoint begin) {
  begin_time_ = last_progress_ = begin;
  oracle_ = net::OracleClient::open({.address = options_.oracle, .cluster_id = options_.cluster_id, .name = "loadgen"},
                                    loop_);
  fetch_start_ts();
  connect();
  watch();
}

void WriteLane::stop() {
  stopping_ = true;
  finish_if_done();
}

Histogram WriteLane::take_interval() {
  return std::exchange(interval_, Histogram());
}

// Beginning transactions

TimePoint WriteLane::next_intended(TimePoint now) const {
  if (pace_) return begin_time_ + pace_->front()->at;
  if (options_.rate <= 0) return now;
  // The lanes' turns lie between each other.
  const double turn = static_cast<double>(begun_) + static_cast<double>(options_.worker) / options_.workers;
  return begin_time_ +
         std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(turn / options_.rate));
}

void WriteLane::wait_until(TimePoint intended) {
  if (std::exchange(pace_waits_, true)) return;
  pace_timer_.expires_at(intended);
  pace_timer_.async_wait([this, alive = alive_](const boost::system::error_code&) {
    if (!*alive) return;
    pace_waits_ = false;
    begin_what_is_due();
  });
}

bool WriteLane::may_begin() const {
  return !over_ && !all_begun() && live_ < options_.in_flight;
}

void WriteLane::begin_what_is_due() {
  const TimePoint now = std::chrono::steady_clock::now();
  while (may_begin()) {
    const TimePoint intended = next_intended(now);
    if (intended > now) return wait_until(intended);
    if (pool_.now.count == 0 && pool_.next.count == 0) return fetch_start_ts();
    const Phase* const huge = pace_ ? pace_->front()->huge : nullptr;
    begin(huge != nullptr ? PayloadKind::transaction : pick_kind(), intended, huge);
    if (pace_) pace_->pop();
    ++begun_;
  }
  finish_if_done();
}

PayloadKind WriteLane::pick_kind() {
  if (options_.rollback_share <= 0 && options_.open_share <= 0) return PayloadKind::transaction;
  const double point = static_cast<double>(next_random(random_) >> 11) * 0x1p-53;
  if (point < options_.rollback_share) return PayloadKind::rolled_back;
  if (point < options_.rollback_share + options_.open_share) return PayloadKind::open;
  return PayloadKind::transaction;
}

// A payload of tables is as large as it turns out to be; only a huge one is made to learn that, the others are small.
uint64_t WriteLane::payload_bytes_of(const Transaction& transaction, const Phase* huge) {
  if (transaction.kind == PayloadKind::summary) return kPayloadHeaderBytes + kSummaryBytes + 8;
  if (huge == nullptr) return options_.payload_bytes;
  if (options_.tables == nullptr) return huge->huge_payload_bytes;
  options_.tables->make(options_.worker, transaction.kind, transaction.sequence, transaction.start, scratch_,
                        transaction.huge_rows);
  return scratch_.size();
}

void WriteLane::begin(PayloadKind kind, TimePoint intended, const Phase* huge) {
  const std::optional<StartTs> start = take_start_ts();
  SLUICE_ASSERT(start.has_value(), "no start ts");
  const uint64_t id = first_id_ + transactions_.size();
  transactions_.push_back({.kind = kind,
                           .state = State::prewriting,
                           .start = *start,
                           .commit = {},
                           .sequence = ++sequences_[static_cast<size_t>(kind)],
                           .payload_bytes = 0,
                           .huge_rows = huge != nullptr ? static_cast<uint32_t>(huge->huge_rows) : 0,
                           .intended = intended,
                           .end_sent = {}});
  ++live_;
  const uint64_t bytes = payload_bytes_of(transactions_.back(), huge);
  transactions_.back().payload_bytes = bytes;
  const uint32_t records = records_of(bytes);
  steps_.push(id, StepKind::prewrite, records, static_cast<uint32_t>(bytes + records * kRecordHeaderBytesMax));
  schedule_send();
}

std::optional<StartTs> WriteLane::take_start_ts() {
  if (pool_.now.count == 0) pool_.now = std::exchange(pool_.next, {});
  if (pool_.now.count == 0) return std::nullopt;
  const StartTs start(pool_.now.first.value++);
  --pool_.now.count;
  if (pool_.next.count == 0) fetch_start_ts();
  return start;
}

void WriteLane::fetch_start_ts() {
  if (over_ || std::exchange(pool_.asked, true)) return;
  const uint32_t count = std::clamp(options_.in_flight * 2, kStartPoolMin, kStartPoolMax);
  oracle_->fetch(count, [this](const absl::StatusOr<net::TsoRange>& range) {
    pool_.asked = false;
    if (over_) return;
    if (!range.ok()) {
      if (absl::IsFailedPrecondition(range.status())) return fail(annotate(range.status(), "oracle"));
      trouble_ = message_of(range.status());
      return fetch_start_ts();
    }
    (pool_.now.count == 0 ? pool_.now : pool_.next) = *range;
    begin_what_is_due();
  });
}

// Settling transactions

void WriteLane::settle(const Step& step, TimePoint now) {
  Transaction& transaction = at(step.transaction);
  if (step.kind != StepKind::prewrite) {
    if (step.kind == StepKind::commit && transaction.kind != PayloadKind::summary)
      totals_.commit.add(now - transaction.end_sent);
    return settle_transaction(transaction, now);
  }
  if (transaction.kind != PayloadKind::summary) totals_.prewrite.add(now - transaction.intended);
  switch (transaction.kind) {
    case PayloadKind::transaction:
    case PayloadKind::summary:
      transaction.state = State::prewritten;
      return;
    case PayloadKind::rolled_back:
      transaction.state = State::ending;
      return steps_.push(step.transaction, StepKind::rollback, 1, kRecordHeaderBytesMin);
    case PayloadKind::open:
      return settle_transaction(transaction, now);
  }
}

void WriteLane::settle_transaction(Transaction& transaction, TimePoint now) {
  transaction.state = State::settled;
  --live_;
  if (transaction.kind == PayloadKind::summary) return;
  ++totals_.transactions;
  totals_.last_commit = std::max(totals_.last_commit, transaction.commit);
  totals_.payload_bytes += transaction.payload_bytes;
  totals_.commits += transaction.kind == PayloadKind::transaction ? 1 : 0;
  totals_.rollbacks += transaction.kind == PayloadKind::rolled_back ? 1 : 0;
  totals_.open += transaction.kind == PayloadKind::open ? 1 : 0;
  if (options_.keeps_journal)
    journal_.push_back({.kind = transaction.kind,
                        .sequence = transaction.sequence,
                        .start = transaction.start,
                        .commit = transaction.commit,
                        .end_sent = transaction.end_sent});
  if (transaction.huge_rows != 0)
    huge_.push_back({.worker = options_.worker, .sequence = transaction.sequence, .rows = transaction.huge_rows});
  totals_.transaction.add(now - transaction.intended);
  interval_.add(now - transaction.intended);
}

void WriteLane::ask_for_commit_ts() {
  if (over_ || commit_ts_asked_) return;
  commit_next_ = std::max(commit_next_, first_id_);
  uint64_t id = commit_next_;
  uint32_t wanted = 0;
  for (const uint64_t end = first_id_ + transactions_.size(); id < end; ++id) {
    const Transaction& transaction = at(id);
    const bool commits = transaction.kind == PayloadKind::transaction || transaction.kind == PayloadKind::summary;
    if (commits && transaction.state != State::prewritten) break;
    wanted += commits ? 1 : 0;
  }
  if (wanted == 0) return;
  commit_asked_ = id;
  commit_ts_asked_ = true;
  oracle_->fetch(wanted, [this](const absl::StatusOr<net::TsoRange>& range) {
    commit_ts_asked_ = false;
    if (over_) return;
    if (range.ok()) {
      give_commit_ts(*range);
    } else {
      if (absl::IsFailedPrecondition(range.status())) return fail(annotate(range.status(), "oracle"));
      trouble_ = message_of(range.status());
    }
    ask_for_commit_ts();
  });
}

void WriteLane::give_commit_ts(const net::TsoRange& range) {
  const TimePoint now = std::chrono::steady_clock::now();
  uint64_t given = 0;
  for (uint64_t id = std::max(commit_next_, first_id_); id < commit_asked_ && given < range.count; ++id) {
    Transaction& transaction = at(id);
    commit_next_ = id + 1;
    if (transaction.state != State::prewritten) continue;  // it needs none
    transaction.commit = CommitTs(range.first.value + given++);
    transaction.state = State::ending;
    transaction.end_sent = now;
    if (transaction.kind == PayloadKind::transaction) {
      summary_.fold += fold_transaction(transaction.sequence, transaction.start, transaction.commit);
      summary_.last_commit = transaction.commit.value;
      if (options_.commit_times != nullptr) options_.commit_times->note(options_.worker, transaction.sequence, now);
    }
    steps_.push(id, StepKind::commit, 1, kRecordHeaderBytesMin + 8);
  }
  schedule_send();
}

void WriteLane::finish_if_done() {
  if (over_ || !all_begun() || live_ != 0) return;
  if (options_.tables == nullptr && !summary_begun_) {
    if (pool_.now.count == 0 && pool_.next.count == 0) return fetch_start_ts();
    summary_begun_ = true;
    summary_.workers = options_.workers;
    summary_.transactions = totals_.commits;
    summary_.rolled_back = totals_.rollbacks;
    summary_.open = totals_.open;
    return begin(PayloadKind::summary, std::chrono::steady_clock::now());
  }
  over_ = true;
  watch_timer_.cancel();
  if (session_) {
    session_->send(FrameType::goodbye, 0, {});
    std::exchange(session_, nullptr)->drop();
  }
  done_(absl::OkStatus());
}

// The connection

void WriteLane::connect() {
  session_ = net::ClientSession::open(
      loop_, options_.pump, {.role = net::PeerRole::writer, .cluster_id = options_.cluster_id, .name = "loadgen"},
      {.on_welcome = [this](const net::Welcome& welcome) { on_welcome(welcome); },
       .on_control = [this](FrameType type, ByteSpan body) { return on_control(type, body); },
       .on_run = nullptr,
       .may_take_run = nullptr,
       .on_drained = [this] { send_what_fits(); },
       .on_closed = [this](const absl::Status& why) { on_closed(why); }});
}

void WriteLane::on_welcome(const net::Welcome& welcome) {
  if (welcome.time_source == net::TimeSource::writer)
    return fail(absl::FailedPreconditionError(fmt::format(
        "pump {} takes time from its writer, and loadgen takes timestamps from an oracle: use a pump that was "
        "started with --time embedded (or pd) on an empty data folder",
        options_.pump)));
  welcomed_ = true;
  window_bytes_ = welcome.writer_window_bytes == 0 ? kWindowBytesDefault : welcome.writer_window_bytes;
  frame_bytes_max_ = net::kBulkBodyBytesTarget;
  if (welcome.frame_body_bytes_max != 0)
    frame_bytes_max_ = std::min<uint64_t>(frame_bytes_max_, welcome.frame_body_bytes_max);
  totals_.reconnects += std::exchange(connected_before_, true) ? 1 : 0;
  reconnect_.connected();
  begin_what_is_due();
  send_what_fits();
}

absl::Status WriteLane::on_control(FrameType type, ByteSpan body) {
  switch (type) {
    case FrameType::ack: {
      SLUICE_ASSIGN_OR_RETURN(const uint64_t through, net::decode_ack(body));
      on_acked(through);
      return absl::OkStatus();
    }
    case FrameType::nack: {
      SLUICE_ASSIGN_OR_RETURN(const net::Nack nack, net::decode_nack(body));
      on_nack(nack);
      return absl::OkStatus();
    }
    case FrameType::goodbye:  // the pump stops: we come back when it does
      session_->send(FrameType::goodbye, 0, {});
      session_->close(absl::UnavailableError("the pump said goodbye"));
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(fmt::format("frame type {} isn't for a writer", static_cast<int>(type)));
  }
}

void WriteLane::on_acked(uint64_t through) {
  if (over_) return;
  const TimePoint now = std::chrono::steady_clock::now();
  last_progress_ = now;
  retry_backoff_ = std::chrono::milliseconds(0);
  steps_.ack(through, [&](const Step& step) { settle(step, now); });
  while (!transactions_.empty() && transactions_.front().state == State::settled) {
    transactions_.pop_front();
    ++first_id_;
  }
  ask_for_commit_ts();
  begin_what_is_due();
  schedule_send();
}

void WriteLane::on_nack(const net::Nack& nack) {
  if (over_) return;
  const std::vector<Step> named = steps_.nack(nack.first, nack.last, nack.retryable);
  if (named.empty()) return;
  trouble_ = fmt::format("pump {} refuses: {}", options_.pump, nack.text);
  if (!nack.retryable) return fail(absl::FailedPreconditionError(trouble_));
  totals_.retries += named.size();
  // Pausing all keeps the order: what follows would overtake what must go again.
  retry_backoff_ = std::clamp(retry_backoff_ * 2, kBackoffMin, kBackoffMax);
  retry_timer_.set(retry_backoff_, [this] { send_what_fits(); });
}

void WriteLane::on_closed(const absl::Status& why) {
  session_ = nullptr;
  welcomed_ = false;
  retry_timer_.cancel();
  if (over_) return;
  steps_.reset();
  forget_run();
  if (absl::IsFailedPrecondition(why)) return fail(why);
  trouble_ = message_of(why);
  connect_timer_.set(reconnect_.lost(std::chrono::steady_clock::now(), trouble_), [this] { connect(); });
}

// Once a loop turn, so that what became ready in it shares a frame.
void WriteLane::schedule_send() {
  if (std::exchange(send_scheduled_, true)) return;
  loop_.post([this, alive = alive_] {
    if (!*alive) return;
    send_scheduled_ = false;
    send_what_fits();
  });
}

void WriteLane::send_what_fits() {
  if (over_ || !welcomed_ || retry_timer_.pending()) return;
  while (session_->queued_bytes() < kOutboundBytesMax) {
    if (!rest_of_run_.empty()) {
      send_front_of_run();
      continue;
    }
    if (!steps_.ready(window_bytes_)) return;
    const uint64_t first = steps_.next_sequence();
    std::string run;
    while (run.size() < kFrameBytesTarget && steps_.ready(window_bytes_)) append_step(steps_.take(), run);
    if (run.size() <= frame_bytes_max_) {
      session_->send(FrameType::write, first, std::move(run));
      continue;
    }
    large_run_ = std::move(run);
    rest_of_run_ = as_bytes(large_run_);
    rest_sequence_ = first;
  }
}

void WriteLane::append_step(const Step& step, std::string& run) {
  Transaction& transaction = at(step.transaction);
  switch (step.kind) {
    case StepKind::commit:
      return encode_commit(transaction.start, transaction.commit, run);
    case StepKind::rollback:
      return encode_rollback(transaction.start, run);
    case StepKind::prewrite:
      break;
  }
  if (options_.tables != nullptr) {
    options_.tables->make(options_.worker, transaction.kind, transaction.sequence, transaction.start, scratch_,
                          transaction.huge_rows);
    SLUICE_ASSERT(records_of(scratch_.size()) == records_of(transaction.payload_bytes), "bytes={} promised={}",
                  scratch_.size(), transaction.payload_bytes);  // a record, a sequence
    transaction.payload_bytes = scratch_.size();
    return encode_prewrite(transaction.start, PayloadFormat::tidb, as_bytes(scratch_), run);
  }
  const PayloadHeader header{.kind = transaction.kind,
                             .worker = options_.worker,
                             .seed = content_.seed(),
                             .run = options_.run,
                             .sequence = transaction.sequence,
                             .start = transaction.start,
                             .payload_bytes = static_cast<uint32_t>(transaction.payload_bytes)};
  if (transaction.kind == PayloadKind::summary)
    content_.make_summary(header, summary_, scratch_);
  else
    content_.make(header, scratch_);
  encode_prewrite(transaction.start, PayloadFormat::native, as_bytes(scratch_), run);
}

// A connection queues only so much: what a large transaction is made of follows as it drains.
void WriteLane::send_front_of_run() {
  const ByteSpan front = net::front_of_run(rest_of_run_, frame_bytes_max_);
  uint64_t records = 0;
  const absl::Status own = for_each_record(front, {.verify_body = false}, [&](const RecordView&) {
    ++records;
    return absl::OkStatus();
  });
  SLUICE_ASSERT(own.ok(), "{}", message_of(own));
  session_->send(FrameType::write, rest_sequence_, std::string(as_text(front)));
  rest_sequence_ += records;
  rest_of_run_ = rest_of_run_.subspan(front.size());
  if (rest_of_run_.empty()) forget_run();
}

void WriteLane::forget_run() {
  rest_of_run_ = {};
  large_run_ = {};
  if (scratch_.capacity() > kScratchBytesKept) scratch_ = {};
}

// Ends a write that makes no progress, whatever the reason.
void WriteLane::watch() {
  watch_timer_.set(kWatchEvery, [this] {
    if (over_) return;
    const TimePoint now = std::chrono::steady_clock::now();
    const bool idle = live_ == 0 && welcomed_ && pace_waits_;
    if (idle) last_progress_ = now;
    if (options_.give_up_after.count() != 0 && now - last_progress_ > options_.give_up_after)
      return fail(
          absl::UnavailableError(fmt::format("pump {}: nothing acked for {} ms{}{}", options_.pump,
                                             options_.give_up_after.count(), trouble_.empty() ? "" : ": ", trouble_)));
    watch();
  });
}

void WriteLane::fail(const absl::Status& why) {
  if (std::exchange(over_, true)) return;
  connect_timer_.cancel();
  retry_timer_.cancel();
  done_(why);
}

}  // namespace sluice::loadgen
