#include "pump/tso_allocator.h"

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
  const uint64_t now_ms = std::max(wall_ms, last_ >> kTsoLogicalBits);
  if (now_ms + kBoundRefillMs < bound_ms_) return std::nullopt;
  return now_ms + kBoundAheadMs;
}

void TsoAllocator::bound_is_durable(uint64_t bound_ms) {
  bound_ms_ = std::max(bound_ms_, bound_ms);
}

void TsoAllocator::raise(Tso ts) {
  last_ = std::max(last_, ts.value);
}

}  // namespace sluice::pump
