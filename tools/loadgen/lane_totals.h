// What a lane counts and keeps of the transactions that it settled.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/tso.h"
#include "tools/loadgen/content.h"
#include "tools/loadgen/histogram.h"

namespace sluice::loadgen {

using TimePoint = std::chrono::steady_clock::time_point;

// One settled transaction, for who checks what became of each.
struct JournalEntry {
  PayloadKind kind{};
  uint64_t sequence = 0;
  StartTs start;
  CommitTs commit;     // 0: it wasn't committed
  TimePoint end_sent;  // when its commit was
};

struct LaneTotals {
  uint64_t transactions = 0;  // settled, of any kind but the summary
  uint64_t commits = 0, rollbacks = 0, open = 0;
  uint64_t payload_bytes = 0;
  uint64_t retries = 0, reconnects = 0;
  CommitTs last_commit;   // the largest that was acked
  Histogram prewrite;     // intended begin to ack
  Histogram commit;       // sent to ack
  Histogram transaction;  // intended begin to the ack of its end
  void merge(const LaneTotals& other);
};

}  // namespace sluice::loadgen
