#include "net/native/frame.h"

#include <array>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/record.h"
#include "base/status.h"

namespace sluice::net {
namespace {

constexpr size_t kVersionAt = 3;
constexpr size_t kTypeAt = 4;
constexpr size_t kFlagsAt = 6;
constexpr size_t kBodyBytesAt = 8;
constexpr size_t kHeaderCheckAt = 12;
constexpr size_t kSequenceAt = 16;
constexpr size_t kBodyHashAt = 24;
static_assert(kBodyHashAt + sizeof(uint64_t) == kFrameHeaderBytes);

// The low half of XXH3 over the header with the check itself as 0.
uint32_t header_check(const std::byte* header) {
  std::array<std::byte, kFrameHeaderBytes> copy;
  std::memcpy(copy.data(), header, kFrameHeaderBytes);
  store_le<uint32_t>(copy.data() + kHeaderCheckAt, 0);
  return static_cast<uint32_t>(xxh3(copy));
}

bool is_known(FrameType type) {
  switch (type) {
    case FrameType::hello:
    case FrameType::welcome:
    case FrameType::refusal:
    case FrameType::goodbye:
    case FrameType::ping:
    case FrameType::pong:
    case FrameType::ack:
    case FrameType::nack:
    case FrameType::tso_request:
    case FrameType::tso_reply:
    case FrameType::pull:
    case FrameType::resolved:
    case FrameType::credit:
    case FrameType::want:
    case FrameType::gap:
    case FrameType::end:
    case FrameType::write:
    case FrameType::data:
      return true;
  }
  return false;
}

absl::StatusOr<uint64_t> check_run(const FrameHeader& header, ByteSpan run) {
  uint64_t records = 0;
  uint64_t hash = 0;
  SLUICE_RETURN_IF_ERROR(annotate(for_each_record(run, {.verify_body = true},
                                                  [&](const RecordView& view) {
                                                    hash = chain_record_header(
                                                        hash, view.bytes.first(view.header.header_bytes()));
                                                    ++records;
                                                    return absl::OkStatus();
                                                  }),
                                  "frame of records"));
  if (records == 0) return absl::DataLossError("frame of records without one");
  if (hash != header.body_hash)
    return absl::DataLossError(
        fmt::format("record headers of a frame fold to {:016x}, its sender said {:016x}", hash, header.body_hash));
  return records;
}

}  // namespace

void encode_frame_header(const FrameHeader& header, std::byte* to) {
  std::memcpy(to, kFrameMagic.data(), kFrameMagic.size());
  store_le<uint8_t>(to + kVersionAt, kProtocolVersionMajor);
  store_le<uint16_t>(to + kTypeAt, static_cast<uint16_t>(header.type));
  store_le<uint16_t>(to + kFlagsAt, header.flags);
  store_le<uint32_t>(to + kBodyBytesAt, header.body_bytes);
  store_le<uint64_t>(to + kSequenceAt, header.sequence);
  store_le<uint64_t>(to + kBodyHashAt, header.body_hash);
  store_le<uint32_t>(to + kHeaderCheckAt, header_check(to));
}

absl::StatusOr<FrameHeader> decode_frame_header(ByteSpan from, uint32_t body_bytes_max) {
  SLUICE_ASSERT(from.size() >= kFrameHeaderBytes, "bytes={}", from.size());
  const std::byte* at = from.data();
  if (as_text(from.first(kFrameMagic.size())) != kFrameMagic)
    return absl::InvalidArgumentError(fmt::format(
        "the peer doesn't speak Sluice's protocol: its first bytes are {}, not {} (\"{}\"); is this the right port?",
        to_hex(as_text(from.first(kFrameMagic.size()))), to_hex(kFrameMagic), kFrameMagic));
  // Before the check over the header: another major version may define even that differently.
  if (const auto major = load_le<uint8_t>(at + kVersionAt); major != kProtocolVersionMajor)
    return absl::FailedPreconditionError(
        fmt::format("the peer speaks protocol version {}, this program version {}: upgrade the older one", major,
                    kProtocolVersionMajor));
  if (const uint32_t check = header_check(at), said = load_le<uint32_t>(at + kHeaderCheckAt); check != said)
    return absl::DataLossError(
        fmt::format("frame header hashes to {:08x}, it says {:08x}: damaged on its way", check, said));
  const FrameHeader header{.type = static_cast<FrameType>(load_le<uint16_t>(at + kTypeAt)),
                           .flags = load_le<uint16_t>(at + kFlagsAt),
                           .body_bytes = load_le<uint32_t>(at + kBodyBytesAt),
                           .sequence = load_le<uint64_t>(at + kSequenceAt),
                           .body_hash = load_le<uint64_t>(at + kBodyHashAt)};
  if (!is_known(header.type))
    return absl::InvalidArgumentError(fmt::format("frame type {} is unknown to protocol {}.{}",
                                                  static_cast<int>(header.type), kProtocolVersionMajor,
                                                  kProtocolVersionMinor));
  const uint32_t limit = is_bulk(header.type) ? body_bytes_max : std::min(body_bytes_max, kControlBodyBytesMax);
  if (header.body_bytes > limit)
    return absl::ResourceExhaustedError(fmt::format("frame type {} announces a body of {} bytes, at most {} are taken",
                                                    static_cast<int>(header.type), header.body_bytes, limit));
  return header;
}

absl::StatusOr<uint64_t> check_frame_body(const FrameHeader& header, ByteSpan body) {
  SLUICE_ASSERT(body.size() == header.body_bytes, "bytes={} header={}", body.size(), header.body_bytes);
  if (is_bulk(header.type)) return check_run(header, body);
  if (const uint64_t hash = xxh3(body); hash != header.body_hash)
    return absl::DataLossError(
        fmt::format("body of frame type {} hashes to {:016x}, its header says {:016x}: damaged on its way",
                    static_cast<int>(header.type), hash, header.body_hash));
  return 0;
}

uint64_t frame_body_hash(FrameType type, ByteSpan checked_body) {
  return is_bulk(type) ? chain_record_headers(0, checked_body) : xxh3(checked_body);
}

ByteSpan front_of_run(ByteSpan checked_run, uint64_t bytes_max) {
  size_t bytes = 0;
  while (bytes < checked_run.size()) {
    const std::byte* at = checked_run.data() + bytes;
    const uint64_t record =
        align_up(uint64_t{record_header_bytes(load_le<uint8_t>(at))} + load_le<uint32_t>(at + 4), kRecordAlignment);
    if (bytes != 0 && bytes + record > bytes_max) break;
    bytes += record;
  }
  return checked_run.first(bytes);
}

std::string encode_frame(FrameType type, uint64_t sequence, ByteSpan body, uint16_t flags) {
  SLUICE_ASSERT(body.size() <= kFrameBodyBytesMax, "bytes={}", body.size());
  std::string frame(kFrameHeaderBytes + body.size(), '\0');
  auto* to = reinterpret_cast<std::byte*>(frame.data());
  encode_frame_header({.type = type,
                       .flags = flags,
                       .body_bytes = static_cast<uint32_t>(body.size()),
                       .sequence = sequence,
                       .body_hash = frame_body_hash(type, body)},
                      to);
  if (!body.empty()) std::memcpy(to + kFrameHeaderBytes, body.data(), body.size());
  return frame;
}

}  // namespace sluice::net
