#include "storage/log_reader.h"

#include <algorithm>
#include <array>

#include "base/status.h"
#include "storage/batch_format.h"
#include "storage/segment_format.h"

namespace sluice::storage {
namespace {

// Large enough that a backfill reads at the device's speed, small enough that a lone seek stays cheap.
constexpr uint32_t kCacheBlockBytes = 256u << 10;
constexpr size_t kCacheBlocksMax = 64;
constexpr size_t kOpenFilesMax = 16;

LogPosition advanced(LogPosition position, uint64_t bytes) {
  return LogPosition(position.value + bytes);
}

}  // namespace

absl::Status LogReader::read_prewrite(LogPosition position, std::string& out) {
  const size_t before = out.size();
  absl::Status status = read_once(position, out);
  if (absl::IsDataLoss(status)) {
    // Once more from the device: what is wrong may be memory, not the disk.
    out.resize(before);
    drop_cache();
    status = read_once(position, out);
  }
  if (!status.ok()) out.resize(before);
  return status;
}

absl::Status LogReader::read_once(LogPosition position, std::string& out) {
  SLUICE_ASSIGN_OR_RETURN(const RecordHeader header, read_record(position, out));
  if (!header.is_payload())
    return damaged(position, fmt::format("a record of kind {}, not a prewrite", static_cast<int>(header.kind)));
  if (header.kind == RecordKind::prewrite) return absl::OkStatus();
  if ((header.flags & kPartFirst) == 0)
    return damaged(position, fmt::format("the part at offset {}, not the first", header.part_offset));
  return read_other_parts(header, advanced(position, header.record_bytes()), out);
}

absl::Status LogReader::read_other_parts(const RecordHeader& first, LogPosition position, std::string& out) {
  uint32_t have = first.body_bytes;
  while (have < first.whole_bytes) {
    SLUICE_ASSIGN_OR_RETURN(position, next_record(position));
    const size_t at = out.size();
    SLUICE_ASSIGN_OR_RETURN(const RecordHeader header, read_record(position, out));
    const bool ours = header.kind == RecordKind::prewrite_part && header.start_ts == first.start_ts &&
                      header.whole_hash == first.whole_hash && header.whole_bytes == first.whole_bytes &&
                      header.part_offset == have;
    if (ours)
      have += header.body_bytes;
    else
      out.resize(at);
    position = advanced(position, header.record_bytes());
  }
  return absl::OkStatus();
}

absl::StatusOr<RecordHeader> LogReader::read_record(LogPosition position, std::string& out) {
  std::array<std::byte, kRecordHeaderBytesMax> front;
  SLUICE_RETURN_IF_ERROR(copy(position, front.data(), kRecordHeaderBytesMin));
  const uint32_t header_bytes = record_header_bytes(load_le<uint8_t>(front.data()));
  const auto body_bytes = load_le<uint32_t>(front.data() + 4);
  if (header_bytes == 0 || body_bytes > kRecordBodyBytesMax)
    return damaged(position, fmt::format("no record: kind {}, {} bytes", load_le<uint8_t>(front.data()), body_bytes));
  const size_t bytes = align_up(header_bytes + body_bytes, kRecordAlignment);
  const size_t at = out.size();
  out.resize(at + bytes);
  SLUICE_RETURN_IF_ERROR(copy(position, reinterpret_cast<std::byte*>(out.data() + at), bytes));
  const auto record = decode_record(as_bytes(out).subspan(at), {});
  if (!record.ok()) return damaged(position, message_of(record.status()));
  return record->header;
}

absl::StatusOr<LogPosition> LogReader::next_record(LogPosition position) {
  for (;;) {
    const auto segment = directory_.find(position.segment());
    if (!segment) return absl::OutOfRangeError(fmt::format("{} is in no segment of this log", position));
    if (segment->end != 0 && position.offset() >= segment->end) {
      position = LogPosition(position.segment() + 1, kSegmentDataStart);
      continue;
    }
    std::array<std::byte, kBatchHeaderBytes> front;
    SLUICE_RETURN_IF_ERROR(copy(position, front.data(), kRecordHeaderBytesMin));
    if (load_le<uint8_t>(front.data()) == 0) {  // the rest of the block is padding
      position = LogPosition(position.segment(), static_cast<uint32_t>(align_up(position.offset() + 1, kBlockBytes)));
      continue;
    }
    // A batch header's first byte is no record kind.
    if (position.offset() % kBlockBytes != 0 || load_le<uint32_t>(front.data()) != kBatchMagic) return position;
    SLUICE_RETURN_IF_ERROR(copy(position, front.data(), kBatchHeaderBytes));
    const auto batch = decode_batch_header(
        front, {.salt = segment->salt, .position = position, .batch_bytes_max = segment->batch_bytes_max});
    if (!batch.ok()) return damaged(position, message_of(batch.status()));
    position = batch->type == BatchType::data ? advanced(position, kBatchHeaderBytes) : batch->end();
  }
}

absl::Status LogReader::copy(LogPosition position, std::byte* to, size_t bytes) {
  const LogPosition end = durable_end();
  const auto segment = directory_.find(position.segment());
  const uint64_t file_end = !segment                              ? 0
                            : segment->end != 0                   ? segment->end
                            : end.segment() == position.segment() ? end.offset()
                                                                  : 0;
  if (position.offset() < kSegmentDataStart || position.offset() + bytes > file_end)
    return absl::OutOfRangeError(fmt::format("{} bytes at {} are beyond what is durable, {}", bytes, position, end));
  uint32_t offset = position.offset();
  while (bytes > 0) {
    const uint32_t index = offset / kCacheBlockBytes, within = offset % kCacheBlockBytes;
    const auto n = static_cast<uint32_t>(std::min<size_t>(bytes, kCacheBlockBytes - within));
    SLUICE_ASSIGN_OR_RETURN(const std::shared_ptr<Block> block, block_with({position.segment(), index}, within + n));
    std::memcpy(to, block->buffer.data() + within, n);
    to += n;
    offset += n;
    bytes -= n;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<LogReader::Block>> LogReader::block_with(BlockKey key, uint32_t through) {
  std::shared_ptr<Block> block = cached(key);
  if (block->valid.load(std::memory_order_acquire) >= through) return block;
  const std::lock_guard filling(block->filling);
  const uint32_t valid = block->valid.load(std::memory_order_relaxed);
  if (valid >= through) return block;
  // The durable end is taken before the read, and only bytes below it are read: what lies behind may be half written.
  const LogPosition end = durable_end();
  const auto segment = directory_.find(key.first);
  if (!segment) return absl::OutOfRangeError(fmt::format("segment {} is not in this log", key.first));
  const uint64_t start = uint64_t{key.second} * kCacheBlockBytes;
  const uint64_t known = segment->end != 0 ? segment->end : end.offset();
  const auto to = static_cast<uint32_t>(std::min<uint64_t>(kCacheBlockBytes, known - start));
  SLUICE_ASSERT(to >= through && to % kBlockBytes == 0, "to={} through={}", to, through);
  SLUICE_ASSIGN_OR_RETURN(const std::shared_ptr<DiskFile> file, file_of(key.first));
  disk_reads_.fetch_add(1, std::memory_order_relaxed);
  SLUICE_ASSIGN_OR_RETURN(const size_t got, file->read(start + valid, block->buffer.span().subspan(valid, to - valid)));
  if (got != to - valid)
    return damaged(LogPosition(key.first, static_cast<uint32_t>(start + valid + got)), "the file ends here");
  block->valid.store(to, std::memory_order_release);
  return block;
}

std::shared_ptr<LogReader::Block> LogReader::cached(BlockKey key) {
  const std::lock_guard lock(mutex_);
  if (const auto it = blocks_.find(key); it != blocks_.end()) {
    recency_.splice(recency_.begin(), recency_, it->second.recency);
    return it->second.block;
  }
  if (blocks_.size() == kCacheBlocksMax) {
    blocks_.erase(recency_.back());
    recency_.pop_back();
  }
  recency_.push_front(key);
  auto block = std::make_shared<Block>(kCacheBlockBytes);
  blocks_.emplace(key, Cached{block, recency_.begin()});
  return block;
}

absl::StatusOr<std::shared_ptr<DiskFile>> LogReader::file_of(uint32_t segment) {
  const std::lock_guard lock(mutex_);
  if (const auto it = files_.find(segment); it != files_.end()) return it->second;
  SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<DiskFile> file, disk_.open(dir_ / segment_file_name(segment)));
  if (files_.size() == kOpenFilesMax)
    files_.erase(files_.begin());  // the oldest segment is the likeliest to be done with
  files_.emplace(segment, file);
  return file;
}

void LogReader::drop_cache() {
  const std::lock_guard lock(mutex_);
  blocks_.clear();
  recency_.clear();
}

absl::Status LogReader::damaged(LogPosition position, std::string_view why) const {
  return absl::DataLossError(
      fmt::format("{}, offset {}: {}. It was intact when the log was opened or written. Check the device; put back an "
                  "intact copy of "
                  "the file, or copy downstream in full and start this pump with an empty folder",
                  (dir_ / segment_file_name(position.segment())).string(), position.offset(), why));
}

}  // namespace sluice::storage
