// The log's segments in order: what a reader needs to find and believe them.
// Threads:  any; the log thread adds, readers look up.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "base/assert.h"

namespace sluice::storage {

struct SegmentEntry {
  uint32_t sequence = 0;
  uint64_t salt = 0;
  uint32_t batch_bytes_max = 0;
  uint32_t end = 0;  // offset behind the last batch; 0 while appends go on in it
};

class SegmentDirectory {
 public:
  // The segment before it ended at `previous_end`.
  void add(const SegmentEntry& entry, uint32_t previous_end) {
    const std::lock_guard lock(mutex_);
    SLUICE_ASSERT(entries_.empty() || entries_.rbegin()->first < entry.sequence, "sequence={}", entry.sequence);
    if (!entries_.empty()) entries_.rbegin()->second.end = previous_end;
    entries_.emplace(entry.sequence, entry);
  }
  [[nodiscard]] std::optional<SegmentEntry> find(uint32_t sequence) const {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(sequence);
    return it == entries_.end() ? std::nullopt : std::optional(it->second);
  }
  [[nodiscard]] size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint32_t, SegmentEntry> entries_;
};

}  // namespace sluice::storage
