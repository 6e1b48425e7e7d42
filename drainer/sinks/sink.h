// The seam between the drainer's pipeline and what it writes to.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"
#include "drainer/change/row_change.h"

namespace sluice::drainer::sinks {

// Where a sink says it stands when it opens.
struct SinkPosition {
  // Every transaction at or below this commit ts is wholly in the downstream, none above it is: 0 when it has none.
  CommitTs applied_through;
  // The downstream itself keeps the position, together with the rows: going on anywhere else would skip or repeat.
  bool kept_with_the_rows = false;
  // Where it is written, for errors that refuse it: "tidb_binlog.sluice_progress.commit_ts of cluster_id=7 at …".
  std::string place{};
};

// What holds the sink up right now; for people, status pages and readiness.
struct SinkHold {
  std::string what;  // one line: "root@db:3306 hasn't answered yet on session 45: …", "root@db:3306: … (error 1290)"
  std::chrono::steady_clock::time_point since{};
  unsigned error = 0;  // the server's number, 0 without
};

// A status that asks for a new start from the downstream's own position: it holds less than was confirmed to us, and
// the pumps may still have what it lost. Its code is one that a restart heals.
[[nodiscard]] absl::Status rewind_error(std::string_view message);
[[nodiscard]] bool asks_for_rewind(const absl::Status& status);

// Applies transactions in the order given, each whole, and says how far they are durable.
// Contract: after a crash at any point, open() returns a position from which going on repeats and loses nothing
//           (INV-8).
// Threads:  open, submit, resolve, tend, flush and close from one thread; durable_through from any.
// Errors:   every error is final for the object. Codes tell the program's exit (contract: exit codes):
//           FAILED_PRECONDITION and DATA_LOSS need a human (3), INVALID_ARGUMENT is wrong usage (2), all others may
//           heal by a restart (1). UNAVAILABLE downstreams are waited for inside, with a log line that says what for.
class Sink {
 public:
  virtual ~Sink() = default;

  // Connects, takes over from a predecessor that may still be running, and finds the position. `at_least` is where the
  // drainer would start without this sink's word (checkpoint file or --initial-commit-ts).
  [[nodiscard]] virtual absl::StatusOr<SinkPosition> open(CommitTs at_least) = 0;

  // Queues one transaction with a commit ts above all before. Blocks while the sink's queue is over its byte budget.
  [[nodiscard]] virtual absl::Status submit(std::shared_ptr<const change::Transaction> transaction) = 0;

  // Nothing at or below `ts` will be submitted any more: the position may advance to it once all before is durable.
  [[nodiscard]] virtual absl::Status resolve(ResolvedTs ts) = 0;

  // Called a few times a second from the caller's thread, also while nothing is submitted: what is due is made durable,
  // and a failure that happened since the last call is returned.
  [[nodiscard]] virtual absl::Status tend() { return absl::OkStatus(); }

  // Returns once everything submitted is durable downstream and the persisted position says so.
  [[nodiscard]] virtual absl::Status flush() = 0;

  // The persisted position (INV-7).
  [[nodiscard]] virtual CommitTs durable_through() const = 0;

  // The error that ended it, also while nobody submits. Any thread.
  [[nodiscard]] virtual absl::Status health() const { return absl::OkStatus(); }

  // What it has been waiting for longer than a moment: a downstream that isn't there or refuses to be written, a
  // statement that doesn't come back. Nothing: it works, or has nothing to do. Any thread.
  [[nodiscard]] virtual std::optional<SinkHold> hold() const { return std::nullopt; }

  // A stop is wanted: submit() and flush() give up with CANCELLED while hold() says something, and work on otherwise.
  // Any thread.
  virtual void request_stop() {}

  // DDLs that change no row, have no counterpart downstream and were left out with a log line. Any thread.
  [[nodiscard]] virtual uint64_t ddls_left_out() const { return 0; }

  // Flushes nothing; lets go of the downstream. Idempotent.
  virtual void close() = 0;
};

}  // namespace sluice::drainer::sinks
