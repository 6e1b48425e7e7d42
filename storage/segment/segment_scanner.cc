#include "storage/segment/segment_scanner.h"

#include <algorithm>

#include "base/status.h"

namespace sluice::storage {
namespace {

constexpr uint32_t kWindowBytesMin = 1u << 20;

}  // namespace

SegmentScanner::SegmentScanner(DiskFile& file, const SegmentHeader& header)
    : file_(file),
      header_(header),
      window_(std::min(std::max(2 * header.batch_bytes_max, kWindowBytesMin), header.segment_bytes)) {}

BatchPlace SegmentScanner::place(uint32_t offset) const {
  return {.salt = header_.salt,
          .position = LogPosition(header_.sequence, offset),
          .batch_bytes_max = header_.batch_bytes_max};
}

absl::StatusOr<ByteSpan> SegmentScanner::at(uint32_t offset, uint32_t bytes) {
  bytes = std::min(bytes, header_.data_end() - offset);
  if (offset < window_offset_ || offset + bytes > window_offset_ + window_bytes_) {
    const auto wanted = static_cast<uint32_t>(std::min<uint64_t>(window_.size(), header_.data_end() - offset));
    SLUICE_ASSIGN_OR_RETURN(const size_t got, file_.read(offset, window_.span().first(wanted)));
    if (got != wanted)
      return absl::DataLossError(fmt::format("the file ends at {}, not at {}", offset + got, header_.segment_bytes));
    window_offset_ = offset;
    window_bytes_ = wanted;
    bytes_read_ += got;
  }
  return ByteSpan(window_.span()).subspan(offset - window_offset_, bytes);
}

absl::Status SegmentScanner::check_order(const BatchHeader& batch, const Result& so_far, uint32_t until) const {
  if (batch.sequence != so_far.next_batch_sequence)
    return absl::DataLossError(
        fmt::format("batch {} where batch {} belongs", batch.sequence, so_far.next_batch_sequence));
  if (batch.previous_hash != so_far.last_hash)
    return absl::DataLossError(fmt::format("batch {} follows a batch of hash {:016x}, not {:016x}", batch.sequence,
                                           batch.previous_hash, so_far.last_hash));
  if (batch.end().offset() > until)
    return absl::DataLossError(fmt::format("batch {} goes on beyond {}", batch.sequence, until));
  return absl::OkStatus();
}

absl::StatusOr<SegmentScanner::Result> SegmentScanner::scan(uint32_t until, const Replay& replay) {
  Result result{.next_batch_sequence = header_.first_batch_sequence,
                .last_hash = header_.previous_hash,
                .durable = header_.previous_end,
                .stopped_because = {}};
  while (result.end < until) {
    SLUICE_ASSIGN_OR_RETURN(const ByteSpan front, at(result.end, kBlockBytes));
    const auto batch = decode_batch_header(front, place(result.end));
    result.stopped_because = batch.ok() ? check_order(*batch, result, until) : batch.status();
    if (!result.stopped_because.ok()) break;
    SLUICE_ASSIGN_OR_RETURN(const ByteSpan bytes, at(result.end, batch->batch_bytes));
    result.stopped_because = check_batch_content(*batch, header_.salt, bytes);
    if (!result.stopped_because.ok()) break;
    if (batch->type == BatchType::data) {
      SLUICE_RETURN_IF_ERROR(replay({.position = LogPosition(batch->position.value + kBatchHeaderBytes),
                                     .records = bytes.first(batch->used_bytes).subspan(kBatchHeaderBytes)}));
      result.data_end = batch->end().offset();
    }
    result.end = batch->end().offset();
    result.durable = std::max(result.durable, batch->durable);
    ++result.next_batch_sequence;
    result.last_hash = batch->header_hash;
  }
  return result;
}

absl::StatusOr<SegmentScanner::Remains> SegmentScanner::look_behind(uint32_t from) {
  Remains remains;
  const uint64_t last = std::min<uint64_t>(uint64_t{from} + header_.batch_bytes_max, header_.data_end() - kBlockBytes);
  for (uint64_t offset = from; offset <= last; offset += kBlockBytes) {
    SLUICE_ASSIGN_OR_RETURN(const ByteSpan block, at(static_cast<uint32_t>(offset), kBlockBytes));
    if (is_all_zero(block)) continue;
    remains.zero = false;
    const auto batch = decode_batch_header(block, place(static_cast<uint32_t>(offset)));
    if (batch.ok()) remains.durable = std::max(remains.durable, batch->durable);
  }
  return remains;
}

}  // namespace sluice::storage
