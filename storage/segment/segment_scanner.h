// Reads a segment's batches in order and checks each in full; behind the last good one, looks for what a write left
// there.
// Threads:  one.
// Owns:     its read buffer. Borrows the file, which must outlive it.
// Errors:   those of the disk; a batch that doesn't check is a result, not an error.
#pragma once

#include <cstdint>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/disk/disk.h"
#include "storage/format/batch_format.h"
#include "storage/format/segment_format.h"
#include "storage/segment/durable_run.h"

namespace sluice::storage {

class SegmentScanner {
 public:
  SegmentScanner(DiskFile& file, const SegmentHeader& header);

  struct Result {
    uint32_t end = kSegmentDataStart;  // behind the last good batch
    uint32_t data_end = 0;             // behind the last good batch with records; 0: none
    uint64_t next_batch_sequence = 0;
    uint64_t last_hash = 0;
    LogPosition durable;           // the largest that a good batch names
    absl::Status stopped_because;  // why there is no good batch at `end`; OK at the segment's end or at `until`
  };
  // Visits good batches up to `until` (exclusive), where one must end.
  [[nodiscard]] absl::StatusOr<Result> scan(uint32_t until, const Replay& replay);

  struct Remains {
    bool zero = true;     // nothing was ever written
    LogPosition durable;  // the largest that a header there names; such a batch was submitted after everything before
                          // it was durable
  };
  // Looks at everything that a write at `from` could have touched, and at the batch behind it.
  [[nodiscard]] absl::StatusOr<Remains> look_behind(uint32_t from);

  [[nodiscard]] uint64_t bytes_read() const { return bytes_read_; }

 private:
  // `bytes` at `offset`, fewer at the data's end; valid until the next call.
  [[nodiscard]] absl::StatusOr<ByteSpan> at(uint32_t offset, uint32_t bytes);
  [[nodiscard]] BatchPlace place(uint32_t offset) const;
  [[nodiscard]] absl::Status check_order(const BatchHeader& batch, const Result& so_far, uint32_t until) const;

  DiskFile& file_;
  const SegmentHeader header_;
  AlignedBuffer window_;
  uint32_t window_offset_ = 0;
  uint32_t window_bytes_ = 0;
  uint64_t bytes_read_ = 0;
};

}  // namespace sluice::storage
