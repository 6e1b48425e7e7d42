#include "base/record.h"

#include <algorithm>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/status.h"

namespace sluice {
namespace {

bool is_zero(ByteSpan bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

bool valid_format(PayloadFormat format) {
  return format == PayloadFormat::tidb || format == PayloadFormat::native;
}

absl::Status check_part(const RecordHeader& h) {
  const bool first = (h.flags & kPartFirst) != 0;
  const bool last = (h.flags & kPartLast) != 0;
  if (h.whole_bytes <= kRecordBodyBytesMax || h.whole_bytes > kTransactionBytesMax)
    return absl::DataLossError(fmt::format("part of a payload of {} bytes; parts carry {} to {}", h.whole_bytes,
                                           kRecordBodyBytesMax + 1, kTransactionBytesMax));
  if (h.part_offset % kRecordBodyBytesMax != 0 || h.part_offset >= h.whole_bytes)
    return absl::DataLossError(fmt::format("part at offset {} of {} bytes", h.part_offset, h.whole_bytes));
  const uint32_t expected = std::min(kRecordBodyBytesMax, h.whole_bytes - h.part_offset);
  if (h.body_bytes != expected)
    return absl::DataLossError(
        fmt::format("part at offset {} has {} bytes, not {}", h.part_offset, h.body_bytes, expected));
  if (first != (h.part_offset == 0) || last != (h.part_offset + h.body_bytes == h.whole_bytes))
    return absl::DataLossError(
        fmt::format("part at offset {} of {} bytes has flags {}", h.part_offset, h.whole_bytes, h.flags));
  return absl::OkStatus();
}

absl::Status check_header(const RecordHeader& h) {
  const uint16_t known = h.kind == RecordKind::prewrite_part ? kPartFirst | kPartLast : 0;
  if ((h.flags & ~known) != 0)
    return absl::DataLossError(fmt::format("record flags {:#x}, known are {:#x}", h.flags, known));
  if (h.start_ts == 0) return absl::DataLossError("record with timestamp 0");
  if (h.is_payload()) {
    if (!valid_format(h.format))
      return absl::DataLossError(fmt::format("payload format {}", static_cast<int>(h.format)));
    if (h.body_bytes > kRecordBodyBytesMax)
      return absl::DataLossError(fmt::format("record body of {} bytes, at most {}", h.body_bytes, kRecordBodyBytesMax));
    return h.kind == RecordKind::prewrite_part ? check_part(h) : absl::OkStatus();
  }
  if (h.body_bytes != 0 || h.format != PayloadFormat::none)
    return absl::DataLossError(
        fmt::format("record kind {} with a body of {} bytes", static_cast<int>(h.kind), h.body_bytes));
  if (h.has_commit_ts() && h.commit_ts <= h.start_ts)
    return absl::DataLossError(fmt::format("commit ts {} is not above start ts {}", h.commit_ts, h.start_ts));
  return absl::OkStatus();
}

void append_record(const RecordHeader& header, ByteSpan body, std::string& run) {
  const size_t at = run.size();
  run.resize(at + header.record_bytes());  // resize zeroes: the padding is zero by construction
  auto* to = reinterpret_cast<std::byte*>(run.data() + at);
  encode_record_header(header, to);
  if (!body.empty()) std::memcpy(to + header.header_bytes(), body.data(), body.size());
}

}  // namespace

uint32_t record_header_bytes(uint8_t kind) {
  switch (static_cast<RecordKind>(kind)) {
    case RecordKind::prewrite:
    case RecordKind::commit:
    case RecordKind::decided_commit:
    case RecordKind::stray:
      return 24;
    case RecordKind::rollback:
    case RecordKind::progress:
    case RecordKind::decided_rollback:
    case RecordKind::abort:
      return 16;
    case RecordKind::prewrite_part:
      return 40;
  }
  return 0;
}

uint32_t RecordHeader::header_bytes() const {
  return record_header_bytes(static_cast<uint8_t>(kind));
}

bool RecordHeader::has_commit_ts() const {
  return kind == RecordKind::commit || kind == RecordKind::decided_commit || kind == RecordKind::stray;
}

void encode_record_header(const RecordHeader& h, std::byte* to) {
  store_le<uint8_t>(to, static_cast<uint8_t>(h.kind));
  store_le<uint8_t>(to + 1, static_cast<uint8_t>(h.format));
  store_le<uint16_t>(to + 2, h.flags);
  store_le<uint32_t>(to + 4, h.body_bytes);
  store_le<uint64_t>(to + 8, h.start_ts);
  if (h.has_commit_ts()) store_le<uint64_t>(to + 16, h.commit_ts);
  if (h.is_payload()) store_le<uint64_t>(to + 16, h.body_hash);
  if (h.kind == RecordKind::prewrite_part) {
    store_le<uint64_t>(to + 24, h.whole_hash);
    store_le<uint32_t>(to + 32, h.part_offset);
    store_le<uint32_t>(to + 36, h.whole_bytes);
  }
}

absl::StatusOr<RecordView> decode_record(ByteSpan run, DecodeOptions options) {
  if (run.size() < kRecordHeaderBytesMin)
    return absl::DataLossError(fmt::format("{} bytes are left of a record header", run.size()));
  const auto* from = run.data();
  RecordView view;
  RecordHeader& h = view.header;
  const auto kind = load_le<uint8_t>(from);
  const uint32_t header_bytes = record_header_bytes(kind);
  if (header_bytes == 0) return absl::DataLossError(fmt::format("record kind {}", kind));
  if (run.size() < header_bytes)
    return absl::DataLossError(fmt::format("{} bytes are left of a record header of {}", run.size(), header_bytes));
  h.kind = static_cast<RecordKind>(kind);
  h.format = static_cast<PayloadFormat>(load_le<uint8_t>(from + 1));
  h.flags = load_le<uint16_t>(from + 2);
  h.body_bytes = load_le<uint32_t>(from + 4);
  h.start_ts = load_le<uint64_t>(from + 8);
  if (h.has_commit_ts()) h.commit_ts = load_le<uint64_t>(from + 16);
  if (h.is_payload()) h.body_hash = load_le<uint64_t>(from + 16);
  if (h.kind == RecordKind::prewrite_part) {
    h.whole_hash = load_le<uint64_t>(from + 24);
    h.part_offset = load_le<uint32_t>(from + 32);
    h.whole_bytes = load_le<uint32_t>(from + 36);
  }
  SLUICE_RETURN_IF_ERROR(check_header(h));  // bounds body_bytes before it is believed below
  if (run.size() < h.record_bytes())
    return absl::DataLossError(fmt::format("record of {} bytes, {} are there", h.record_bytes(), run.size()));
  view.bytes = run.first(h.record_bytes());
  view.body = view.bytes.subspan(header_bytes, h.body_bytes);
  if (!is_zero(view.bytes.subspan(header_bytes + h.body_bytes)))
    return absl::DataLossError("record padding is not zero");
  if (options.verify_body && h.is_payload()) {
    if (const uint64_t hash = xxh3(view.body); hash != h.body_hash)
      return absl::DataLossError(fmt::format("payload of start ts {} hashes to {:016x}, its writer said {:016x}",
                                             h.start_ts, hash, h.body_hash));
  }
  return view;
}

absl::Status for_each_record(ByteSpan run, DecodeOptions options,
                             const std::function<absl::Status(const RecordView&)>& visit) {
  while (!run.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const RecordView view, decode_record(run, options));
    SLUICE_RETURN_IF_ERROR(visit(view));
    run = run.subspan(view.bytes.size());
  }
  return absl::OkStatus();
}

void encode_prewrite(StartTs start, PayloadFormat format, ByteSpan payload, std::string& run) {
  SLUICE_ASSERT(payload.size() <= kTransactionBytesMax, "bytes={}", payload.size());
  RecordHeader h{.kind = RecordKind::prewrite, .format = format, .start_ts = start.value};
  if (payload.size() <= kRecordBodyBytesMax) {
    h.body_bytes = static_cast<uint32_t>(payload.size());
    h.body_hash = xxh3(payload);
    append_record(h, payload, run);
    return;
  }
  h.kind = RecordKind::prewrite_part;
  h.whole_hash = xxh3(payload);
  h.whole_bytes = static_cast<uint32_t>(payload.size());
  for (uint32_t offset = 0; offset < h.whole_bytes; offset += kRecordBodyBytesMax) {
    const ByteSpan part = payload.subspan(offset, std::min(kRecordBodyBytesMax, h.whole_bytes - offset));
    h.part_offset = offset;
    h.body_bytes = static_cast<uint32_t>(part.size());
    h.body_hash = xxh3(part);
    h.flags =
        static_cast<uint16_t>((offset == 0 ? kPartFirst : 0) | (offset + part.size() == h.whole_bytes ? kPartLast : 0));
    append_record(h, part, run);
  }
}

void encode_commit(StartTs start, CommitTs commit, std::string& run, RecordKind kind) {
  append_record({.kind = kind, .start_ts = start.value, .commit_ts = commit.value}, {}, run);
}

void encode_rollback(StartTs start, std::string& run, RecordKind kind) {
  append_record({.kind = kind, .start_ts = start.value}, {}, run);
}

void encode_progress(Tso ts, std::string& run) {
  append_record({.kind = RecordKind::progress, .start_ts = ts.value}, {}, run);
}

uint64_t chain_record_header(uint64_t before, ByteSpan header) {
  return xxh3(header, before);
}

uint64_t chain_record_headers(uint64_t seed, ByteSpan run) {
  uint64_t hash = seed;
  while (!run.empty()) {
    const uint32_t header_bytes = record_header_bytes(load_le<uint8_t>(run.data()));
    const auto body_bytes = load_le<uint32_t>(run.data() + 4);
    hash = chain_record_header(hash, run.first(header_bytes));
    run = run.subspan(align_up(header_bytes + body_bytes, kRecordAlignment));
  }
  return hash;
}

}  // namespace sluice
