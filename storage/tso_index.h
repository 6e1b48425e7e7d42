// Where each committed transaction lies, by commit ts: what turns "after ts X" into reads of the log.
// Contract: entries come in strictly ascending commit ts (INV-2, asserted); a reader sees a prefix of them. Growing moves
//           no entry and allocates nothing large while readers wait.
// Threads:  append() from one thread, everything else from any.
// Limits:   32 bytes an entry, for every transaction of the log; bytes() says how many in all.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
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
  [[nodiscard]] uint64_t bytes() const;  // allocated

 private:
  static constexpr size_t kChunkEntries = 16'384;  // 512 KiB
  using Chunk = std::array<OrderEntry, kChunkEntries>;

  [[nodiscard]] const OrderEntry& at(size_t i) const { return (*chunks_[i / kChunkEntries])[i % kChunkEntries]; }
  // The first entry whose commit ts is above `ts`.
  [[nodiscard]] size_t first_above(CommitTs ts) const;

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Chunk>> chunks_;  // each full but the last
  size_t size_ = 0;
};

}  // namespace sluice::storage
