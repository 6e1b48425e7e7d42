// Gives out timestamps of the embedded oracle: strictly ascending, across restarts too.
// Contract: no timestamp above the durable bound is given out; a restart starts at the bound, so above all that came
//           before. A clock that steps back only stops the physical part until it has caught up. A crash costs at most
//           kBoundAheadMs, and crashes don't add up: while timestamps are ahead of the clock, the bound follows them at
//           kStepMs, so that the clock gains on them.
// Threads:  one; pure: the caller makes bounds durable and tells the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/tso.h"

namespace sluice::pump {

class TsoAllocator {
 public:
  // How far beyond the clock a bound reaches, and how much of it must be left before the next is asked for.
  static constexpr uint64_t kBoundAheadMs = 3'000;
  static constexpr uint64_t kBoundRefillMs = 1'500;
  // The same, beyond the timestamps given out, while these are ahead of the clock: 2^18 of them fit a millisecond.
  static constexpr uint64_t kStepMs = 20;
  // At most this many at once, half of what one millisecond holds.
  static constexpr uint32_t kCountMax = 1u << 17;

  // `bound_ms`: the durable one; 0: none yet.
  explicit TsoAllocator(uint64_t bound_ms) : bound_ms_(bound_ms), last_(bound_ms << kTsoLogicalBits) {}

  // The first of `count` consecutive ones; nothing when they would pass the durable bound.
  [[nodiscard]] std::optional<Tso> allocate(uint32_t count, uint64_t wall_ms);
  // The bound to make durable now, if it is time.
  [[nodiscard]] std::optional<uint64_t> wanted_bound(uint64_t wall_ms) const;
  void bound_is_durable(uint64_t bound_ms);
  // The smallest bound that covers what was given out: what a clean stop leaves.
  [[nodiscard]] uint64_t exact_bound() const { return (last_ >> kTsoLogicalBits) + 1; }

  // Timestamps at or below `ts` won't be given out: the log holds records of that age.
  void raise(Tso ts);
  [[nodiscard]] uint64_t last_ms() const { return last_ >> kTsoLogicalBits; }

 private:
  uint64_t bound_ms_;
  uint64_t last_;
};

// The wall clock as far as it can be believed: a leap of more than kLeapMaxMs ahead of the steady clock, while the
// program runs, isn't followed, since timestamps could never come back from it.
// Threads:  one; pure.
class BelievedClock {
 public:
  static constexpr uint64_t kLeapMaxMs = 24 * 3600 * 1000;

  BelievedClock(uint64_t wall_ms, std::chrono::steady_clock::time_point now) : wall_ms_(wall_ms), now_(now) {}

  [[nodiscard]] uint64_t read(uint64_t wall_ms, std::chrono::steady_clock::time_point now);
  // How far the wall clock is ahead of what is believed; 0: it is believed.
  [[nodiscard]] uint64_t leapt_ms() const { return leapt_ms_; }

 private:
  uint64_t wall_ms_;  // believed at now_
  std::chrono::steady_clock::time_point now_;
  uint64_t leapt_ms_ = 0;
};

}  // namespace sluice::pump
