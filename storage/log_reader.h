// Reads records back from the log's files, through a small cache of large aligned reads: pullers ask for ascending
// positions.
// Contract: nothing at or behind the durable end is ever read into the cache or served (INV-4); nothing is served from a
//           batch that doesn't check whole, record headers included, so no flipped bit leaves unnoticed (INV-5).
// Threads:  any.
// Limits:   memory_bytes() stays at or below `bytes_max`, unless a single batch is larger than its share.
// Owns:     its open files, cached blocks and checked batches. Borrows the disk and the directory, which must outlive it.
// Errors:   OUT_OF_RANGE beyond the durable end; DATA_LOSS names file and offset; UNAVAILABLE when the disk can't read.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/log_position.h"
#include "base/record.h"
#include "storage/disk/disk.h"
#include "storage/format/batch_format.h"
#include "storage/prewrite_cursor.h"
#include "storage/segment/segment_directory.h"

namespace sluice::storage {

inline constexpr uint64_t kReaderBytesMin = 2u << 20;

class LogReader {
 public:
  LogReader(Disk& disk, std::filesystem::path dir, const SegmentDirectory& directory, uint64_t bytes_max);

  // Only moves forward.
  void set_durable_end(LogPosition end) { durable_end_.store(end.value, std::memory_order_release); }
  [[nodiscard]] LogPosition durable_end() const { return LogPosition(durable_end_.load(std::memory_order_acquire)); }

  // As Log::read_prewrite_piece.
  [[nodiscard]] absl::Status read_prewrite_piece(PrewriteCursor& cursor, uint64_t bytes_max, std::string& out);

  [[nodiscard]] uint64_t memory_bytes() const;
  [[nodiscard]] uint64_t disk_reads() const { return disk_reads_.load(std::memory_order_relaxed); }

 private:
  // A stretch of one file. Grows in place as the log does: bytes below `valid` never change.
  struct Block {
    explicit Block(size_t bytes) : buffer(bytes) {}
    AlignedBuffer buffer;
    std::mutex filling;
    std::atomic<uint32_t> valid{0};
  };
  // A copy of a batch that has been checked.
  struct Batch {
    explicit Batch(const BatchHeader& h) : header(h), bytes(h.batch_bytes) {}
    BatchHeader header;
    AlignedBuffer bytes;
  };
  using BlockKey = std::pair<uint32_t, uint32_t>;  // segment, index
  struct Cached {
    std::shared_ptr<Block> block;
    std::list<BlockKey>::iterator recency;
  };

  // A record in a checked batch, which it keeps.
  struct Found {
    std::shared_ptr<const Batch> batch;
    RecordView record;
  };
  [[nodiscard]] absl::Status read_once(PrewriteCursor& cursor, uint64_t bytes_max, std::string& out);
  [[nodiscard]] absl::Status begin(PrewriteCursor& cursor, std::string& out);
  [[nodiscard]] absl::StatusOr<Found> record_at(LogPosition position);
  // Where the next record lies, at `position` or behind it: over padding, batch headers and segment borders.
  [[nodiscard]] absl::StatusOr<LogPosition> next_record(LogPosition position);
  // The checked batch around `position`.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Batch>> batch_around(LogPosition position);
  [[nodiscard]] absl::StatusOr<BatchHeader> find_header(LogPosition position, const SegmentEntry& segment);
  std::shared_ptr<const Batch> checked(LogPosition position);
  void keep(std::shared_ptr<const Batch> batch);
  [[nodiscard]] absl::Status copy(LogPosition position, std::byte* to, size_t bytes);
  [[nodiscard]] absl::StatusOr<std::shared_ptr<Block>> block_with(BlockKey key, uint32_t through);
  [[nodiscard]] absl::StatusOr<std::shared_ptr<DiskFile>> file_of(uint32_t segment);
  std::shared_ptr<Block> cached(BlockKey key);
  void drop_cache();
  [[nodiscard]] absl::Status damaged(LogPosition position, std::string_view why) const;

  Disk& disk_;
  const std::filesystem::path dir_;
  const SegmentDirectory& directory_;
  const size_t blocks_max_;
  const uint64_t checked_bytes_max_;
  std::atomic<uint64_t> durable_end_{0};
  std::atomic<uint64_t> disk_reads_{0};

  mutable std::mutex mutex_;                                     // of all below
  std::map<LogPosition, std::shared_ptr<const Batch>> batches_;  // by their start
  std::list<LogPosition> batches_recency_;                       // most recently checked first
  uint64_t batches_bytes_ = 0;
  std::map<BlockKey, Cached> blocks_;
  std::list<BlockKey> recency_;  // most recent first
  std::map<uint32_t, std::shared_ptr<DiskFile>> files_;
};

}  // namespace sluice::storage
