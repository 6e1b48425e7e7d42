#include "storage/log_reader.h"

#include <algorithm>
#include <array>

#include "base/status.h"
#include "storage/format/batch_format.h"
#include "storage/format/segment_format.h"

namespace sluice::storage {
namespace {

// Large enough that a backfill reads at the device's speed, small enough that a lone seek stays cheap.
constexpr uint32_t kCacheBlockBytes = 256u << 10;
// Of what a reader may keep; the rest is for checked batches: pullers read them again and again, a record here and one
// there, each in the order of its commit.
constexpr uint64_t kCacheBlocksShare = 5;
constexpr size_t kOpenFilesMax = 16;

LogPosition advanced(LogPosition position, uint64_t bytes) {
  return LogPosition(position.value + bytes);
}

}  // namespace

LogReader::LogReader(Disk& disk, std::filesystem::path dir, const SegmentDirectory& directory, uint64_t bytes_max)
    : disk_(disk),
      dir_(std::move(dir)),
      directory_(directory),
      blocks_max_(std::max<uint64_t>(1, bytes_max / kCacheBlocksShare / kCacheBlockBytes)),
      checked_bytes_max_(bytes_max - blocks_max_ * kCacheBlockBytes) {}

absl::Status LogReader::read_prewrite_piece(PrewriteCursor& cursor, uint64_t bytes_max, std::string& out) {
  const size_t before = out.size();
  PrewriteCursor reached = cursor;
  absl::Status status = read_once(reached, bytes_max, out);
  if (absl::IsDataLoss(status)) {
    // Once more from the device: what is wrong may be memory, not the disk.
    out.resize(before);
    drop_cache();
    reached = cursor;
    status = read_once(reached, bytes_max, out);
  }
  if (status.ok())
    cursor = reached;
  else
    out.resize(before);
  return status;
}

absl::Status LogReader::read_once(PrewriteCursor& cursor, uint64_t bytes_max, std::string& out) {
  const size_t before = out.size();
  if (!cursor.begun) SLUICE_RETURN_IF_ERROR(begin(cursor, out));
  while (!cursor.done) {
    SLUICE_ASSIGN_OR_RETURN(const LogPosition at, next_record(cursor.next));
    SLUICE_ASSIGN_OR_RETURN(const Found found, record_at(at));
    const RecordHeader& part = found.record.header;
    const RecordHeader& first = cursor.first;
    const bool ours = part.kind == RecordKind::prewrite_part && part.start_ts == first.start_ts &&
                      part.whole_hash == first.whole_hash && part.whole_bytes == first.whole_bytes &&
                      part.part_offset == cursor.have;
    const uint64_t bytes = found.record.bytes.size();
    if (ours && out.size() > before && out.size() - before + bytes > bytes_max) break;  // it goes into the next piece
    cursor.next = advanced(at, bytes);
    if (!ours) continue;
    out.append(as_text(found.record.bytes));
    cursor.have += part.body_bytes;
    cursor.done = cursor.have >= first.whole_bytes;
  }
  return absl::OkStatus();
}

absl::Status LogReader::begin(PrewriteCursor& cursor, std::string& out) {
  const LogPosition at = cursor.next;
  SLUICE_ASSIGN_OR_RETURN(const Found found, record_at(at));
  const RecordHeader& header = found.record.header;
  if (!header.is_payload())
    return damaged(at, fmt::format("a record of kind {}, not a prewrite", static_cast<int>(header.kind)));
  if (header.kind == RecordKind::prewrite_part && (header.flags & kPartFirst) == 0)
    return damaged(at, fmt::format("the part at offset {}, not the first", header.part_offset));
  out.append(as_text(found.record.bytes));
  cursor = {.next = advanced(at, found.record.bytes.size()), .first = header, .have = header.body_bytes, .begun = true};
  cursor.done = header.kind == RecordKind::prewrite || cursor.have >= header.whole_bytes;
  return absl::OkStatus();
}

absl::StatusOr<LogReader::Found> LogReader::record_at(LogPosition position) {
  SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<const Batch> batch, batch_around(position));
  const uint64_t from = position.value - batch->header.position.value;
  if (from < kBatchHeaderBytes || from >= batch->header.used_bytes) return damaged(position, "no record lies here");
  const ByteSpan left = ByteSpan(batch->bytes.span()).first(batch->header.used_bytes).subspan(from);
  const auto record = decode_record(left, {});  // INV-11: the body's hash once more, of what leaves
  if (!record.ok()) return damaged(position, message_of(record.status()));
  return Found{.batch = std::move(batch), .record = *record};
}

