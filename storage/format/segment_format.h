// The first block of a segment file: who wrote it, where it stands in the log, and the salt of its batches. Pure.
// Format:   docs/formats/segment.md
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"
#include "base/log_position.h"
#include "storage/disk/aligned_buffer.h"

namespace sluice::storage {

inline constexpr uint64_t kSegmentMagic = 0x3147'4553'4355'4c53;  // "SLUCSEG1"
inline constexpr uint16_t kSegmentFormatVersion = 1;
inline constexpr uint32_t kSegmentHeaderBytes = 128;  // within one sector: it can't tear
// Batches lie between the header's block and the file's last block, which is the trailer's.
inline constexpr uint32_t kSegmentDataStart = kBlockBytes;
inline constexpr uint32_t kSegmentTrailerBytes = kBlockBytes;
inline constexpr uint32_t kSegmentBytesMax = 2u << 30;  // offsets are 32 bits
inline constexpr uint32_t kBatchBytesMaxMax = 64u << 20;

struct SegmentHeader {
  uint64_t cluster_id = 0;
  uint64_t salt = 0;  // random, never 0, new with each activation
  uint32_t sequence = 0;
  uint32_t segment_bytes = 0;
  uint32_t batch_bytes_max = 0;       // no batch in this file is larger
  uint64_t first_batch_sequence = 0;  // of the first batch in this file
  LogPosition
      previous_end;  // where the log ended before this segment: durable, its last batch included; 0 at the log's start
  uint64_t previous_hash = 0;  // header hash of the last batch before this segment; 0 at the log's start

  [[nodiscard]] uint32_t data_end() const { return segment_bytes - kSegmentTrailerBytes; }
  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

// Writes kBlockBytes to `block`.
void encode_segment_header(const SegmentHeader& header, std::byte* block);

// `block` is the file's first kBlockBytes. nullopt: all zero, so the file has never been activated.
// Errors:   FAILED_PRECONDITION for a newer format version; DATA_LOSS for anything that encode didn't write.
[[nodiscard]] absl::StatusOr<std::optional<SegmentHeader>> decode_segment_header(ByteSpan block);

[[nodiscard]] std::string segment_file_name(uint32_t sequence);
[[nodiscard]] std::optional<uint32_t> parse_segment_file_name(std::string_view name);

[[nodiscard]] bool is_all_zero(ByteSpan bytes);

}  // namespace sluice::storage
