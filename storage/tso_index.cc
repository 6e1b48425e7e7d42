#include "storage/tso_index.h"

#include <algorithm>

#include "base/assert.h"

namespace sluice::storage {

void TsoIndex::append(const std::vector<OrderEntry>& entries) {
  for (size_t taken = 0; taken < entries.size();) {
    // size_ is this thread's to change, so it may be read without the lock, and memory is asked for outside of it.
    const size_t within = size_ % kChunkEntries;
    std::unique_ptr<Chunk> fresh = within == 0 ? std::make_unique<Chunk>() : nullptr;
    const std::lock_guard lock(mutex_);
    if (fresh != nullptr) chunks_.push_back(std::move(fresh));
    const size_t count = std::min(entries.size() - taken, kChunkEntries - within);
    for (size_t i = taken; i < taken + count; ++i) {
      SLUICE_ASSERT(size_ == 0 || at(size_ - 1).commit_ts < entries[i].commit_ts, "last={} next={}",
                    at(size_ - 1).commit_ts, entries[i].commit_ts);  // INV-2
      (*chunks_.back())[size_ % kChunkEntries] = entries[i];
      ++size_;
    }
    taken += count;
  }
}

size_t TsoIndex::first_above(CommitTs ts) const {
  size_t low = 0, high = size_;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (at(middle).commit_ts <= ts)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

std::vector<OrderEntry> TsoIndex::range(CommitTs after, ResolvedTs through, size_t count) const {
  const std::lock_guard lock(mutex_);
  std::vector<OrderEntry> result;
  for (size_t i = first_above(after); i < size_ && result.size() < count; ++i) {
    if (at(i).commit_ts.value > through.value) break;
    result.push_back(at(i));
  }
  return result;
}

std::optional<OrderEntry> TsoIndex::find(CommitTs commit_ts) const {
  const std::lock_guard lock(mutex_);
  const size_t behind = first_above(commit_ts);
  if (behind == 0 || at(behind - 1).commit_ts != commit_ts) return std::nullopt;
  return at(behind - 1);
}

CommitTs TsoIndex::last() const {
  const std::lock_guard lock(mutex_);
  return size_ == 0 ? CommitTs() : at(size_ - 1).commit_ts;
}

size_t TsoIndex::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

uint64_t TsoIndex::bytes() const {
  const std::lock_guard lock(mutex_);
  return chunks_.size() * sizeof(Chunk) + chunks_.capacity() * sizeof(chunks_[0]);
}

}  // namespace sluice::storage
