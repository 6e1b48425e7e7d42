#include "storage/format/segment_format.h"

#include <charconv>

#include "base/checksum.h"
#include "base/status.h"

namespace sluice::storage {
namespace {

constexpr std::string_view kNamePrefix = "segment-";
constexpr std::string_view kNameSuffix = ".log";
constexpr size_t kNameDigits = 8;

constexpr size_t kHashAt = kSegmentHeaderBytes - 8;

absl::Status check_fields(const SegmentHeader& h) {
  const bool sizes_ok = h.segment_bytes % kBlockBytes == 0 && h.batch_bytes_max % kBlockBytes == 0 &&
                        h.batch_bytes_max != 0 && h.batch_bytes_max <= kBatchBytesMaxMax &&
                        h.segment_bytes <= kSegmentBytesMax &&
                        h.segment_bytes >= kSegmentDataStart + uint64_t{h.batch_bytes_max} + kSegmentTrailerBytes;
  if (!sizes_ok)
    return absl::DataLossError(
        fmt::format("segment of {} bytes with batches of up to {}", h.segment_bytes, h.batch_bytes_max));
  if (h.salt == 0 || h.sequence == 0 || h.cluster_id == 0)
    return absl::DataLossError(fmt::format("segment sequence {}, cluster {} or salt is 0", h.sequence, h.cluster_id));
  if (h.previous_end >= LogPosition(h.sequence, 0))
    return absl::DataLossError(fmt::format("segment {} says it follows {}", h.sequence, h.previous_end));
  return absl::OkStatus();
}

}  // namespace

bool is_all_zero(ByteSpan bytes) {
  // Comparing the bytes with themselves, shifted by one, lets memcmp do the work.
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

void encode_segment_header(const SegmentHeader& h, std::byte* to) {
  std::memset(to, 0, kBlockBytes);
  store_le<uint64_t>(to, kSegmentMagic);
  store_le<uint16_t>(to + 8, kSegmentFormatVersion);
  store_le<uint16_t>(to + 10, kSegmentHeaderBytes);
  store_le<uint64_t>(to + 16, h.cluster_id);
  store_le<uint64_t>(to + 24, h.salt);
  store_le<uint32_t>(to + 32, h.sequence);
  store_le<uint32_t>(to + 36, h.segment_bytes);
  store_le<uint32_t>(to + 40, h.batch_bytes_max);
  store_le<uint64_t>(to + 48, h.first_batch_sequence);
  store_le<uint64_t>(to + 56, h.previous_end.value);
  store_le<uint64_t>(to + 64, h.previous_hash);
  store_le<uint64_t>(to + kHashAt, xxh3({to, kHashAt}));
}

absl::StatusOr<std::optional<SegmentHeader>> decode_segment_header(ByteSpan block) {
  if (block.size() != kBlockBytes)
    return absl::DataLossError(fmt::format("{} bytes are left of a segment header", block.size()));
  if (is_all_zero(block)) return std::nullopt;
  const std::byte* from = block.data();
  if (load_le<uint64_t>(from) != kSegmentMagic) return absl::DataLossError("no segment header: wrong magic");
  // Before the hash: where a newer version keeps its hash is not ours to know.
  if (const auto version = load_le<uint16_t>(from + 8); version != kSegmentFormatVersion)
    return absl::FailedPreconditionError(fmt::format(
        "segment of format version {}, this program knows {}; start the program that wrote it, or a newer one", version,
        kSegmentFormatVersion));
  if (const uint64_t hash = xxh3({from, kHashAt}); hash != load_le<uint64_t>(from + kHashAt))
    return absl::DataLossError(
        fmt::format("segment header hashes to {:016x}, it says {:016x}", hash, load_le<uint64_t>(from + kHashAt)));
  SegmentHeader h;
  h.cluster_id = load_le<uint64_t>(from + 16);
  h.salt = load_le<uint64_t>(from + 24);
  h.sequence = load_le<uint32_t>(from + 32);
  h.segment_bytes = load_le<uint32_t>(from + 36);
  h.batch_bytes_max = load_le<uint32_t>(from + 40);
  h.first_batch_sequence = load_le<uint64_t>(from + 48);
  h.previous_end = LogPosition(load_le<uint64_t>(from + 56));
  h.previous_hash = load_le<uint64_t>(from + 64);
  SLUICE_RETURN_IF_ERROR(check_fields(h));
  AlignedBuffer again(kBlockBytes);
  encode_segment_header(h, again.data());
  if (std::memcmp(again.data(), from, kBlockBytes) != 0)
    return absl::DataLossError("segment header with bytes set that must be zero");
  return h;
}

std::string segment_file_name(uint32_t sequence) {
  return fmt::format("{}{:08x}{}", kNamePrefix, sequence, kNameSuffix);
}

std::optional<uint32_t> parse_segment_file_name(std::string_view name) {
  if (name.size() != kNamePrefix.size() + kNameDigits + kNameSuffix.size() || !name.starts_with(kNamePrefix) ||
      !name.ends_with(kNameSuffix))
    return std::nullopt;
  const std::string_view digits = name.substr(kNamePrefix.size(), kNameDigits);
  uint32_t sequence = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), sequence, 16);
  if (error != std::errc() || end != digits.data() + digits.size() || segment_file_name(sequence) != name)
    return std::nullopt;
  return sequence;
}

}  // namespace sluice::storage
