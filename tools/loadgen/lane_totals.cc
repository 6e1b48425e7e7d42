#include "tools/loadgen/lane_totals.h"

#include <algorithm>

namespace sluice::loadgen {

void LaneTotals::merge(const LaneTotals& other) {
  transactions += other.transactions;
  commits += other.commits;
  rollbacks += other.rollbacks;
  open += other.open;
  payload_bytes += other.payload_bytes;
  retries += other.retries;
  reconnects += other.reconnects;
  last_commit = std::max(last_commit, other.last_commit);
  prewrite.merge(other.prewrite);
  commit.merge(other.commit);
  transaction.merge(other.transaction);
}

}  // namespace sluice::loadgen
