// The steps of one connection that aren't settled: waiting, or on the wire with which sequences. Pure.
//
// The twin of net/native/send_queue.h for a writer that can make its bytes again: what is kept of a step is a few
// words, not its record and a callback, so that millions of small steps a second cost neither memory nor allocations.
//
// Contract: steps come out in the order they went in; after reset() or a retryable nack the affected ones come out
//           again, in that order, before the rest.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/assert.h"

namespace sluice::loadgen {

enum class StepKind : uint8_t { prewrite, commit, rollback };

struct Step {
  uint64_t transaction = 0;
  uint64_t order = 0;    // of its push
  uint32_t records = 1;  // sequences it takes
  uint32_t bytes = 0;
  StepKind kind{};
};

class StepQueue {
 public:
  void push(uint64_t transaction, StepKind kind, uint32_t records, uint32_t bytes) {
    waiting_.push_back(
        {.transaction = transaction, .order = next_order_++, .records = records, .bytes = bytes, .kind = kind});
  }

  // Something waits, and the window has room for more (the last step may exceed it).
  [[nodiscard]] bool ready(uint64_t window_bytes) const {
    return (!again_.empty() || !waiting_.empty()) && wire_bytes_ < window_bytes;
  }
  [[nodiscard]] bool empty() const { return again_.empty() && waiting_.empty() && on_wire_.empty(); }
  [[nodiscard]] uint64_t next_sequence() const { return next_sequence_; }
  [[nodiscard]] uint64_t wire_bytes() const { return wire_bytes_; }

  // The next step, which is on the wire from now on. Something must wait.
  [[nodiscard]] Step take();

  // Everything up to `through` is durable but for what nacks named: calls `settled` with each step, in order.
  template <class Settled>
  void ack(uint64_t through, Settled&& settled) {
    while (!on_wire_.empty() && on_wire_.front().last_sequence <= through) {
      const Sent sent = on_wire_.front();
      on_wire_.pop_front();
      wire_bytes_ -= sent.step.bytes;
      if (!sent.nacked) settled(sent.step);
    }
  }

  // The steps with any of these sequences: to be sent again when `retryable`. Returns them.
  std::vector<Step> nack(uint64_t first, uint64_t last, bool retryable);

  // The connection is gone: all steps wait again, sequences start at 1.
  void reset();

 private:
  struct Sent {
    Step step;
    uint64_t last_sequence = 0;
    bool nacked = false;  // it isn't settled by an ack: it failed or waits again
  };

  void wait_again(std::vector<Step> steps);

  std::deque<Step> again_;  // by order; all were pushed before any of waiting_
  std::deque<Step> waiting_;
  std::deque<Sent> on_wire_;
  uint64_t next_order_ = 0;
  uint64_t next_sequence_ = 1;
  uint64_t wire_bytes_ = 0;
};

}  // namespace sluice::loadgen
