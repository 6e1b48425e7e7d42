#include "base/byte_budget.h"

#include <algorithm>

#include "base/assert.h"

namespace sluice {

ByteBudget::ByteBudget(uint64_t total, std::initializer_list<ByteUseOptions> uses) : total_(total) {
  SLUICE_ASSERT(uses.size() <= kUsesMax, "uses={}", uses.size());
  for (const ByteUseOptions& options : uses) {
    Use& use = uses_[uses_count_++];
    use.options = options;
    use.stats.name = options.name;
    charged_ += options.bytes_min;
  }
  SLUICE_ASSERT(charged_ <= total_, "minima={} total={}", charged_, total_);
}

ByteBudget::~ByteBudget() {
  SLUICE_ASSERT(bytes_ == 0, "bytes still held={}", bytes_);
}

bool ByteBudget::recharge(Use& use, uint64_t before, uint64_t after, bool forced) {
  const uint64_t charged = use.charged - before + after;
  const uint64_t was = std::max(use.options.bytes_min, use.charged);
  const uint64_t is = std::max(use.options.bytes_min, charged);
  if (!forced && after > before) {
    // Sums compared so that an absurd size can't wrap: `after` was checked for that by the caller.
    if (charged > use.options.bytes_max) return false;
    if (is > was && charged_ - was + is > total_) return false;
  }
  use.charged = charged;
  charged_ = charged_ - was + is;
  return true;
}

uint64_t ByteBudget::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

uint64_t ByteBudget::bytes_top() const {
  const std::lock_guard lock(mutex_);
  return bytes_top_;
}

ByteUseStats ByteBudget::stats(ByteUse use) const {
  SLUICE_ASSERT(use.index < uses_count_, "use={} of {}", use.index, uses_count_);
  const std::lock_guard lock(mutex_);
  return uses_[use.index].stats;
}

uint64_t ByteBudget::reservation_max(ByteUse use) const {
  SLUICE_ASSERT(use.index < uses_count_, "use={} of {}", use.index, uses_count_);
  uint64_t others_min = 0;
  for (size_t i = 0; i < uses_count_; ++i)
    if (i != use.index) others_min += uses_[i].options.bytes_min;
  return std::min(uses_[use.index].options.bytes_max, total_ - others_min);
}

ByteHolder::ByteHolder(ByteBudget& budget, ByteUse use, uint64_t bytes_min) : budget_(budget), use_(use) {
  SLUICE_ASSERT(use.index < budget.uses_count_, "use={} of {}", use.index, budget.uses_count_);
  const std::lock_guard lock(budget_.mutex_);
  // All or nothing: a holder without a minimum competes for the shared part like the others.
  if (bytes_min <= budget_.total_ && budget_.recharge(budget_.uses_[use.index], 0, bytes_min, false))
    bytes_min_ = bytes_min;
}

ByteHolder::~ByteHolder() {
  SLUICE_ASSERT(bytes_ == 0, "bytes still held={}", bytes_);
  bool room = false;
  {
    const std::lock_guard lock(budget_.mutex_);
    (void)budget_.recharge(budget_.uses_[use_.index], bytes_min_, 0, true);
    room = bytes_min_ > 0 && std::exchange(budget_.refused_, false);
  }
  if (room && budget_.room_) budget_.room_();
}

ByteReservation ByteHolder::try_reserve(uint64_t bytes) {
  if (!add(bytes, false)) return {};
  return {shared_from_this(), bytes};
}

ByteReservation ByteHolder::take(uint64_t bytes) {
  (void)add(bytes, true);  // never refused
  return {shared_from_this(), bytes};
}

uint64_t ByteHolder::bytes() const {
  const std::lock_guard lock(budget_.mutex_);
  return bytes_;
}

bool ByteHolder::add(uint64_t bytes, bool forced) {
  const std::lock_guard lock(budget_.mutex_);
  ByteBudget::Use& use = budget_.uses_[use_.index];
  const bool sane = forced || bytes <= budget_.total_;
  if (!sane || !budget_.recharge(use, std::max(bytes_min_, bytes_), std::max(bytes_min_, bytes_ + bytes), forced)) {
    ++use.stats.refusals;
    budget_.refused_ = true;
    return false;
  }
  bytes_ += bytes;
  use.stats.bytes += bytes;
  use.stats.bytes_top = std::max(use.stats.bytes_top, use.stats.bytes);
  budget_.bytes_ += bytes;
  budget_.bytes_top_ = std::max(budget_.bytes_top_, budget_.bytes_);
  return true;
}

void ByteHolder::remove(uint64_t bytes) {
  bool room = false;
  {
    const std::lock_guard lock(budget_.mutex_);
    SLUICE_ASSERT(bytes <= bytes_, "released={} held={}", bytes, bytes_);
    ByteBudget::Use& use = budget_.uses_[use_.index];
    (void)budget_.recharge(use, std::max(bytes_min_, bytes_), std::max(bytes_min_, bytes_ - bytes), true);
    bytes_ -= bytes;
    use.stats.bytes -= bytes;
    budget_.bytes_ -= bytes;
    room = bytes > 0 && std::exchange(budget_.refused_, false);
  }
  if (room && budget_.room_) budget_.room_();
}

bool ByteReservation::try_grow(uint64_t by) {
  SLUICE_ASSERT(holder_ != nullptr, "grow of an empty reservation by={}", by);
  if (!holder_->add(by, false)) return false;
  bytes_ += by;
  return true;
}

void ByteReservation::grow(uint64_t by) {
  SLUICE_ASSERT(holder_ != nullptr, "grow of an empty reservation by={}", by);
  (void)holder_->add(by, true);  // never refused
  bytes_ += by;
}

void ByteReservation::shrink(uint64_t by) {
  SLUICE_ASSERT(by <= bytes_, "by={} held={}", by, bytes_);
  if (by == 0) return;
  holder_->remove(by);
  bytes_ -= by;
}

void ByteReservation::release() {
  if (!holder_) return;
  shrink(bytes_);
  holder_.reset();
}

}  // namespace sluice
