#include "pump/time/tso_allocator.h"

#include <algorithm>

#include "base/assert.h"

namespace sluice::pump {

std::optional<Tso> TsoAllocator::allocate(uint32_t count, uint64_t wall_ms) {
  SLUICE_ASSERT(count >= 1 && count <= kCountMax, "count={}", count);
  const uint64_t first = std::max(last_ + 1, wall_ms << kTsoLogicalBits);
  const uint64_t last = first + count - 1;
  if (last >> kTsoLogicalBits >= bound_ms_) return std::nullopt;
  last_ = last;
  return Tso(first);
}

std::optional<uint64_t> TsoAllocator::wanted_bound(uint64_t wall_ms) const {
  const uint64_t last_ms = last_ >> kTsoLogicalBits;
  if (std::max(wall_ms + kBoundRefillMs, last_ms + kStepMs / 2) < bound_ms_) return std::nullopt;
  return std::max(wall_ms + kBoundAheadMs, last_ms + kStepMs);
}

void TsoAllocator::bound_is_durable(uint64_t bound_ms) {
  bound_ms_ = std::max(bound_ms_, bound_ms);
}

void TsoAllocator::raise(Tso ts) {
  last_ = std::max(last_, ts.value);
}

uint64_t BelievedClock::read(uint64_t wall_ms, std::chrono::steady_clock::time_point now) {
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - now_).count();
  const uint64_t expected = wall_ms_ + static_cast<uint64_t>(std::max<int64_t>(passed, 0));
  leapt_ms_ = wall_ms > expected + kLeapMaxMs ? wall_ms - expected : 0;
  wall_ms_ = leapt_ms_ != 0 ? expected : wall_ms;
  now_ = now;
  return wall_ms_;
}

}  // namespace sluice::pump
