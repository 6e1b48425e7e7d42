// Frames: the 32-byte header of the native protocol and its body.
// Format: docs/formats/frame.md
#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"

namespace sluice::net {

inline constexpr uint32_t kFrameMagic = 0x43494C53;  // "SLIC"
inline constexpr uint8_t kProtocolVersionMajor = 1;
inline constexpr uint8_t kProtocolVersionMinor = 0;
inline constexpr uint32_t kFrameHeaderBytes = 32;
inline constexpr uint32_t kFrameBodyBytesMax = 16u << 20;

enum class FrameType : uint16_t {
  // Control, FlatBuffers bodies (net/messages.fbs).
  hello = 1,
  welcome = 2,
  refusal = 3,  // the sender closes after it
  goodbye = 4,  // no more from this side; answered by goodbye once everything before it is settled
  ping = 5,
  pong = 6,
  ack = 17,
  nack = 18,
  tso_request = 24,
  tso_reply = 25,
  pull = 32,
  resolved = 34,
  credit = 35,
  want = 36,
  gap = 37,  // PURGED or DATA_LOSS: a range that cannot be served
  end = 38,  // the pump is going offline; nothing above the final ts will come from it
  // Bulk: a run of records (docs/formats/record.md). body_hash is the fold over the record headers, from 0.
  write = 16,
  data = 33,
};

[[nodiscard]] constexpr bool is_bulk(FrameType type) { return type == FrameType::write || type == FrameType::data; }

struct FrameHeader {
  FrameType type{};
  uint16_t flags = 0;
  uint32_t body_bytes = 0;
  uint64_t sequence = 0;  // write: the sequence of its first record; others: as their message says
  uint64_t body_hash = 0;
};

void encode_frame_header(const FrameHeader& header, std::byte* to);

// Checks magic, version, the header's own hash and the limits, in this order. `from` has kFrameHeaderBytes.
// Errors: INVALID_ARGUMENT for a foreign magic, FAILED_PRECONDITION for a version we don't speak (names both),
// DATA_LOSS for a damaged header, RESOURCE_EXHAUSTED for a body above `body_bytes_max`.
[[nodiscard]] absl::StatusOr<FrameHeader> decode_frame_header(ByteSpan from, uint32_t body_bytes_max = kFrameBodyBytesMax);

// The hash that the header must carry for this body.
[[nodiscard]] uint64_t frame_body_hash(FrameType type, ByteSpan checked_body);

// Header and body, ready to send.
[[nodiscard]] std::string encode_frame(FrameType type, uint64_t sequence, ByteSpan body, uint16_t flags = 0);

}  // namespace sluice::net
