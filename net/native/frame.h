// Frames: the 32-byte header of the native protocol and its body.
// Format:   docs/formats/frame.md
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"

namespace sluice::net {

// The first three bytes of every frame; the fourth is the protocol's major version.
inline constexpr std::string_view kFrameMagic = "SLC";
inline constexpr uint8_t kProtocolVersionMajor = 1;
inline constexpr uint8_t kProtocolVersionMinor = 0;
inline constexpr uint32_t kFrameHeaderBytes = 32;
inline constexpr uint32_t kFrameBodyBytesMax = 16u << 20;
inline constexpr uint32_t kControlBodyBytesMax = 32u << 10;
// What senders put into one bulk frame, so that control frames are never stuck behind more.
inline constexpr uint32_t kBulkBodyBytesTarget = 4u << 20;

enum class FrameType : uint16_t {
  // Control, FlatBuffers bodies (net/native/messages.fbs); goodbye, ping and pong have none.
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

[[nodiscard]] constexpr bool is_bulk(FrameType type) {
  return type == FrameType::write || type == FrameType::data;
}

struct FrameHeader {
  FrameType type{};
  uint16_t flags = 0;  // none defined; sent as 0, ignored
  uint32_t body_bytes = 0;
  uint64_t sequence = 0;  // write: the sequence of its first record; others: 0
  uint64_t body_hash = 0;
};

void encode_frame_header(const FrameHeader& header, std::byte* to);

// Checks magic, version, the header's own hash, the type and the limits, in this order. `from` has kFrameHeaderBytes.
// Errors:   INVALID_ARGUMENT for a foreign magic or an unknown type, FAILED_PRECONDITION for a version we don't speak
//           (names both), DATA_LOSS for a damaged header, RESOURCE_EXHAUSTED for a body above `body_bytes_max` or
//           kControlBodyBytesMax.
[[nodiscard]] absl::StatusOr<FrameHeader> decode_frame_header(ByteSpan from,
                                                              uint32_t body_bytes_max = kFrameBodyBytesMax);

// Verifies a received body against its header: the hash of a control body; each record, its payload hash and the fold
// over record headers of a run. Returns the number of records, 0 for control.
// Errors:   DATA_LOSS, with both values.
[[nodiscard]] absl::StatusOr<uint64_t> check_frame_body(const FrameHeader& header, ByteSpan body);

// The hash that the header must carry for this body, which is our own or already checked.
[[nodiscard]] uint64_t frame_body_hash(FrameType type, ByteSpan checked_body);

// The longest front of a checked run that is whole records of at most `bytes_max`; one record at least.
[[nodiscard]] ByteSpan front_of_run(ByteSpan checked_run, uint64_t bytes_max);

// Header and body, ready to send.
[[nodiscard]] std::string encode_frame(FrameType type, uint64_t sequence, ByteSpan body, uint16_t flags = 0);

}  // namespace sluice::net
