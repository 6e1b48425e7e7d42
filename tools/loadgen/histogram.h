// Latencies in HdrHistogram's layout: log-linear counts with three significant digits, from 1 ns up to about an hour.
//
//   bucket 0   [0, 2048)          2048 counts, each of width 1
//   bucket 1   [2048, 4096)       1024 counts, each of width 2
//   bucket b   [2^(b+10), 2^(b+11))  1024 counts, each of width 2^b
//
// Contract: a percentile is the largest value of the count it falls in (as HdrHistogram says it), so it is never too
//           small and at most 0.1 % too large; never above the largest value recorded, which is kept exactly.
// Limits:   larger values count as kValueMax.
// Threads:  one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace sluice::loadgen {

class Histogram {
 public:
  static constexpr uint64_t kValueMax = (uint64_t{1} << 42) - 1;  // 73 minutes in ns

  Histogram() : counts_(kCounts) {}

  void add(std::chrono::nanoseconds latency) {
    add_value(latency.count() < 0 ? 0 : static_cast<uint64_t>(latency.count()));
  }
  void add_value(uint64_t value, uint64_t times = 1);
  void merge(const Histogram& other);
  void clear();

  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] uint64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] uint64_t max() const { return max_; }
  [[nodiscard]] double mean() const;
  // The smallest value that at least `percent` of all values don't exceed, rounded up as above; 0 without values.
  [[nodiscard]] uint64_t percentile(double percent) const;

  // The layout, for tests: which count a value falls in, and that count's first and last value.
  [[nodiscard]] static size_t index_of(uint64_t value);
  [[nodiscard]] static uint64_t first_of(size_t index);
  [[nodiscard]] static uint64_t last_of(size_t index);

 private:
  static constexpr unsigned kHalfBits = 10;
  static constexpr uint64_t kHalf = uint64_t{1} << kHalfBits;
  static constexpr unsigned kValueBits = 42;
  static constexpr size_t kCounts = (kValueBits - kHalfBits + 1) << kHalfBits;

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace sluice::loadgen
