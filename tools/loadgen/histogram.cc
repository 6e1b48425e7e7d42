#include "tools/loadgen/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/assert.h"

namespace sluice::loadgen {

size_t Histogram::index_of(uint64_t value) {
  const uint64_t capped = std::min(value, kValueMax);
  // The lowest bucket has all 2048 counts, so values below 2048 share its shift of 0.
  const unsigned bucket = static_cast<unsigned>(std::bit_width(capped | (2 * kHalf - 1))) - (kHalfBits + 1);
  return (static_cast<size_t>(bucket) << kHalfBits) + static_cast<size_t>(capped >> bucket);
}

uint64_t Histogram::first_of(size_t index) {
  if (index < 2 * kHalf) return index;
  const uint64_t bucket = (index >> kHalfBits) - 1;
  return (index - (bucket << kHalfBits)) << bucket;
}

uint64_t Histogram::last_of(size_t index) {
  return first_of(index + 1) - 1;
}

void Histogram::add_value(uint64_t value, uint64_t times) {
  const uint64_t capped = std::min(value, kValueMax);
  const size_t index = index_of(capped);
  SLUICE_ASSERT(index < counts_.size(), "value={} index={}", value, index);
  counts_[index] += times;
  count_ += times;
  min_ = std::min(min_, capped);
  max_ = std::max(max_, capped);
  sum_ += static_cast<double>(capped) * static_cast<double>(times);
}

void Histogram::merge(const Histogram& other) {
  if (other.count_ == 0) return;
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

void Histogram::clear() {
  if (count_ == 0) return;
  *this = Histogram();
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

uint64_t Histogram::percentile(double percent) const {
  if (count_ == 0) return 0;
  const double exact = std::clamp(percent, 0.0, 100.0) / 100 * static_cast<double>(count_);
  const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(std::ceil(exact - 1e-9)), 1, count_);
  uint64_t seen = 0;
  for (size_t i = index_of(min_); i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(last_of(i), max_);
  }
  return max_;
}

}  // namespace sluice::loadgen
