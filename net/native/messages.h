// Bodies of control frames: the plain structs of net/native/service.h to and from FlatBuffers
// (net/native/messages.fbs).
// Contract: decode_* verifies the buffer once, with every length, count and enum checked; nothing behind it sees wire
//           bytes.
// Errors:   INVALID_ARGUMENT, naming the message and the field.
// Format:   docs/formats/frame.md
#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"
#include "base/tso.h"
#include "net/native/service.h"

namespace sluice::net {

// Longer texts are cut when encoded and refused when decoded.
inline constexpr size_t kNameBytesMax = 256;
inline constexpr size_t kTextBytesMax = 4096;
inline constexpr uint32_t kTsoCountMax = 1u << kTsoLogicalBits;

struct TsoRequest {
  uint64_t request = 0;  // the asker's number, returned with the answer
  uint32_t count = 0;    // 1 to kTsoCountMax
};

struct TsoReply {
  uint64_t request = 0;
  Tso first;
  uint32_t count = 0;
};

[[nodiscard]] std::string encode_hello(const Hello& hello);
[[nodiscard]] std::string encode_welcome(const Welcome& welcome);
[[nodiscard]] std::string encode_refusal(const absl::Status& why);
[[nodiscard]] std::string encode_ack(uint64_t through);
[[nodiscard]] std::string encode_nack(const Nack& nack);
[[nodiscard]] std::string encode_tso_request(const TsoRequest& request);
[[nodiscard]] std::string encode_tso_reply(const TsoReply& reply);
[[nodiscard]] std::string encode_pull(const PullRequest& pull);
[[nodiscard]] std::string encode_resolved(ResolvedTs ts);
[[nodiscard]] std::string encode_credit(uint64_t bytes);
[[nodiscard]] std::string encode_want(CommitTs ts);
[[nodiscard]] std::string encode_gap(const Gap& gap);
[[nodiscard]] std::string encode_end(CommitTs final_ts);

[[nodiscard]] absl::StatusOr<Hello> decode_hello(ByteSpan body);
[[nodiscard]] absl::StatusOr<Welcome> decode_welcome(ByteSpan body);
// What the peer refused us with, never OK: a body that doesn't decode is an error too.
[[nodiscard]] absl::Status decode_refusal(ByteSpan body);
[[nodiscard]] absl::StatusOr<uint64_t> decode_ack(ByteSpan body);
[[nodiscard]] absl::StatusOr<Nack> decode_nack(ByteSpan body);
[[nodiscard]] absl::StatusOr<TsoRequest> decode_tso_request(ByteSpan body);
[[nodiscard]] absl::StatusOr<TsoReply> decode_tso_reply(ByteSpan body);
[[nodiscard]] absl::StatusOr<PullRequest> decode_pull(ByteSpan body);
[[nodiscard]] absl::StatusOr<ResolvedTs> decode_resolved(ByteSpan body);
[[nodiscard]] absl::StatusOr<uint64_t> decode_credit(ByteSpan body);
[[nodiscard]] absl::StatusOr<CommitTs> decode_want(ByteSpan body);
[[nodiscard]] absl::StatusOr<Gap> decode_gap(ByteSpan body);
[[nodiscard]] absl::StatusOr<CommitTs> decode_end(ByteSpan body);

}  // namespace sluice::net
