// The log: appends runs of records, makes them durable in groups, recovers them, reads them back.
// Contract: once on_durable has named a ticket, that run survives kill -9, kernel crash and power loss (INV-1); runs
//           become durable in append order, whole or not at all up to a record boundary; damage to acked bytes is
//           reported, never skipped and never cut (INV-5).
// Threads:  append() and the readers from any thread; the listener is called on the log thread.
// Owns:     the data folder's log files and its lock. Borrows the LogListener, which must outlive it.
// Errors:   RESOURCE_EXHAUSTED when the queue is full, or when no prepared space is left and none can be made for want
//           of space, memory or file descriptors (retry later: the log goes on by itself); UNAVAILABLE after a failed
//           write or sync, sticky until restart: reads go on, appends are refused with the reason.
// Limits:   kRecordBytesMax a record; append() refuses beyond queue_bytes_max.
// Format:   docs/formats/segment.md, docs/formats/record.md
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/log_position.h"
#include "base/record.h"
#include "storage/log_options.h"
#include "storage/prewrite_cursor.h"
#include "storage/segment/durable_run.h"

namespace sluice::storage {

class Disk;  // storage/disk/disk.h: open_disk() for io_uring or pwritev2; storage/testing/simulated_disk.h for tests

class Log {
 public:
  // Replays every durable record, in log order, before it returns. DATA_LOSS: acked bytes are damaged or gone, or
  // the log isn't the one that birth_id names (says which and what to do); UNAVAILABLE: the folder is in use;
  // FAILED_PRECONDITION: it is of another cluster, or of a newer format.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Log>> open(LogOptions options, Disk& disk, LogListener& listener,
                                                                 const Replay& replay);
  virtual ~Log() = default;

  // Takes a checked run of whole records. INVALID_ARGUMENT for anything but whole records, and
  // for more than queue_bytes_max.
  [[nodiscard]] virtual absl::StatusOr<Ticket> append(std::string run) = 0;

  // Appends to `out` the record at `position`, or, when it is the first part of a large prewrite, all its parts.
  // Verifies the whole batch that a record lies in, its header included, and the body's hash on the way (INV-5,
  // INV-11). Parts may lie between other records. Blocks on disk; not on the log
  // thread. DATA_LOSS names the damaged range.
  [[nodiscard]] virtual absl::Status read_prewrite(LogPosition position, std::string& out) = 0;
  // The same, piece by piece: appends records until the prewrite is done or one more would make the piece larger than
  // `bytes_max`, but at least one. After an error cursor and `out` are as before.
  [[nodiscard]] virtual absl::Status read_prewrite_piece(PrewriteCursor& cursor, uint64_t bytes_max,
                                                         std::string& out) = 0;

  // Everything below is durable.
  [[nodiscard]] virtual LogPosition durable_end() const = 0;
  [[nodiscard]] virtual uint64_t cluster_id() const = 0;
  // Random, never 0, born with the log and never changed: the salt of its first segment, which all others chain to.
  [[nodiscard]] virtual uint64_t birth_id() const = 0;
  [[nodiscard]] virtual LogStats stats() const = 0;

  // Refuses new appends, waits for those taken, writes the last durable position. Idempotent. The listener isn't called
  // any more.
  [[nodiscard]] virtual absl::Status close() = 0;
};

}  // namespace sluice::storage
