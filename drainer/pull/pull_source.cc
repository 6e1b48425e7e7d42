#include "drainer/pull/pull_source.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/record.h"
#include "base/status.h"
#include "net/native/pull_client.h"

namespace sluice::drainer::pull {
namespace {

// A pump that has used up its credit in the middle of a transaction is lent this much more at a time.
constexpr uint64_t kOverdraftBytes = uint64_t{4} * kRecordBytesMax;

std::string gap_text(const net::Gap& gap, CommitTs cursor) {
  if (gap.kind == net::GapKind::purged)
    return fmt::format(
        "has purged its binlogs up to {}, and this drainer stands at {}: {}. What lies between can't be had any more: "
        "load the "
        "downstream anew from a dump of the upstream and start with an empty --data-dir and --initial-commit-ts at the "
        "dump's ts",
        gap.first_available, cursor, gap.text);
  return fmt::format(
      "has lost binlogs above {} (up to {}): {}. Repair its data folder, or load the downstream anew from a dump of "
      "the upstream "
      "and start with an empty --data-dir and --initial-commit-ts at the dump's ts",
      gap.after, gap.first_available, gap.text);
}

}  // namespace

std::string_view to_string(PullState state) {
  switch (state) {
    case PullState::connecting:
      return "connecting";
    case PullState::pulling:
      return "pulling";
    case PullState::waiting:
      return "waiting";
    case PullState::ended:
      return "ended";
    case PullState::failed:
      return "failed";
  }
  return "unknown";
}

PullSource::PullSource(PullSourceOptions options, PullSourcePorts ports)
    : options_(std::move(options)),
      ports_(std::move(ports)),
      timer_(std::make_unique<net::LoopTimer>(ports_.loop)),
      cursor_(options_.after),
      witness_(options_.seen),
      witness_pending_(witness_.value > 0),
      nothing_until_(options_.resolved),
      backoff_(options_.backoff_min) {
  cursor_ = pull_after();
}

PullSource::~PullSource() {
  drop_session();
}

std::string PullSource::name() const {
  return node_id_.empty() ? options_.address : fmt::format("{} ({})", node_id_, options_.address);
}

void PullSource::start() {
  away_since_ = std::chrono::steady_clock::now();
  connect();
}

// So that the witness comes first, when it doesn't lie ahead anyway.
CommitTs PullSource::pull_after() const {
  return witness_pending_ ? std::min(cursor_, CommitTs(witness_.value - 1)) : cursor_;
}

void PullSource::connect() {
  drop_session();
  if (transactions_ > 0 && !(witness_pending_ && witness_ > cursor_)) {
    witness_ = cursor_;
    witness_pending_ = true;
  }
  session_ = std::make_shared<int>(0);
  state_ = PullState::connecting;
  assembler_.reset();
  partial_bytes_ = 0;
  pump_credit_ = 0;
  ports_.pool.set_held(options_.index, held_bytes());
  const uint64_t room = std::min(ports_.pool.room(options_.index), options_.window_bytes);
  const uint64_t credit = queued_bytes_ == 0 ? std::max<uint64_t>(room, kRecordBytesMax) : room;
  pump_credit_ = static_cast<int64_t>(credit);
  ports_.pool.set_held(options_.index, held_bytes());

  // Runs `then` on this object unless its session has been dropped meanwhile.
  const auto guarded = [this, session = std::weak_ptr(session_)](auto method) {
    return [this, session, method](auto&&... arguments) {
      if (!session.expired()) (this->*method)(std::forward<decltype(arguments)>(arguments)...);
    };
  };
  client_ = net::PullClient::open({.address = options_.address,
                                   .cluster_id = 0,
                                   .name = options_.drainer_name,
                                   .after = pull_after(),
                                   .credit_bytes = credit},
                                  ports_.loop,
                                  {.on_welcome = guarded(&PullSource::on_welcome),
                                   .on_data = guarded(&PullSource::on_data),
                                   .on_resolved = guarded(&PullSource::on_resolved),
                                   .on_gap = guarded(&PullSource::on_gap),
                                   .on_end = guarded(&PullSource::on_end),
                                   .on_closed = guarded(&PullSource::on_closed)});
  want_pending_ = wanted_.value > 0;
}

void PullSource::drop_session() {
  timer_->cancel();
  session_.reset();
  if (!client_) return;
  client_->close();
  // We may be inside one of its callbacks: it goes on the loop's next turn.
  ports_.loop.post([client = std::shared_ptr<net::PullClient>(std::move(client_))] {});
}

void PullSource::on_welcome(const net::Welcome& welcome) {
  node_id_ = welcome.node_id;
  const auto admission = ports_.admit(options_.index, welcome);
  if (!admission.ok()) return fail(admission.status());
  const bool first = !floor_ && transactions_ == 0;
  if (admission->pulled_through && first && *admission->pulled_through < options_.after) {
    // From where it was last seen, to find out whether it holds what this drainer has passed without it.
    floor_ = options_.after;
    cursor_ = std::min(cursor_, *admission->pulled_through);
    join_pending_ = true;
    return connect();
  }
  state_ = PullState::pulling;
  came_back();
  spdlog::info("pulling from pump pump={} node={} cluster={} after={}", options_.address, node_id_, welcome.cluster_id,
               cursor_);
}

void PullSource::came_back() {
  reason_.clear();
  const auto since = away_pace_.went_on();
  if (since)
    spdlog::info("the pump is back pump={} node={} after_seconds={:.1f}", options_.address, node_id_,
                 std::chrono::duration<double>(std::chrono::steady_clock::now() - *since).count());
  away_since_.reset();
}

// A session that serves: the next trouble is a new one.
void PullSource::heard_from_pump() {
  backoff_ = options_.backoff_min;
  if (std::exchange(want_pending_, false) && wanted_.value > resolved_.value) client_->want(wanted_);
}

absl::Status PullSource::prove_join() {
  return std::exchange(join_pending_, false) ? ports_.proven(options_.index) : absl::OkStatus();
}

void PullSource::on_data(std::string run) {
  heard_from_pump();
  pump_credit_ -= static_cast<int64_t>(run.size());
  received_bytes_ += run.size();
  partial_bytes_ += run.size();
  const absl::Status status =
      assembler_.feed(as_bytes(run), [this](merge::PulledTransaction t) { return take(std::move(t)); });
  if (!status.ok()) return fail(annotate(status, fmt::format("pump {}", name())));
  if (state_ != PullState::failed) top_up_credit();
}

absl::Status PullSource::take(merge::PulledTransaction transaction) {
  const CommitTs ts = transaction.commit_ts;
  if (ts > witness_) {
    SLUICE_RETURN_IF_ERROR(check_passed("commit ts", ts.value));
    if (witness_.value > 0 && ts.value <= nothing_until_.value)
      return absl::FailedPreconditionError(fmt::format(
          "BEHIND/{}: it holds commit ts {}, which this drainer never pulled from it though it had come to {} there. "
          "Find out where that transaction came from (a restored folder?); load the downstream anew and start with an "
          "empty --data-dir",
          node_id_, ts, nothing_until_));
  } else if (ts == witness_ && std::exchange(witness_pending_, false) && ts <= cursor_) {
    partial_bytes_ -= transaction.wire_bytes;  // it was given on before this session
    return absl::OkStatus();
  }
  if (floor_ && ts <= *floor_ && ts > witness_)
    return absl::FailedPreconditionError(fmt::format(
        "BEHIND/{}: it holds commit ts {}, which this drainer (at {}) never pulled from it. Leave this pump out, "
        "or load the downstream anew and start with an empty --data-dir",
        node_id_, ts, *floor_));
  if (ts <= cursor_ || ts.value <= resolved_.value)
    return absl::DataLossError(
        fmt::format("went back: commit ts {} after commit ts {} and resolved ts {}", ts, cursor_, resolved_));
  SLUICE_RETURN_IF_ERROR(prove_join());
  cursor_ = ts;
  partial_bytes_ -= transaction.wire_bytes;
  queued_bytes_ += transaction.wire_bytes;
  ++transactions_;
  ports_.inbox.push(options_.index, std::move(transaction));
  return absl::OkStatus();
}

// The pump says that it has passed the witness without sending it.
absl::Status PullSource::check_passed(std::string_view what, uint64_t ts) const {
  if (!witness_pending_ || ts < witness_.value) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "has a new or rewound log: it goes on with {} {} and no longer has commit ts {}, which had come from it. What it "
      "had acknowledged and this drainer hadn't pulled is gone. Stop the pump and give it back the folder it had; if "
      "that is lost, load the downstream anew from a dump of the upstream and start with an empty --data-dir and "
      "--initial-commit-ts at the dump's ts",
      what, ts, witness_));
}

