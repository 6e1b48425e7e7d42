// From the pull sources' inbox through the merger and the translator into the sink, and the checkpoint behind it.
// Contract: transactions reach the sink in global commit order (INV-6), each above the position the sink opened with;
//           the checkpoint follows the sink's durable position and never passes it (INV-7). A failure of one source
//           lets everything through that came before it, then ends the run.
// Threads:  run() is the merge thread's whole life and the only caller of the sink. request_stop() and status() from
//           any.
// Borrows:  inbox and sink, which must outlive it.
// Errors:   the first of any stage ends run(); codes tell the program's exit (base/exit_code.h).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"
#include "drainer/change/row_change.h"
#include "drainer/merge/merge_inbox.h"
#include "drainer/merge/merger.h"
#include "drainer/position/checkpoint.h"
#include "drainer/sinks/sink.h"

namespace sluice::drainer {

struct PipelineOptions {
  std::vector<std::string> pumps;        // names of the sources, for errors
  CommitTs saved{};                      // of the checkpoint file; 0: none
  std::string saved_in{};                // its name, for errors
  CommitTs initial{};                    // --initial-commit-ts: counts only where there is no checkpoint
  std::optional<CommitTs> largest_ts{};  // no position lies above it; nothing while nothing has been written
  std::optional<CommitTs> until{};       // end once everything at or below is durable
  std::chrono::milliseconds checkpoint_interval{1000};
  std::chrono::milliseconds tend_interval{200};  // the sink's, while nothing comes
};

// How far a source has come.
struct SourceProgress {
  CommitTs seen;        // its last commit ts, 0 when none came
  ResolvedTs resolved;  // nothing but that and what lies below comes up to here
};

// What the pipeline needs of the rest of the drainer. Called on the merge thread.
struct PipelinePorts {
  merge::MergeInbox& inbox;
  sinks::Sink& sink;
  position::Checkpoint* checkpoint = nullptr;  // null when the sink keeps the position itself
  // A transaction with its rows or DDL; null: nothing of it is for the sink.
  std::function<absl::StatusOr<std::shared_ptr<const change::Transaction>>(const merge::PulledTransaction&)> translate;
  // The sink is open: pull from above `start` on.
  std::function<absl::Status(CommitTs start)> started;
  std::function<void(size_t source, uint64_t wire_bytes)> consumed;
  std::function<void(size_t source, CommitTs ts)> want;
  // With each checkpoint, and at the end: how far each source has come.
  std::function<absl::Status(const std::vector<SourceProgress>&)> remember;
};

// meeting_pumps is before there is a pipeline at all.
enum class PipelineState { meeting_pumps, opening_sink, merging, waiting, flushing, done, failed };
[[nodiscard]] std::string_view to_string(PipelineState state);

struct PipelineStatus {
  PipelineState state = PipelineState::meeting_pumps;
  CommitTs start;
  CommitTs submitted;   // last given to the sink
  ResolvedTs resolved;  // merged
  CommitTs durable;     // the sink's position
  std::optional<merge::MergeBlocker> blocker;
  uint64_t transactions = 0;  // taken from the merge, above the start
  uint64_t rows_inserted = 0;
  uint64_t rows_updated = 0;
  uint64_t rows_removed = 0;
  uint64_t ddls = 0;
  uint64_t skipped = 0;     // nothing of it was for the sink
  uint64_t repeated = 0;    // at or below the start: dropped
  uint64_t duplicates = 0;  // held by two pumps: collapsed
  uint64_t payload_bytes = 0;
  std::chrono::steady_clock::time_point last_submit{};  // of the object's making until there is one

  [[nodiscard]] uint64_t rows() const { return rows_inserted + rows_updated + rows_removed; }
};

class Pipeline {
 public:
  Pipeline(PipelineOptions options, PipelinePorts ports);

  // Opens the sink and moves transactions until all is done (`until`, or every pump has ended), request_stop() or an
  // error. What was submitted is flushed and the checkpoint saved before it returns, unless the sink itself failed.
  [[nodiscard]] absl::Status run();
  void request_stop();
  [[nodiscard]] PipelineStatus status() const;

 private:
  enum class Turn { idle, done };

  [[nodiscard]] absl::Status open_sink();
  [[nodiscard]] absl::Status check_position(std::string_view place, CommitTs position) const;
  [[nodiscard]] absl::Status remember_sources();
  [[nodiscard]] absl::Status move_until_done();
  // Feeds the merger; the first source's failure is returned once the rest is in.
  [[nodiscard]] absl::Status take_news();
  [[nodiscard]] absl::Status feed(size_t source, merge::SourceNews news);
  [[nodiscard]] absl::StatusOr<Turn> merge();
  [[nodiscard]] absl::Status take(merge::PulledTransaction pulled);
  [[nodiscard]] absl::Status tend();
  void count(const change::Transaction& transaction, const merge::PulledTransaction& pulled);
  void give_back_credit();
  [[nodiscard]] absl::Status resolve_sink();
  [[nodiscard]] absl::Status save_checkpoint(bool clean_stop);
  [[nodiscard]] int64_t schema_version_at(CommitTs ts);
  [[nodiscard]] absl::Status finish(absl::Status outcome);
  void ask_for_progress();
  void set_state(PipelineState state);

  PipelineOptions options_;
  PipelinePorts ports_;
  merge::Merger merger_;
  std::vector<merge::SourceNews> news_;
  std::vector<uint64_t> given_back_;  // by source, of the merger's popped bytes
  uint64_t kept_bytes_ = 0;           // popped since credit was last given back
  std::vector<CommitTs> wanted_;      // by source, last asked for
  ResolvedTs sink_resolved_;
  // Schema versions of what was submitted, by the first commit ts that had each; a checkpoint names the one at its ts.
  std::deque<std::pair<CommitTs, int64_t>> schema_versions_;
  bool sink_failed_ = false;
  bool started_ = false;  // the sources run
  absl::Status source_failure_;
  std::chrono::steady_clock::time_point next_checkpoint_{};
  std::atomic<bool> stopping_{false};

  mutable std::mutex mutex_;
  PipelineStatus status_;  // written by the merge thread, guarded by mutex_
};

}  // namespace sluice::drainer
