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

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"
#include "base/log_position.h"
#include "base/record.h"

namespace sluice::storage {

class Disk;  // storage/disk.h: open_disk() for io_uring or pwritev2; storage/simulated_disk.h for tests

struct LogOptions {
  std::filesystem::path dir;  // the log's own folder below the data folder
  uint64_t cluster_id =
      0;                  // 0: take the folder's, a random one for a new folder; a folder of another cluster is refused
  uint64_t birth_id = 0;  // the log that must be here; 0: whichever is, or a new one
  uint32_t segment_bytes = 256u << 20;
  uint32_t batch_bytes_max = 4u << 20;
  uint64_t queue_bytes_max = 64u << 20;  // appended and not yet durable
  uint64_t ahead_bytes = 64u << 20;      // kept written with zeros ahead of the appends, over segment borders
  std::chrono::milliseconds idle_watermark_after{50};
  std::chrono::milliseconds shortage_retry_every{200};  // of descriptors, memory, space
};

// Whole records back to back, at consecutive positions from `position`; valid during the call.
struct DurableRun {
  LogPosition position;  // of the first record
  ByteSpan records;
};

// Appends get rising tickets from 1; "through ticket 7" means all appends up to and including the seventh.
using Ticket = uint64_t;

class LogListener {
 public:
  virtual ~LogListener() = default;
  // Once a durability event. `runs` in log order. All on the log thread: hand over and return.
  virtual void on_durable(const DurableRun& run, Ticket through) = 0;
  // Sticky: nothing after the last on_durable will become durable in this life of the log.
  virtual void on_failed(const absl::Status& why) = 0;
};

struct LogStats {
  uint64_t batches = 0, writes = 0, bytes_written = 0, record_bytes = 0, watermarks = 0, segments = 0,
           recovered_bytes_read = 0;
  uint64_t preparer_stalls = 0;  // times the log thread waited for written space
  uint64_t queued_bytes = 0;     // appended and not yet durable
  uint64_t memory_bytes = 0;     // the queue, the batch being written, what is read ahead and kept for readers
  std::string shortage;          // of what the log lacks and waits for; empty: nothing
  std::string backend;           // "io_uring", "pwritev2", "simulated"
};

class Log {
 public:
  // Replays every durable record, in log order, before it returns. DATA_LOSS: acked bytes are damaged or gone, or
  // the log isn't the one that birth_id names (says which and what to do); FAILED_PRECONDITION: the folder is in use,
  // of another cluster, or of a newer format.
  using Replay = std::function<absl::Status(const DurableRun&)>;
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
