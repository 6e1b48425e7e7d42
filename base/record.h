// Records: what writers send, what the log keeps and what pullers receive; the same bytes and hashes on wire and disk.
// Format:   docs/formats/record.md
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"
#include "base/tso.h"

namespace sluice {

enum class RecordKind : uint8_t {
  prewrite = 1,       // start ts, payload and its hash
  commit = 2,         // start ts, commit ts
  rollback = 3,       // start ts
  prewrite_part = 4,  // a piece of a payload larger than kRecordBodyBytesMax
  progress = 5,       // writer time: "nothing at or below this ts will be committed by me any more"
  // Decisions: appended by the pump itself before anyone acts on them (docs/architecture.md).
  decided_commit = 8,    // the commit never arrived; the database says it committed at this ts
  decided_rollback = 9,  // the database says it rolled back
  stray = 10,            // a copy of a transaction that another pump has; commit ts as found
  abort = 11,            // a native writer is gone; a later commit is refused
};

enum class PayloadFormat : uint8_t {
  none = 0,
  tidb = 1,    // a serialized tipb `binlog.Binlog` message of type Prewrite, as TiDB sent it
  native = 2,  // a FlatBuffers row batch
};

// Flags of prewrite_part.
inline constexpr uint16_t kPartFirst = 1;
inline constexpr uint16_t kPartLast = 2;

inline constexpr uint32_t kRecordAlignment = 8;
inline constexpr uint32_t kRecordHeaderBytesMin = 16;
inline constexpr uint32_t kRecordHeaderBytesMax = 40;
// A larger payload travels and is stored in parts of exactly this size, the last one smaller.
inline constexpr uint32_t kRecordBodyBytesMax = 1u << 20;
inline constexpr uint32_t kRecordBytesMax = kRecordHeaderBytesMax + kRecordBodyBytesMax;
// A transaction's payload, whole.
inline constexpr uint32_t kTransactionBytesMax = (1u << 31) - 1;

struct RecordHeader {
  RecordKind kind{};
  PayloadFormat format = PayloadFormat::none;
  uint16_t flags = 0;
  uint32_t body_bytes = 0;
  uint64_t start_ts = 0;   // progress: the promised ts
  uint64_t commit_ts = 0;  // commit, decided_commit, stray
  uint64_t body_hash = 0;  // prewrite, prewrite_part: XXH3 of this body
  // prewrite_part only: where this piece lies in the whole payload, and the whole.
  uint64_t whole_hash = 0;
  uint32_t part_offset = 0;
  uint32_t whole_bytes = 0;

  [[nodiscard]] uint32_t header_bytes() const;
  // Header, body and zero padding up to kRecordAlignment.
  [[nodiscard]] uint32_t record_bytes() const {
    return static_cast<uint32_t>(align_up(header_bytes() + body_bytes, kRecordAlignment));
  }
  [[nodiscard]] bool has_commit_ts() const;
  [[nodiscard]] bool is_payload() const { return kind == RecordKind::prewrite || kind == RecordKind::prewrite_part; }
  // True for a prewrite, and for the part that completes one.
  [[nodiscard]] bool completes_prewrite() const {
    return kind == RecordKind::prewrite || (kind == RecordKind::prewrite_part && (flags & kPartLast) != 0);
  }
};

// One record in somebody else's memory.
struct RecordView {
  RecordHeader header;
  ByteSpan body;
  ByteSpan bytes;  // header, body and padding
};

// 0 when `kind` is none of ours.
[[nodiscard]] uint32_t record_header_bytes(uint8_t kind);

// Decodes the record at the front of `run`. Checks kind, flags, lengths against the limits and against what is there,
// and that the padding is zero; the body's hash only when asked.
// Errors:   DATA_LOSS, naming the field and both values.
struct DecodeOptions {
  bool verify_body = true;
};
[[nodiscard]] absl::StatusOr<RecordView> decode_record(ByteSpan run, DecodeOptions options);

// Calls `visit` with each record of a run (records back to back, each 8-byte aligned in it) until it returns an error.
[[nodiscard]] absl::Status for_each_record(ByteSpan run, DecodeOptions options,
                                           const std::function<absl::Status(const RecordView&)>& visit);

// Writes header.header_bytes() bytes to `to`.
void encode_record_header(const RecordHeader& header, std::byte* to);

// Appends to `run`. encode_prewrite splits a payload above kRecordBodyBytesMax into parts; `payload` is at most
// kTransactionBytesMax (asserted: callers check what users send).
void encode_prewrite(StartTs start, PayloadFormat format, ByteSpan payload, std::string& run);
void encode_commit(StartTs start, CommitTs commit, std::string& run, RecordKind kind = RecordKind::commit);
void encode_rollback(StartTs start, std::string& run, RecordKind kind = RecordKind::rollback);
void encode_progress(Tso ts, std::string& run);

// Folds one record header into the hash of all headers before it. Frames start from 0, batches from the segment's salt.
// Bodies need no second pass: each is covered by the hash in its header.
[[nodiscard]] uint64_t chain_record_header(uint64_t before, ByteSpan header);
// The fold over a whole, already checked run.
[[nodiscard]] uint64_t chain_record_headers(uint64_t seed, ByteSpan run);

}  // namespace sluice
