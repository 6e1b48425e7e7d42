// Replays recordings: file i into pump i, in writer time, ended by PROGRESS(largest ts of all files) to every pump.
// Contract: run() returns OK only when every record and the final PROGRESS are durable at their pumps.
// Threads:  run() blocks its caller; the work is on a loop of its own.
// Errors:   INVALID_ARGUMENT for recordings that can't be used (before anything is sent); UNAVAILABLE for a pump that
//           stayed away for give_up_after; otherwise a pump's own refusal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "tools/replay_lane.h"

namespace sluice::tools {

struct ReplayOptions {
  std::vector<std::string> pumps;  // "host:port"
  std::vector<std::string> files;  // as many
  uint64_t cluster_id = 0;         // 0: the recording's
  double transactions_per_second = 0;
  uint32_t in_flight = 256;  // records a pump
  std::chrono::milliseconds give_up_after{60'000};
};

// A pump that takes nothing right now.
struct Standstill {
  std::string pump, reason;
};

struct ReplayProgress {
  uint64_t acked = 0, all = 0;  // binlogs
  std::chrono::duration<double> elapsed{};
  std::vector<Standstill> standstills;
};

struct ReplayResult {
  ReplayTotals totals;
  std::chrono::duration<double> elapsed{};
  uint64_t reconnects = 0;
  Tso progress;
};

// `on_progress` runs about once a second, on another thread than the caller's.
[[nodiscard]] absl::StatusOr<ReplayResult> run_replay(const ReplayOptions& options,
                                                      const std::function<void(const ReplayProgress&)>& on_progress);

}  // namespace sluice::tools
