#include "net/native/send_queue.h"

#include <algorithm>
#include <utility>

#include "base/record.h"
#include "base/status.h"
#include "net/native/frame.h"

namespace sluice::net {
namespace {

uint64_t count_records(ByteSpan run) {
  uint64_t records = 0;
  for (; !run.empty(); ++records) run = run.subspan(front_of_run(run, 1).size());
  return records;
}

absl::Status status_of(const Nack& nack) {
  if (nack.reason == NackReason::aborted) return absl::AbortedError(nack.text);
  return absl::FailedPreconditionError(nack.text);
}

}  // namespace

void SendQueue::push(std::string run, Done done) {
  unacked_bytes_ += run.size();
  const uint64_t order = next_order_++;
  waiting_.emplace_hint(waiting_.end(), order, Step{.order = order, .run = std::move(run), .done = std::move(done)});
}

std::optional<SendQueue::Frame> SendQueue::next_frame(uint64_t bytes_max, uint64_t window_bytes) {
  Frame frame{.first_sequence = next_sequence_, .run = {}};
  while (!waiting_.empty() && frame.run.size() < bytes_max) {
    const auto next = begun_ ? waiting_.find(*begun_) : waiting_.begin();
    Step& step = next->second;
    if (!step.begun() && wire_bytes_ + frame.run.size() >= window_bytes) break;
    // A frame is one or more whole steps, or parts of a large one: what follows doesn't wait for room in it.
    if (!frame.run.empty() && frame.run.size() + step.run.size() - step.sent_bytes > bytes_max) break;
    append_front_of(step, bytes_max - frame.run.size(), frame.run);
    begun_ = step.sent() ? std::nullopt : std::optional(step.order);
    if (begun_) break;
    on_wire_.push_back(std::move(step));
    waiting_.erase(next);
  }
  if (frame.run.empty()) return std::nullopt;
  frames_.push_back({.last_sequence = next_sequence_ - 1, .bytes = frame.run.size()});
  wire_bytes_ += frame.run.size();
  return frame;
}

void SendQueue::append_front_of(Step& step, uint64_t bytes_max, std::string& run) {
  const ByteSpan front = front_of_run(as_bytes(step.run).subspan(step.sent_bytes), bytes_max);
  if (!step.begun()) step.first_sequence = next_sequence_;
  next_sequence_ += count_records(front);
  step.last_sequence = next_sequence_ - 1;
  step.sent_bytes += front.size();
  run += as_text(front);
}

std::vector<SendQueue::Settled> SendQueue::ack(uint64_t through) {
  std::vector<Settled> settled;
  while (!on_wire_.empty() && on_wire_.front().last_sequence <= through) {
    settled.push_back(settle(on_wire_.front(), absl::OkStatus()));
    on_wire_.pop_front();
  }
  release_frames(through);
  return settled;
}

void SendQueue::release_frames(uint64_t through) {
  // A nack settles without an ack, so the oldest step still on the wire bounds it too.
  uint64_t settled_before = next_sequence_;
  if (begun_) settled_before = waiting_.at(*begun_).first_sequence;
  if (!on_wire_.empty()) settled_before = std::min(settled_before, on_wire_.front().first_sequence);
  while (!frames_.empty() &&
         (frames_.front().last_sequence <= through || frames_.front().last_sequence < settled_before)) {
    wire_bytes_ -= frames_.front().bytes;
    frames_.pop_front();
  }
}

SendQueue::NackOutcome SendQueue::nack(const Nack& nack) {
  NackOutcome outcome;
  std::deque<Step> kept;
  const auto touched = [&](const Step& step) {
    return step.begun() && step.first_sequence <= nack.last && step.last_sequence >= nack.first;
  };
  const auto decide = [&](Step step) {
    if (nack.retryable) {
      outcome.retry = true;
      wait_again(std::move(step));
    } else {
      outcome.settled.push_back(settle(step, status_of(nack)));
    }
  };
  for (Step& step : on_wire_) {
    if (touched(step)) {
      decide(std::move(step));
    } else {
      kept.push_back(std::move(step));
    }
  }
  on_wire_ = std::move(kept);
  if (begun_ && touched(waiting_.at(*begun_))) {
    auto node = waiting_.extract(*std::exchange(begun_, std::nullopt));
    decide(std::move(node.mapped()));
  }
  release_frames(0);
  return outcome;
}

void SendQueue::wait_again(Step step) {
  step.sent_bytes = 0;
  const uint64_t order = step.order;
  waiting_.emplace(order, std::move(step));
}

void SendQueue::reset() {
  for (Step& step : std::exchange(on_wire_, {})) wait_again(std::move(step));
  for (auto& [order, step] : waiting_) step.sent_bytes = 0;
  begun_.reset();
  frames_.clear();
  wire_bytes_ = 0;
  next_sequence_ = 1;
}

std::vector<SendQueue::Settled> SendQueue::fail_all(const absl::Status& why) {
  reset();
  std::vector<Settled> settled;
  for (auto& [order, step] : waiting_) settled.push_back(settle(step, why));
  waiting_.clear();
  return settled;
}

SendQueue::Settled SendQueue::settle(Step& step, absl::Status status) {
  unacked_bytes_ -= step.run.size();
  return {std::move(step.done), std::move(status)};
}

}  // namespace sluice::net
