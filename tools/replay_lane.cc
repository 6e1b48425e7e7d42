#include "tools/replay_lane.h"

#include "base/status.h"

namespace sluice::tools {
namespace {

// Beside the window in records: a run of 20 MB transactions must not pile up in memory.
constexpr uint64_t kUnackedBytesMax = 64u << 20;

}  // namespace

void ReplayLane::advance() {
  if (advancing_) return;  // an ack inside a send: the loop below goes on anyway
  advancing_ = true;
  while (fetch() && may_take_next()) {
    net::RecordedBinlog binlog = *std::exchange(next_, std::nullopt);
    if (must_wait(binlog))
      hold(std::move(binlog));
    else
      send(std::move(binlog));
  }
  advancing_ = false;
}

bool ReplayLane::fetch() {
  if (!status_.ok() || at_end_) return false;
  if (next_) return true;
  absl::StatusOr<std::optional<net::RecordedBinlog>> got = reader_->next();
  if (!got.ok()) {
    status_ = got.status();
    return false;
  }
  next_ = std::move(*got);
  at_end_ = !next_;
  return !at_end_;
}

bool ReplayLane::may_take_next() {
  waits_for_pace_ = false;
  const uint32_t records = in_flight_ + held_;
  if (records >= in_flight_max_ || (records > 0 && writer_->unacked_bytes() + held_bytes_ >= kUnackedBytesMax))
    return false;
  if (next_->step != net::BinlogStep::prewrite) return true;
  const auto due = context_.pacer.due();
  waits_for_pace_ = due && *due > context_.clock.now();
  return !waits_for_pace_;
}

bool ReplayLane::must_wait(const net::RecordedBinlog& binlog) const {
  const auto found = unsettled_.find(binlog.start);
  if (found == unsettled_.end()) return false;
  return !found->second.held.empty() || binlog.step != net::BinlogStep::prewrite;
}

void ReplayLane::hold(net::RecordedBinlog binlog) {
  ++held_;
  held_bytes_ += binlog.payload.size();
  unsettled_[binlog.start].held.push_back(std::move(binlog));
}

// A prewrite of `start` was acked: what waited for it goes out, up to the next one that must wait.
void ReplayLane::release(StartTs start) {
  const auto found = unsettled_.find(start);
  if (found == unsettled_.end() || --found->second.unacked_prewrites > 0) return;
  std::deque<net::RecordedBinlog> held = std::move(found->second.held);
  unsettled_.erase(found);
  for (net::RecordedBinlog& binlog : held) {
    --held_;
    held_bytes_ -= binlog.payload.size();
    if (must_wait(binlog))
      hold(std::move(binlog));
    else
      send(std::move(binlog));
  }
}

void ReplayLane::send(net::RecordedBinlog sent) {
  Pacer::Time since = context_.clock.now();
  if (sent.step == net::BinlogStep::prewrite) {
    since = context_.pacer.due().value_or(since);  // the intended time
    context_.pacer.take();
    ++unsettled_[sent.start].unacked_prewrites;
  }
  ++in_flight_;
  const net::RecordedBinlog what{.step = sent.step, .start = sent.start, .commit = sent.commit, .payload = {}};
  auto done = [this, what, bytes = sent.payload.size(), since](const absl::Status& outcome) {
    on_acked(what, bytes, since, outcome);
  };
  switch (sent.step) {
    case net::BinlogStep::prewrite:
      return writer_->prewrite(sent.start, PayloadFormat::tidb, as_bytes(sent.payload), std::move(done));
    case net::BinlogStep::commit:
      return writer_->commit(sent.start, sent.commit, std::move(done));
    case net::BinlogStep::rollback:
      return writer_->rollback(sent.start, std::move(done));
  }
}

void ReplayLane::on_acked(const net::RecordedBinlog& what, uint64_t payload_bytes, Pacer::Time since,
                          const absl::Status& outcome) {
  --in_flight_;
  if (!outcome.ok()) {
    status_.Update(annotate(outcome, fmt::format("start ts {}", what.start)));
    return context_.changed();
  }
  ReplayTotals& totals = context_.totals;
  switch (what.step) {
    case net::BinlogStep::prewrite:
      ++totals.prewrites;
      break;
    case net::BinlogStep::commit:
      ++totals.commits;
      break;
    case net::BinlogStep::rollback:
      ++totals.rollbacks;
      break;
  }
  totals.payload_bytes += payload_bytes;
  totals.latency.add(context_.clock.now() - since);
  if (what.step == net::BinlogStep::prewrite) release(what.start);
  advance();
  context_.changed();
}

}  // namespace sluice::tools
