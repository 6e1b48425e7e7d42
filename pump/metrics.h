// The pump's metrics: TiDB-Binlog's names where they mean something here, and ours. Prometheus stays behind metrics.cc.
// Threads:  the event loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/byte_budget.h"
#include "net/http/http.h"
#include "pump/order/sorter.h"
#include "pump/service/pump_counters.h"
#include "storage/log.h"

namespace sluice::pump {

// What is read when somebody asks.
struct MetricsSnapshot {
  SorterCounters sorter;
  IngestCounters ingest;
  PullCounters pulls;
  storage::LogStats log;
  uint64_t resolved_ts = 0;
  uint64_t open = 0, pending = 0, ordered = 0, queued_bytes = 0, pullers = 0, writers = 0;
  uint64_t disk_capacity_bytes = 0, disk_available_bytes = 0;
  uint64_t log_errors = 0;  // how often the log failed, or had no space
  uint64_t memory_budget = 0, memory_bytes = 0, memory_bytes_top = 0;
  std::vector<ByteUseStats> memory_uses;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void observe_write(std::chrono::nanoseconds took, bool acked);
  [[nodiscard]] net::HttpResponse page(const MetricsSnapshot& snapshot);

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace sluice::pump