void PullSource::on_resolved(ResolvedTs ts) {
  heard_from_pump();
  if (const absl::Status passed = check_passed("resolved ts", ts.value); !passed.ok())
    return fail(annotate(passed, fmt::format("pump {}", name())));
  if (ts <= resolved_) return;  // a restarted pump may know less than it did; what it said still holds (INV-3)
  resolved_ = ts;
  if (floor_ && ts.value >= floor_->value) {
    if (const absl::Status status = prove_join(); !status.ok()) return fail(status);
  }
  ports_.inbox.resolve(options_.index, ts);
}

void PullSource::on_gap(const net::Gap& gap) {
  fail(absl::DataLossError(fmt::format("pump {} {}", name(), gap_text(gap, cursor_))));
}

void PullSource::on_end(CommitTs final_ts) {
  if (assembler_.is_partial())
    return fail(absl::DataLossError(fmt::format("pump {} ended within a transaction", name())));
  if (const absl::Status passed = check_passed("its end at", final_ts.value); !passed.ok())
    return fail(annotate(passed, fmt::format("pump {}", name())));
  if (const absl::Status status = ports_.ended(options_.index, final_ts); !status.ok()) return fail(status);
  spdlog::info("pump has ended pump={} node={} final_ts={}", options_.address, node_id_, final_ts);
  state_ = PullState::ended;
  ports_.inbox.end(options_.index, final_ts);
  drop_session();
}