absl::StatusOr<LogPosition> LogReader::next_record(LogPosition position) {
  for (;;) {
    const auto segment = directory_.find(position.segment());
    if (!segment) return absl::OutOfRangeError(fmt::format("{} is in no segment of this log", position));
    if (segment->end != 0 && position.offset() >= segment->end) {
      position = LogPosition(position.segment() + 1, kSegmentDataStart);
      continue;
    }
    SLUICE_ASSIGN_OR_RETURN(const std::shared_ptr<const Batch> batch, batch_around(position));
    const BatchHeader& header = batch->header;
    position = std::max(position, advanced(header.position, kBatchHeaderBytes));
    if (position.value < header.position.value + header.used_bytes) return position;
    position = header.end();  // what is left is padding
  }
}

absl::StatusOr<std::shared_ptr<const LogReader::Batch>> LogReader::batch_around(LogPosition position) {
  if (auto known = checked(position)) return known;
  const auto segment = directory_.find(position.segment());
  if (!segment) return absl::OutOfRangeError(fmt::format("{} is in no segment of this log", position));
  SLUICE_ASSIGN_OR_RETURN(const BatchHeader header, find_header(position, *segment));
  auto batch = std::make_shared<Batch>(header);
  SLUICE_RETURN_IF_ERROR(copy(header.position, batch->bytes.data(), header.batch_bytes));
  if (const absl::Status sound = check_batch_content(header, segment->salt, batch->bytes.span()); !sound.ok())
    return damaged(position, fmt::format("in the batch at {}: {}", header.position, message_of(sound)));
  keep(batch);
  return batch;
}

// A header names its own place and is hashed with the segment's salt, so none but a batch's start passes for one: the
// nearest one at or before `position` is its batch's.
absl::StatusOr<BatchHeader> LogReader::find_header(LogPosition position, const SegmentEntry& segment) {
  auto offset = static_cast<uint32_t>(position.offset() / kBlockBytes * kBlockBytes);
  for (;; offset -= kBlockBytes) {
    std::array<std::byte, kBatchHeaderBytes> front;
    const LogPosition at(position.segment(), offset);
    SLUICE_RETURN_IF_ERROR(copy(at, front.data(), front.size()));
    const auto header =
        decode_batch_header(front, {.salt = segment.salt, .position = at, .batch_bytes_max = segment.batch_bytes_max});
    if (header.ok() && position < header->end()) return *header;
    const bool too_far = position.offset() - offset >= segment.batch_bytes_max;
    if (header.ok() || too_far || offset == kSegmentDataStart)
      return damaged(position, "there is no batch with a good header around it");
  }
}

std::shared_ptr<const LogReader::Batch> LogReader::checked(LogPosition position) {
  const std::lock_guard lock(mutex_);
  const auto behind = batches_.upper_bound(position);
  if (behind == batches_.begin()) return nullptr;
  const auto& batch = std::prev(behind)->second;
  return position < batch->header.end() ? batch : nullptr;
}

void LogReader::keep(std::shared_ptr<const Batch> batch) {
  const std::lock_guard lock(mutex_);
  const LogPosition start = batch->header.position;
  batches_bytes_ += batch->header.batch_bytes;
  if (!batches_.emplace(start, std::move(batch)).second) {  // another reader was faster
    batches_bytes_ -= batches_.at(start)->header.batch_bytes;
    return;
  }
  batches_recency_.push_front(start);
  while (batches_bytes_ > checked_bytes_max_ && batches_.size() > 1) {
    const auto oldest = batches_.find(batches_recency_.back());
    batches_bytes_ -= oldest->second->header.batch_bytes;
    batches_.erase(oldest);
    batches_recency_.pop_back();
  }
}

uint64_t LogReader::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return batches_bytes_ + blocks_.size() * kCacheBlockBytes;
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
  if (blocks_.size() >= blocks_max_) {
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
  batches_.clear();
  batches_recency_.clear();
  batches_bytes_ = 0;
}

absl::Status LogReader::damaged(LogPosition position, std::string_view why) const {
  return absl::DataLossError(
      fmt::format("{}, offset {}: {}. It was intact when the log was opened or written. Check the device; put back an "
                  "intact copy of "
                  "the file, or copy downstream in full and start this pump with an empty folder",
                  (dir_ / segment_file_name(position.segment())).string(), position.offset(), why));
}

}  // namespace sluice::storage
