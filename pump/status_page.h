// The bodies of the pump's HTTP answers: TiDB-Binlog's JSON, byte for byte in shape, and ours.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/node_state.h"
#include "pump/metrics.h"
#include "pump/service/pull_service.h"

namespace sluice::pump {

struct PumpStatus {
  std::string node_id;
  std::string host;  // advertised
  NodeState state = NodeState::online;
  uint64_t cluster_id = 0;
  std::string time_source;
  std::string data_dir;
  uint64_t commit_ts = 0;  // a fresh timestamp; in writer time the largest seen
  uint64_t replay_ignored = 0;
  std::string waiting_for;  // one line
  std::string failure;      // why the log is read-only; empty: it isn't
  std::string trouble;      // what keeps it from being ready, each since when; empty: nothing
  int64_t state_since_ms = 0;
  std::vector<PullService::PullerStatus> pullers;
  MetricsSnapshot numbers;
};

// GET /status
[[nodiscard]] std::string status_json(const PumpStatus& status);
// GET /api/v1/status
[[nodiscard]] std::string detail_json(const PumpStatus& status);
// PUT /state/{node}/{action}; the codes are TiDB-Binlog's: 200 done, 3 refused.
[[nodiscard]] std::string action_json(int code, std::string_view message);

}  // namespace sluice::pump
