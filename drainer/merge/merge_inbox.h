// What the pull sources have for the merge thread: the hand-over between the event loop and the merger.
// Contract: per source in order. Resolved timestamps collapse to the latest, so an idle hour of heartbeats takes no
//           memory; transactions are bounded by the credit their pumps were given.
// Threads:  push, resolve, announce, end, fail from the loop's thread; take from the merge thread; wake from any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

#include <absl/status/status.h>

#include "base/tso.h"
#include "drainer/merge/pulled_transaction.h"

namespace sluice::drainer::merge {

// News of one source: transactions, then a resolved ts, then the next transaction's announcement, then its end or
// failure.
struct SourceNews {
  std::vector<PulledTransaction> transactions;
  std::optional<ResolvedTs> resolved;
  std::optional<CommitTs> announced;
  std::optional<CommitTs> end;
  absl::Status failure;
};

class MergeInbox {
 public:
  explicit MergeInbox(size_t sources) : news_(sources) {}

  void push(size_t source, PulledTransaction transaction);
  void resolve(size_t source, ResolvedTs ts);
  void announce(size_t source, CommitTs ts);
  void end(size_t source, CommitTs final_ts);
  void fail(size_t source, absl::Status why);
  // Makes a waiting take() return.
  void wake();

  // Waits for news until `deadline`, then moves all of it out; `into` has one entry a source.
  void take(std::vector<SourceNews>& into, std::chrono::steady_clock::time_point deadline);

 private:
  void signal(std::unique_lock<std::mutex> lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool fresh_ = false;
  std::vector<SourceNews> news_;
};

}  // namespace sluice::drainer::merge
