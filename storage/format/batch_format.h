// A batch: what one durable write puts into a segment, a 96-byte header and whole records. Pure.
// Format:   docs/formats/segment.md
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"
#include "base/log_position.h"
#include "base/record.h"
#include "storage/disk/aligned_buffer.h"

namespace sluice::storage {

inline constexpr uint32_t kBatchMagic =
    0x3142'4c53;  // "SLB1"; its first byte is no record kind, so readers tell them apart
inline constexpr uint8_t kBatchVersion = 1;
inline constexpr uint32_t kBatchHeaderBytes = 96;
// The smallest batch_bytes_max that takes every record.
inline constexpr uint32_t kBatchBytesMaxMin =
    static_cast<uint32_t>(align_up(kBatchHeaderBytes + align_up(kRecordBytesMax, kRecordAlignment), kBlockBytes));

enum class BatchType : uint8_t {
  data = 1,
  watermark = 2,  // no records: it only carries the durable position
};

struct BatchHeader {
  BatchType type = BatchType::data;
  uint32_t batch_bytes = 0;  // whole blocks
  uint32_t used_bytes = 0;   // header and records
  uint32_t record_count = 0;
  uint64_t sequence = 0;       // over the whole log, without gaps
  LogPosition position{};      // of this header
  LogPosition durable{};       // where the durable log ended when this batch was submitted
  uint64_t previous_hash = 0;  // header hash of the batch before it in the log: the chain
  uint64_t content_hash = 0;   // chain_record_header over its records, from the segment's salt
  uint64_t header_hash = 0;    // XXH3 of the 88 bytes before it, seeded with the salt

  [[nodiscard]] LogPosition end() const { return LogPosition(position.segment(), position.offset() + batch_bytes); }
};

// Writes kBatchHeaderBytes to `to` and sets header.header_hash.
void encode_batch_header(BatchHeader& header, uint64_t salt, std::byte* to);

// The header at the front of `bytes`, believed only if it was written for `position` of a segment with this salt.
// Errors:   DATA_LOSS, with the field and both values.
struct BatchPlace {
  uint64_t salt = 0;
  LogPosition position;
  uint32_t batch_bytes_max = 0;
};
[[nodiscard]] absl::StatusOr<BatchHeader> decode_batch_header(ByteSpan bytes, const BatchPlace& place);

// Checks a whole batch against its decoded header: every record, every body hash, count, content hash, zero padding.
[[nodiscard]] absl::Status check_batch_content(const BatchHeader& header, uint64_t salt, ByteSpan batch);

}  // namespace sluice::storage
