// Keeps the log's files written with zeros ahead of the append position: a durable append into written blocks is one
// write and one flush, into fresh ones also a journal commit (docs/adr/0004-zero-ahead.md).
// Contract: a segment's name and size are durable, and the bytes up to written_through synced, before the appender gets
//           them.
// Threads:  start()ed: one thread of its own prepares; not started (set-up, tests): whoever waits does the work, step
//           by step. activate(), wait_written() and appended() from the log thread, the rest from any.
// Owns:     the prepared files. Borrows Disk&, which must outlive it.
// Errors:   RESOURCE_EXHAUSTED while space, memory or descriptors are lacking: its thread tries again by itself;
//           anything else is sticky.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/disk/aligned_buffer.h"
#include "storage/disk/disk.h"

namespace sluice::storage {

class SegmentPreparer {
 public:
  struct Options {
    std::filesystem::path dir;
    uint32_t segment_bytes = 0;
    uint64_t ahead_bytes = 0;  // kept written beyond the append position, over segment borders
    uint32_t first_sequence =
        1;  // the first segment to prepare; files of it and above are leftovers that were never activated
    std::chrono::milliseconds shortage_retry_every{200};
  };
  SegmentPreparer(Disk& disk, Options options);
  ~SegmentPreparer();

  // The recovered segment that appends go on in, from `offset`. Before start().
  void adopt(uint32_t sequence, std::shared_ptr<DiskFile> file, uint32_t offset);
  void start();
  // From now on a wait that meets a shortage ends with RESOURCE_EXHAUSTED instead of lasting until it is over.
  void give_up_when_short();
  // Ends waits with CANCELLED. Idempotent.
  void stop();

  // Leaves the active segment; waits for the next one's front to be written.
  struct Prepared {
    uint32_t sequence = 0;
    std::shared_ptr<DiskFile> file;
  };
  [[nodiscard]] absl::StatusOr<Prepared> activate();
  // Waits until the active segment is written up to `offset`.
  [[nodiscard]] absl::Status wait_written(uint32_t offset);
  void appended(uint32_t offset);

  // Prepares one chunk; false when nothing is to be done. Only while not started.
  [[nodiscard]] absl::StatusOr<bool> step();

  // RESOURCE_EXHAUSTED with what is lacking, while nothing can be prepared.
  [[nodiscard]] absl::Status shortage() const;
  [[nodiscard]] uint64_t prepared_bytes() const;
  [[nodiscard]] uint64_t stalls() const;
  [[nodiscard]] uint64_t memory_bytes() const { return zeros_.size(); }

 private:
  struct Segment {
    uint32_t sequence = 0;
    std::shared_ptr<DiskFile> file;
    uint32_t written_through = 0;
  };

  void run();
  [[nodiscard]] uint64_t prepared_locked() const;
  [[nodiscard]] bool wants_work_locked();
  [[nodiscard]] absl::Status wait_for(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready);
  [[nodiscard]] absl::StatusOr<std::shared_ptr<DiskFile>> make_file(uint32_t sequence);
  [[nodiscard]] absl::Status write_chunk(DiskFile& file, uint32_t from, uint32_t to);

  Disk& disk_;
  const Options options_;
  AlignedBuffer zeros_;
  mutable std::mutex mutex_;
  std::condition_variable work_;      // the append position moved, or stop
  std::condition_variable progress_;  // a chunk is written, or preparing failed, or stop
  std::deque<Segment> segments_;      // the front is the active one once active_
  bool active_ = false;
  bool filling_ = true;
  bool waited_for_ = false;
  bool give_up_when_short_ = false;
  bool stopping_ = false;
  uint32_t next_sequence_;
  uint32_t append_offset_ = 0;
  uint64_t stalls_ = 0;
  absl::Status status_;
  std::thread thread_;
};

}  // namespace sluice::storage
