// Turns pending runs into batches and writes them, one at a time, each with one durable write.
// Contract: what write_next() returned is durable (INV-1); batches chain through the whole log, and each says how far
//           the log was durable when it was submitted (INV-5). Rolling: a new segment begins only when the one before
//           is durable whole.
// Threads:  one: the log thread, or the one that opens the log. Step by step without any thread, which is how crashes
//           are simulated.
// Owns:     the active segment's file. Borrows the preparer, the directory and the identity, which must
//           outlive it.
// Errors:   the first failed write or roll is final: every later call returns it. RESOURCE_EXHAUSTED (space, memory,
//           descriptors) and the preparer's CANCELLED aren't: nothing was acknowledged, and the next call writes the
//           same place again, whole.
// Format:   docs/formats/segment.md
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/disk/aligned_buffer.h"
#include "storage/disk/disk.h"
#include "storage/format/batch_format.h"
#include "storage/format/log_identity.h"
#include "storage/format/segment_format.h"
#include "storage/log_options.h"
#include "storage/segment/durable_run.h"
#include "storage/segment/segment_directory.h"
#include "storage/segment/segment_preparer.h"

namespace sluice::storage {

struct PendingRun {
  Ticket ticket = 0;
  std::string records;
  size_t taken = 0;  // bytes that are in batches already
};

// Where the log ends, as recovery found it.
struct LogTail {
  LogPosition end;       // behind the last good batch; 0 in a new log
  LogPosition data_end;  // behind the last good batch that holds records
  LogPosition recorded;  // the largest durable position that a header on disk names
  uint64_t next_batch_sequence = 1;
  uint64_t last_hash = 0;  // header hash of the last good batch
  // The segment that appends may go on in; null: it ended torn, was closed for another reason, or there is none.
  std::shared_ptr<DiskFile> appendable;
  uint64_t salt = 0;
  uint32_t segment_bytes = 0;
  uint32_t batch_bytes_max = 0;
};

// Whether appends may go on in the segment that the tail names: an operator may have changed the sizes since.
[[nodiscard]] bool fits(const LogTail& tail, uint32_t segment_bytes, uint32_t batch_bytes_max);

class LogWriter {
 public:
  struct Options {
    uint64_t cluster_id = 0;
    uint32_t segment_bytes = 0;
    uint32_t batch_bytes_max = 0;
    std::function<uint64_t()> new_salt;  // random, never 0
  };
  LogWriter(Options options, SegmentPreparer& preparer, SegmentDirectory& directory, IdentityFile& identity,
            LogTail tail);

  // Starts the next segment if there is none to append to.
  [[nodiscard]] absl::Status ensure_segment();

  struct Written {
    DurableRun run;      // in the writer's buffer: valid until the next call
    Ticket through = 0;  // the largest ticket that is durable whole; 0: none became so
  };
  // Writes one batch from the front of `pending` and removes what is durable whole.
  [[nodiscard]] absl::StatusOr<Written> write_next(std::deque<PendingRun>& pending);

  [[nodiscard]] bool needs_watermark() const { return recorded_ < data_end_; }
  [[nodiscard]] absl::Status write_watermark();

  // Notes in the log's identity how far it has got: at a clean end.
  [[nodiscard]] absl::Status note_end();

  [[nodiscard]] LogPosition durable_end() const { return durable_end_; }
  [[nodiscard]] const LogStats& stats() const { return stats_; }

 private:
  [[nodiscard]] absl::Status roll();
  // Keeps a failure that is final.
  [[nodiscard]] absl::Status finally(absl::Status status);
  [[nodiscard]] absl::Status roll_unless_fits(uint64_t batch_bytes);
  [[nodiscard]] absl::Status write_batch(BatchHeader& header);
  uint32_t fill(const std::deque<PendingRun>& pending, uint32_t limit, BatchHeader& header);
  static Ticket take(std::deque<PendingRun>& pending, size_t bytes);

  const Options options_;
  SegmentPreparer& preparer_;
  SegmentDirectory& directory_;
  IdentityFile& identity_;
  AlignedBuffer buffer_;
  std::shared_ptr<DiskFile> file_;
  struct Next {
    SegmentPreparer::Prepared prepared;
    SegmentHeader header;
  };
  std::optional<Next> next_;  // being activated: its header may be on disk already
  uint32_t sequence_ = 0;
  uint32_t offset_ = 0;
  uint32_t data_limit_ = 0;  // of the active segment
  uint64_t salt_ = 0;
  uint32_t batch_bytes_max_;  // of the active segment
  uint64_t next_batch_sequence_;
  uint64_t last_hash_;
  LogPosition durable_end_;
  LogPosition data_end_;
  LogPosition recorded_;
  absl::Status failed_;
  LogStats stats_;
};

}  // namespace sluice::storage
