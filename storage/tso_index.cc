#include "storage/tso_index.h"

#include <algorithm>

#include "base/assert.h"

namespace sluice::storage {
namespace {

bool commits_before(const OrderEntry& entry, CommitTs ts) {
  return entry.commit_ts < ts;
}
bool commits_after(CommitTs ts, const OrderEntry& entry) {
  return ts < entry.commit_ts;
}

}  // namespace

void TsoIndex::append(const std::vector<OrderEntry>& entries) {
  const std::lock_guard lock(mutex_);
  for (const OrderEntry& entry : entries) {
    SLUICE_ASSERT(entries_.empty() || entries_.back().commit_ts < entry.commit_ts, "last={} next={}",
                  entries_.back().commit_ts, entry.commit_ts);  // INV-2
    entries_.push_back(entry);
  }
}

std::vector<OrderEntry> TsoIndex::range(CommitTs after, ResolvedTs through, size_t count) const {
  const std::lock_guard lock(mutex_);
  const auto first = std::upper_bound(entries_.begin(), entries_.end(), after, commits_after);
  const auto end =
      std::upper_bound(first, entries_.end(), CommitTs(std::max(through.value, after.value)), commits_after);
  return {first,
          first + std::min<ptrdiff_t>(end - first, static_cast<ptrdiff_t>(std::min<size_t>(count, PTRDIFF_MAX)))};
}

std::optional<OrderEntry> TsoIndex::find(CommitTs commit_ts) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::lower_bound(entries_.begin(), entries_.end(), commit_ts, commits_before);
  if (it == entries_.end() || it->commit_ts != commit_ts) return std::nullopt;
  return *it;
}

CommitTs TsoIndex::last() const {
  const std::lock_guard lock(mutex_);
  return entries_.empty() ? CommitTs() : entries_.back().commit_ts;
}

size_t TsoIndex::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace sluice::storage
