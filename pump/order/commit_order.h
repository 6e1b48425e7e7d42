// The commit order of this pump as it stands: sorter, index and resolved ts, fed by the log and by the oracle.
// Contract: on_advance runs after each rise of the resolved ts, when the index holds everything up to it.
// Threads:  replay() before the loop runs, everything else on the event loop's.
// Owns:     the sorter and the index. Borrows Timekeeper and Clock.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "base/clock.h"
#include "pump/order/durable_relay.h"
#include "pump/order/sorter.h"
#include "pump/time/timekeeper.h"
#include "storage/tso_index.h"

namespace sluice::pump {

class CommitOrder {
 public:
  CommitOrder(Timekeeper& time, Clock& clock) : time_(time), clock_(clock), sorter_(index_) {}

  void on_advance(std::function<void()> callback) { advanced_ = std::move(callback); }

  // The next durable run of an opening log, through the same two steps that its records took before.
  [[nodiscard]] absl::Status replay(const storage::DurableRun& run);
  [[nodiscard]] uint64_t replay_ignored() const { return replay_ignored_; }

  [[nodiscard]] Sorter& sorter() { return sorter_; }
  [[nodiscard]] const Sorter& sorter() const { return sorter_; }
  [[nodiscard]] const storage::TsoIndex& index() const { return index_; }
  [[nodiscard]] ResolvedTs resolved() const { return sorter_.resolved(); }

  void durable(const std::vector<PlacedRecord>& records);

  // Resolves an idle pump up to a fresh oracle answer, one call at a time; nothing happens without an oracle or while a
  // transaction is open.
  void refresh();
  // A merger waits for `ts`: answered from the log's own timestamps, else by a fresh one.
  void want(CommitTs ts);

  // "held by txn 4312 since 12 s (bound 4310)"; "nothing is open".
  [[nodiscard]] std::string explain() const;

 private:
  void raise_resolved();

  Timekeeper& time_;
  Clock& clock_;
  storage::TsoIndex index_;
  Sorter sorter_;
  std::function<void()> advanced_;
  uint64_t replay_ignored_ = 0;
  bool refreshing_ = false;
  std::optional<StartTs> holder_;
  std::chrono::steady_clock::time_point holder_since_;
};

}  // namespace sluice::pump
