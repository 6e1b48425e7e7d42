#include "tools/loadgen/step_queue.h"

#include <algorithm>
#include <utility>

namespace sluice::loadgen {

Step StepQueue::take() {
  std::deque<Step>& from = again_.empty() ? waiting_ : again_;
  SLUICE_ASSERT(!from.empty(), "nothing waits");
  const Step step = from.front();
  from.pop_front();
  next_sequence_ += step.records;
  wire_bytes_ += step.bytes;
  on_wire_.push_back({.step = step, .last_sequence = next_sequence_ - 1, .nacked = false});
  return step;
}

std::vector<Step> StepQueue::nack(uint64_t first, uint64_t last, bool retryable) {
  std::vector<Step> named;
  const auto begin = std::lower_bound(on_wire_.begin(), on_wire_.end(), first, [](const Sent& sent, uint64_t sequence) {
    return sent.last_sequence < sequence;
  });
  for (auto sent = begin; sent != on_wire_.end() && sent->last_sequence - sent->step.records + 1 <= last; ++sent)
    if (!std::exchange(sent->nacked, true)) named.push_back(sent->step);
  if (retryable) wait_again(named);
  return named;
}

void StepQueue::reset() {
  std::vector<Step> steps;
  for (const Sent& sent : on_wire_)
    if (!sent.nacked) steps.push_back(sent.step);
  on_wire_.clear();
  wire_bytes_ = 0;
  next_sequence_ = 1;
  wait_again(std::move(steps));
}

void StepQueue::wait_again(std::vector<Step> steps) {
  again_.insert(again_.end(), steps.begin(), steps.end());
  std::sort(again_.begin(), again_.end(), [](const Step& a, const Step& b) { return a.order < b.order; });
}

}  // namespace sluice::loadgen
