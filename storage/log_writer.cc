#include "storage/log_writer.h"

#include <algorithm>

#include "base/assert.h"
#include "base/status.h"

namespace sluice::storage {
namespace {

// Of a record that append() has checked.
uint32_t checked_record_bytes(ByteSpan at, uint32_t& header_bytes) {
  header_bytes = record_header_bytes(load_le<uint8_t>(at.data()));
  const auto body_bytes = load_le<uint32_t>(at.data() + 4);
  const auto bytes = static_cast<uint32_t>(align_up(header_bytes + body_bytes, kRecordAlignment));
  SLUICE_ASSERT(header_bytes != 0 && bytes <= at.size(), "header={} record={} left={}", header_bytes, bytes, at.size());
  return bytes;
}

}  // namespace

bool fits(const LogTail& tail, uint32_t segment_bytes, uint32_t batch_bytes_max) {
  return tail.appendable != nullptr && tail.segment_bytes == segment_bytes && tail.batch_bytes_max >= batch_bytes_max;
}

LogWriter::LogWriter(Options options, SegmentPreparer& preparer, SegmentDirectory& directory, IdentityFile& identity,
                     LogTail tail)
    : options_(std::move(options)),
      preparer_(preparer),
      directory_(directory),
      identity_(identity),
      buffer_(options_.batch_bytes_max),
      file_(std::move(tail.appendable)),
      batch_bytes_max_(options_.batch_bytes_max),
      next_batch_sequence_(tail.next_batch_sequence),
      last_hash_(tail.last_hash),
      durable_end_(tail.end),
      data_end_(tail.data_end),
      recorded_(tail.recorded) {
  if (file_ == nullptr) return;
  sequence_ = tail.end.segment();
  offset_ = tail.end.offset();
  data_limit_ = options_.segment_bytes - kSegmentTrailerBytes;
  salt_ = tail.salt;
  batch_bytes_max_ = std::min(options_.batch_bytes_max, tail.batch_bytes_max);
}

absl::Status LogWriter::ensure_segment() {
  return file_ != nullptr ? absl::OkStatus() : roll();
}

absl::Status LogWriter::finally(absl::Status status) {
  if (!status.ok() && !absl::IsResourceExhausted(status)) failed_ = status;
  return status;
}

absl::Status LogWriter::roll() {
  if (!next_) {
    SLUICE_ASSIGN_OR_RETURN(const SegmentPreparer::Prepared prepared, preparer_.activate());
    const bool first = durable_end_ == LogPosition();
    next_ = Next{.prepared = prepared,
                 .header = {.cluster_id = options_.cluster_id,
                            .salt = first ? identity_.identity().birth_id : options_.new_salt(),
                            .sequence = prepared.sequence,
                            .segment_bytes = options_.segment_bytes,
                            .batch_bytes_max = options_.batch_bytes_max,
                            .first_batch_sequence = next_batch_sequence_,
                            .previous_end = durable_end_,
                            .previous_hash = last_hash_}};
  }
  const SegmentHeader& header = next_->header;
  AlignedBuffer block(kBlockBytes);
  encode_segment_header(header, block.data());
  uint64_t calls = 0;
  SLUICE_RETURN_IF_ERROR(finally(write_fully(*next_->prepared.file, 0, block.span(), WriteMode::plain, calls)));
  SLUICE_RETURN_IF_ERROR(finally(next_->prepared.file->sync()));
  // Before the first record in it: from now on its loss is noticed.
  SLUICE_RETURN_IF_ERROR(finally(identity_.note(header.sequence, durable_end_)));
  directory_.add({.sequence = header.sequence, .salt = header.salt, .batch_bytes_max = header.batch_bytes_max},
                 durable_end_.offset());
  file_ = std::move(next_->prepared.file);
  sequence_ = header.sequence;
  offset_ = kSegmentDataStart;
  data_limit_ = header.data_end();
  salt_ = header.salt;
  batch_bytes_max_ = header.batch_bytes_max;
  recorded_ = durable_end_;  // by the header just written
  next_.reset();
  return absl::OkStatus();
}

absl::Status LogWriter::note_end() {
  if (identity_.identity().durable == durable_end_) return absl::OkStatus();
  return identity_.note(identity_.identity().last_segment, durable_end_);
}

absl::Status LogWriter::roll_unless_fits(uint64_t batch_bytes) {
  if (file_ != nullptr && offset_ + batch_bytes <= data_limit_ && batch_bytes <= batch_bytes_max_)
    return absl::OkStatus();
  file_.reset();
  return roll();
}

absl::StatusOr<LogWriter::Written> LogWriter::write_next(std::deque<PendingRun>& pending) {
  SLUICE_RETURN_IF_ERROR(failed_);
  SLUICE_ASSERT(!pending.empty());
  uint32_t header_bytes = 0;
  const uint32_t first =
      checked_record_bytes(as_bytes(pending.front().records).subspan(pending.front().taken), header_bytes);
  SLUICE_ASSERT(align_up(kBatchHeaderBytes + first, kBlockBytes) <= options_.batch_bytes_max, "record={}", first);
  SLUICE_RETURN_IF_ERROR(roll_unless_fits(align_up(kBatchHeaderBytes + first, kBlockBytes)));

  BatchHeader header;
  const uint32_t record_bytes = fill(pending, std::min(batch_bytes_max_, data_limit_ - offset_), header);
  header.used_bytes = kBatchHeaderBytes + record_bytes;
  SLUICE_RETURN_IF_ERROR(write_batch(header));
  data_end_ = durable_end_;
  stats_.record_bytes += record_bytes;
  return Written{.run = {.position = LogPosition(header.position.value + kBatchHeaderBytes),
                         .records = buffer_.span().subspan(kBatchHeaderBytes, record_bytes)},
                 .through = take(pending, record_bytes)};
}

// Copies whole records behind the header's place until `limit`; returns their bytes.
uint32_t LogWriter::fill(const std::deque<PendingRun>& pending, uint32_t limit, BatchHeader& header) {
  uint32_t used = kBatchHeaderBytes;
  header.content_hash = salt_;
  for (const PendingRun& run : pending) {
    const ByteSpan left = as_bytes(run.records).subspan(run.taken);
    uint32_t fits = 0;
    while (fits < left.size()) {
      uint32_t header_bytes = 0;
      const uint32_t bytes = checked_record_bytes(left.subspan(fits), header_bytes);
      if (used + fits + bytes > limit) break;
      header.content_hash = chain_record_header(header.content_hash, left.subspan(fits, header_bytes));
      ++header.record_count;
      fits += bytes;
    }
    std::memcpy(buffer_.data() + used, left.data(), fits);
    used += fits;
    if (fits < left.size()) break;
  }
  return used - kBatchHeaderBytes;
}

Ticket LogWriter::take(std::deque<PendingRun>& pending, size_t bytes) {
  Ticket through = 0;
  while (bytes > 0) {
    PendingRun& run = pending.front();
    const size_t taken = std::min(bytes, run.records.size() - run.taken);
    run.taken += taken;
    bytes -= taken;
    if (run.taken < run.records.size()) break;
    through = run.ticket;
    pending.pop_front();
  }
  return through;
}

absl::Status LogWriter::write_watermark() {
  SLUICE_RETURN_IF_ERROR(failed_);
  SLUICE_RETURN_IF_ERROR(roll_unless_fits(kBlockBytes));
  if (!needs_watermark()) return absl::OkStatus();  // the new segment's header says it
  BatchHeader header;
  header.type = BatchType::watermark;
  header.used_bytes = kBatchHeaderBytes;
  header.content_hash = salt_;
  SLUICE_RETURN_IF_ERROR(write_batch(header));
  ++stats_.watermarks;
  return absl::OkStatus();
}

// Completes the header over what lies in the buffer and makes it durable.
absl::Status LogWriter::write_batch(BatchHeader& header) {
  header.batch_bytes = static_cast<uint32_t>(align_up(header.used_bytes, kBlockBytes));
  header.sequence = next_batch_sequence_;
  header.position = LogPosition(sequence_, offset_);
  header.durable = durable_end_;
  header.previous_hash = last_hash_;
  encode_batch_header(header, salt_, buffer_.data());
  std::memset(buffer_.data() + header.used_bytes, 0, header.batch_bytes - header.used_bytes);
  SLUICE_RETURN_IF_ERROR(preparer_.wait_written(offset_ + header.batch_bytes));
  // One write in flight, so everything before it is durable; and no second try after a failure: what a failed sync left
  // is unknown. After a shortage the next try writes all of it again, at least these records, so it leaves nothing.
  SLUICE_RETURN_IF_ERROR(finally(
      write_fully(*file_, offset_, buffer_.span().first(header.batch_bytes), WriteMode::durable, stats_.writes)));
  offset_ += header.batch_bytes;
  preparer_.appended(offset_);
  ++next_batch_sequence_;
  last_hash_ = header.header_hash;
  recorded_ = header.durable;
  durable_end_ = header.end();
  ++stats_.batches;
  stats_.bytes_written += header.batch_bytes;
  return absl::OkStatus();
}

}  // namespace sluice::storage
