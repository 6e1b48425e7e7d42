// Pulls from pumps, each to where it is told: whole transactions in each pump's order, over lost connections too.
// Contract: every pump's stream starts after `after` and goes on after a lost connection behind the last transaction
//           that was handed on; ends once every pump has resolved `until`.
// Threads:  run() blocks its caller; the callbacks run on a thread of its own, one at a time.
// Errors:   UNAVAILABLE when a pump neither serves nor resolves anything for give_up_after, naming how far it is.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "base/bytes.h"
#include "base/tso.h"

namespace sluice::loadgen {

struct PullOptions {
  std::vector<std::string> pumps;
  uint64_t cluster_id = 0;
  CommitTs after;
  Tso until;  // 0: until stopped
  uint64_t credit_bytes = 16u << 20;
  std::chrono::milliseconds give_up_after{60'000};
  bool verify_bodies = false;  // a second time: the client has verified them
};

struct PullCallbacks {
  std::function<void(size_t pump, CommitTs, StartTs, ByteSpan payload)> on_transaction;
  std::function<void(size_t pump, ResolvedTs)> on_resolved;
  std::function<void(size_t pump, const std::string& text)> on_gap;
};

struct PullTotals {
  std::atomic<uint64_t> transactions{0};
  std::atomic<uint64_t> bytes{0};  // of records
  std::atomic<uint64_t> reconnects{0};
};

// `on_second` runs about once a second on the caller's thread; false from it ends the pull well.
[[nodiscard]] absl::Status run_pull(const PullOptions& options, const PullCallbacks& callbacks, PullTotals& totals,
                                    const std::function<bool(std::chrono::duration<double> elapsed)>& on_second);

}  // namespace sluice::loadgen
