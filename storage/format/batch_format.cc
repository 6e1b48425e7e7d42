#include "storage/format/batch_format.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/status.h"
#include "storage/format/segment_format.h"

namespace sluice::storage {
namespace {

constexpr size_t kHashAt = kBatchHeaderBytes - 8;
constexpr size_t kReservedAt = 64;

absl::Status check_fields(const BatchHeader& h, const BatchPlace& place) {
  if (h.position != place.position)
    return absl::DataLossError(fmt::format("batch at {} says it is at {}", place.position, h.position));
  if (h.type != BatchType::data && h.type != BatchType::watermark)
    return absl::DataLossError(fmt::format("batch type {}", static_cast<int>(h.type)));
  if (h.batch_bytes == 0 || h.batch_bytes % kBlockBytes != 0 || h.batch_bytes > place.batch_bytes_max)
    return absl::DataLossError(
        fmt::format("batch of {} bytes, at most {} in whole blocks", h.batch_bytes, place.batch_bytes_max));
  if (h.used_bytes < kBatchHeaderBytes || align_up(h.used_bytes, kBlockBytes) != h.batch_bytes)
    return absl::DataLossError(fmt::format("batch of {} bytes uses {}", h.batch_bytes, h.used_bytes));
  if (h.durable > h.position)
    return absl::DataLossError(fmt::format("batch at {} says {} was durable", h.position, h.durable));
  const bool has_records = h.record_count != 0 && h.used_bytes > kBatchHeaderBytes;
  if (has_records != (h.type == BatchType::data))
    return absl::DataLossError(
        fmt::format("batch of type {} has {} records", static_cast<int>(h.type), h.record_count));
  return absl::OkStatus();
}

}  // namespace

void encode_batch_header(BatchHeader& h, uint64_t salt, std::byte* to) {
  std::memset(to, 0, kBatchHeaderBytes);
  store_le<uint32_t>(to, kBatchMagic);
  store_le<uint8_t>(to + 4, kBatchVersion);
  store_le<uint8_t>(to + 5, static_cast<uint8_t>(h.type));
  store_le<uint32_t>(to + 8, h.batch_bytes);
  store_le<uint32_t>(to + 12, h.used_bytes);
  store_le<uint32_t>(to + 16, h.record_count);
  store_le<uint64_t>(to + 24, h.sequence);
  store_le<uint64_t>(to + 32, h.position.value);
  store_le<uint64_t>(to + 40, h.durable.value);
  store_le<uint64_t>(to + 48, h.previous_hash);
  store_le<uint64_t>(to + 56, h.content_hash);
  h.header_hash = xxh3({to, kHashAt}, salt);
  store_le<uint64_t>(to + kHashAt, h.header_hash);
}

absl::StatusOr<BatchHeader> decode_batch_header(ByteSpan bytes, const BatchPlace& place) {
  if (bytes.size() < kBatchHeaderBytes)
    return absl::DataLossError(fmt::format("{} bytes are left of a batch header", bytes.size()));
  const std::byte* from = bytes.data();
  if (load_le<uint32_t>(from) != kBatchMagic) return absl::DataLossError("no batch header: wrong magic");
  BatchHeader h;
  h.header_hash = load_le<uint64_t>(from + kHashAt);
  if (const uint64_t hash = xxh3({from, kHashAt}, place.salt); hash != h.header_hash)
    return absl::DataLossError(fmt::format("batch header hashes to {:016x}, it says {:016x}", hash, h.header_hash));
  // A newer batch comes in a segment of a newer version, which is refused by its header.
  if (load_le<uint8_t>(from + 4) != kBatchVersion || load_le<uint16_t>(from + 6) != 0 ||
      load_le<uint32_t>(from + 20) != 0 || !is_all_zero({from + kReservedAt, kHashAt - kReservedAt}))
    return absl::DataLossError("batch header of an unknown version or with reserved bytes set");
  h.type = static_cast<BatchType>(load_le<uint8_t>(from + 5));
  h.batch_bytes = load_le<uint32_t>(from + 8);
  h.used_bytes = load_le<uint32_t>(from + 12);
  h.record_count = load_le<uint32_t>(from + 16);
  h.sequence = load_le<uint64_t>(from + 24);
  h.position = LogPosition(load_le<uint64_t>(from + 32));
  h.durable = LogPosition(load_le<uint64_t>(from + 40));
  h.previous_hash = load_le<uint64_t>(from + 48);
  h.content_hash = load_le<uint64_t>(from + 56);
  SLUICE_RETURN_IF_ERROR(check_fields(h, place));
  return h;
}

absl::Status check_batch_content(const BatchHeader& h, uint64_t salt, ByteSpan batch) {
  SLUICE_ASSERT(batch.size() == h.batch_bytes, "bytes={} batch_bytes={}", batch.size(), h.batch_bytes);
  uint64_t content = salt;
  uint32_t records = 0;
  const ByteSpan run = batch.first(h.used_bytes).subspan(kBatchHeaderBytes);
  SLUICE_RETURN_IF_ERROR(for_each_record(run, {}, [&](const RecordView& record) {
    content = chain_record_header(content, record.bytes.first(record.header.header_bytes()));
    ++records;
    return absl::OkStatus();
  }));
  if (records != h.record_count)
    return absl::DataLossError(fmt::format("batch has {} records, its header says {}", records, h.record_count));
  if (content != h.content_hash)
    return absl::DataLossError(
        fmt::format("batch content hashes to {:016x}, its header says {:016x}", content, h.content_hash));
  if (!is_all_zero(batch.subspan(h.used_bytes))) return absl::DataLossError("batch padding is not zero");
  return absl::OkStatus();
}

}  // namespace sluice::storage
