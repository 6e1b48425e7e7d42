// Gives out timestamps of the embedded oracle: strictly ascending, across restarts too.
// Contract: no timestamp above the durable bound is given out; a restart starts at the bound, so above all that came
//           before. A clock that steps back only stops the physical part until it has caught up.
// Threads:  one; pure: the caller makes bounds durable and tells the time.
#pragma once

#include <cstdint>
#include <optional>

#include "base/tso.h"

namespace sluice::pump {

class TsoAllocator {
 public:
  // How far beyond the clock a bound reaches, and how much of it must be left before the next is asked for.
  static constexpr uint64_t kBoundAheadMs = 10'000;
  static constexpr uint64_t kBoundRefillMs = 5'000;
  // At most this many at once, half of what one millisecond holds.
  static constexpr uint32_t kCountMax = 1u << 17;

  // `bound_ms`: the durable one; 0: none yet.
  explicit TsoAllocator(uint64_t bound_ms) : bound_ms_(bound_ms), last_(bound_ms << kTsoLogicalBits) {}

  // The first of `count` consecutive ones; nothing when they would pass the durable bound.
  [[nodiscard]] std::optional<Tso> allocate(uint32_t count, uint64_t wall_ms);
  // The bound to make durable now, if it is time.
  [[nodiscard]] std::optional<uint64_t> wanted_bound(uint64_t wall_ms) const;
  void bound_is_durable(uint64_t bound_ms);

  // Timestamps at or below `ts` won't be given out: the log holds records of that age.
  void raise(Tso ts);

 private:
  uint64_t bound_ms_;
  uint64_t last_;
};

}  // namespace sluice::pump