void PullSource::on_closed(const absl::Status& why) {
  if (why.code() == absl::StatusCode::kFailedPrecondition)
    return fail(annotate(why, fmt::format("pump {} refuses this drainer", name())));
  reconnect_later(why.ok() ? "the pump closed the session" : std::string(message_of(why)));
}

void PullSource::reconnect_later(std::string reason) {
  state_ = PullState::waiting;
  const auto now = std::chrono::steady_clock::now();
  if (!away_since_) away_since_ = now;
  if (away_pace_.failed(now).say)
    spdlog::warn("waiting for pump pump={} node={} received={} since_seconds={:.1f} reason=\"{}\"", options_.address,
                 node_id_, cursor_, std::chrono::duration<double>(now - *away_since_).count(), reason);
  reason_ = std::move(reason);
  ++reconnects_;
  timer_->set(std::exchange(backoff_, std::min(backoff_ * 2, options_.backoff_max)), [this] { connect(); });
}

void PullSource::fail(const absl::Status& why) {
  state_ = PullState::failed;
  reason_ = std::string(message_of(why));
  ports_.inbox.fail(options_.index, why);
  drop_session();
}

void PullSource::consumed(uint64_t wire_bytes) {
  queued_bytes_ -= std::min(queued_bytes_, wire_bytes);
  top_up_credit();
}

void PullSource::want(CommitTs ts) {
  wanted_ = ts;
  if (state_ == PullState::pulling && !want_pending_) client_->want(ts);
}

uint64_t PullSource::held_bytes() const {
  return static_cast<uint64_t>(std::max<int64_t>(pump_credit_, 0)) + queued_bytes_ + partial_bytes_;
}

void PullSource::top_up_credit() {
  const uint64_t held = held_bytes();
  ports_.pool.set_held(options_.index, held);
  if (state_ != PullState::pulling) return;
  uint64_t grant =
      std::min(ports_.pool.room(options_.index), options_.window_bytes - std::min(held, options_.window_bytes));
  // Nothing whole is here and the pump may not send even one record: without a loan the merge would wait for ever.
  const bool stuck = queued_bytes_ == 0 && pump_credit_ < int64_t{kRecordBytesMax};
  if (stuck) grant = std::max(grant, kOverdraftBytes);
  // Small grants cost a frame each; a pump with credit left can wait for a larger one.
  if (grant == 0 || (!stuck && pump_credit_ > 0 && grant < options_.window_bytes / 4)) return;
  const uint64_t overdrawn = static_cast<uint64_t>(std::max<int64_t>(-pump_credit_, 0));
  client_->grant(grant + overdrawn);
  pump_credit_ += static_cast<int64_t>(grant + overdrawn);
  ports_.pool.set_held(options_.index, held_bytes());
}

PullSourceStatus PullSource::status() const {
  return {.address = options_.address,
          .node_id = node_id_,
          .state = state_,
          .reason = reason_,
          .away_since = away_since_,
          .received = cursor_,
          .resolved = resolved_,
          .buffered_bytes = queued_bytes_ + partial_bytes_,
          .received_bytes = received_bytes_,
          .transactions = transactions_,
          .reconnects = reconnects_};
}

}  // namespace sluice::drainer::pull
