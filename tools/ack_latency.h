// Every ack latency, kept exactly: 4 bytes each, so ten million records cost 40 MB. Debian has no HdrHistogram for C or
// C++.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

namespace sluice::tools {

class AckLatency {
 public:
  void add(std::chrono::nanoseconds latency) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(latency).count();
    samples_us_.push_back(static_cast<uint32_t>(std::clamp<int64_t>(us, 0, std::numeric_limits<uint32_t>::max())));
  }
  // The smallest sample that at least `percent` of all samples don't exceed; 0 without samples.
  [[nodiscard]] std::chrono::microseconds percentile(double percent) const {
    if (samples_us_.empty()) return {};
    std::vector<uint32_t> sorted = samples_us_;
    const double exact = percent / 100.0 * static_cast<double>(sorted.size());
    auto rank = static_cast<size_t>(exact);
    if (static_cast<double>(rank) < exact) ++rank;
    const auto nth = sorted.begin() + static_cast<ptrdiff_t>(std::clamp<size_t>(rank, 1, sorted.size()) - 1);
    std::nth_element(sorted.begin(), nth, sorted.end());
    return std::chrono::microseconds(*nth);
  }

 private:
  std::vector<uint32_t> samples_us_;
};

}  // namespace sluice::tools
