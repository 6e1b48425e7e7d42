// A workload over time: phases with a rate each, steady or rising, and single huge transactions between them. Pure.
// Format:   docs/formats/loadgen.md, "Workloads"
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace sluice::loadgen {

struct Phase {
  std::string name;
  double seconds = 0;
  double rate_begin = 0, rate_end = 0;  // transactions a second; in between linearly
  // A phase of no length: one transaction of this size.
  uint64_t huge_payload_bytes = 0;
  uint64_t huge_rows = 0;

  [[nodiscard]] bool is_huge() const { return huge_rows != 0; }
};

using Workload = std::vector<Phase>;

// Errors:   INVALID_ARGUMENT naming the line and what it should be.
[[nodiscard]] absl::StatusOr<Workload> parse_workload(std::string_view text);

// One lane's share of a workload: when each of its transactions is due, in order. Lanes' turns lie between each other;
// huge transactions are lane 0's. The workload must outlive it.
class Pace {
 public:
  struct Due {
    std::chrono::nanoseconds at{};  // since the begin of all
    const Phase* huge = nullptr;    // of the size named there; null: an ordinary one
  };

  Pace(const Workload& workload, uint32_t lane, uint32_t lanes);

  // The next one; nothing: that was all.
  [[nodiscard]] const std::optional<Due>& front() const { return front_; }
  void pop();

 private:
  void find_front();

  const Workload& workload_;
  const uint32_t lane_, lanes_;
  size_t phase_ = 0;
  double phase_begin_s_ = 0;
  uint64_t nth_ = 0;  // of this lane in this phase
  std::optional<Due> front_;
};

}  // namespace sluice::loadgen
