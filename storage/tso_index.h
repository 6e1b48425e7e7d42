// Where each committed transaction lies, by commit ts: what turns "after ts X" into reads of the log.
// Contract: entries come in strictly ascending commit ts (INV-2, asserted); a reader sees a prefix of them.
// Threads:  append() from one thread, everything else from any.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "base/log_position.h"
#include "base/tso.h"

namespace sluice::storage {

struct OrderEntry {
  CommitTs commit_ts;
  StartTs start_ts;
  LogPosition prewrite;         // of its prewrite record, or of the first part
  uint64_t prewrite_bytes = 0;  // encoded, all parts
};

class TsoIndex {
 public:
  void append(const std::vector<OrderEntry>& entries);

  // Up to `count` entries with commit ts in (after, through], ascending.
  [[nodiscard]] std::vector<OrderEntry> range(CommitTs after, ResolvedTs through, size_t count) const;
  [[nodiscard]] std::optional<OrderEntry> find(CommitTs commit_ts) const;
  [[nodiscard]] CommitTs last() const;
  [[nodiscard]] size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::vector<OrderEntry> entries_;
};

}  // namespace sluice::storage
