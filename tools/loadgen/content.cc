#include "tools/loadgen/content.h"

#include <algorithm>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/status.h"

namespace sluice::loadgen {
namespace {

constexpr uint32_t kMagic = 0x474c4c53;  // "SLLG"
constexpr size_t kFillerBytes = size_t{64} << 10;
constexpr size_t kKindAt = 4;
constexpr size_t kWorkerAt = 6;
constexpr size_t kSeedAt = 8;
constexpr size_t kRunAt = 16;
constexpr size_t kSequenceAt = 24;
constexpr size_t kStartAt = 32;
constexpr size_t kBytesAt = 40;
constexpr size_t kCheckAt = 44;

// splitmix64's finalizer: every input bit reaches every output bit.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint32_t check_of(ByteSpan header) {
  return static_cast<uint32_t>(xxh3(header.first(kCheckAt)));
}

void store_header(const PayloadHeader& header, std::byte* to) {
  store_le(to, kMagic);
  store_le(to + kKindAt, static_cast<uint16_t>(header.kind));
  store_le(to + kWorkerAt, header.worker);
  store_le(to + kSeedAt, header.seed);
  store_le(to + kRunAt, header.run);
  store_le(to + kSequenceAt, header.sequence);
  store_le(to + kStartAt, header.start.value);
  store_le(to + kBytesAt, header.payload_bytes);
  store_le(to + kCheckAt, check_of({to, kPayloadHeaderBytes}));
}

PayloadHeader load_header(const std::byte* from) {
  PayloadHeader header;
  header.kind = static_cast<PayloadKind>(load_le<uint16_t>(from + kKindAt));
  header.worker = load_le<uint16_t>(from + kWorkerAt);
  header.seed = load_le<uint64_t>(from + kSeedAt);
  header.run = load_le<uint64_t>(from + kRunAt);
  header.sequence = load_le<uint64_t>(from + kSequenceAt);
  header.start = StartTs(load_le<uint64_t>(from + kStartAt));
  header.payload_bytes = load_le<uint32_t>(from + kBytesAt);
  return header;
}

bool known(PayloadKind kind) {
  return kind >= PayloadKind::transaction && kind <= PayloadKind::summary;
}

}  // namespace

std::string_view to_string(PayloadKind kind) {
  switch (kind) {
    case PayloadKind::transaction:
      return "transaction";
    case PayloadKind::rolled_back:
      return "rolled-back";
    case PayloadKind::open:
      return "open";
    case PayloadKind::summary:
      return "summary";
  }
  return "unknown";
}

uint64_t fold_transaction(uint64_t sequence, StartTs start, CommitTs commit) {
  return mix(mix(mix(sequence) ^ start.value) ^ commit.value);
}

Content::Content(uint64_t seed) : seed_(seed), filler_(kFillerBytes, '\0') {
  for (size_t at = 0; at < kFillerBytes; at += sizeof(uint64_t))
    store_le(reinterpret_cast<std::byte*>(filler_.data() + at), mix(mix(seed) + at));
}

size_t Content::filler_start(const PayloadHeader& header) const {
  return mix(mix(header.run ^ header.worker) ^ mix(header.sequence) ^ static_cast<uint64_t>(header.kind)) %
         kFillerBytes;
}

void Content::make(PayloadHeader header, std::string& to) const {
  SLUICE_ASSERT(header.payload_bytes >= kPayloadHeaderBytes && header.payload_bytes <= kPayloadBytesMax, "bytes={}",
                header.payload_bytes);
  header.seed = seed_;
  to.resize(header.payload_bytes);
  store_header(header, reinterpret_cast<std::byte*>(to.data()));
  size_t from = filler_start(header);
  for (size_t at = kPayloadHeaderBytes; at < to.size(); from = 0) {
    const size_t some = std::min(to.size() - at, kFillerBytes - from);
    std::memcpy(to.data() + at, filler_.data() + from, some);
    at += some;
  }
}

void Content::make_summary(PayloadHeader header, const Summary& summary, std::string& to) const {
  header.kind = PayloadKind::summary;
  header.seed = seed_;
  header.payload_bytes = kPayloadHeaderBytes + kSummaryBytes + sizeof(uint64_t);
  to.resize(header.payload_bytes);
  std::byte* const at = reinterpret_cast<std::byte*>(to.data());
  store_header(header, at);
  std::byte* const body = at + kPayloadHeaderBytes;
  store_le(body, summary.workers);
  store_le(body + 8, summary.transactions);
  store_le(body + 16, summary.fold);
  store_le(body + 24, summary.last_commit);
  store_le(body + 32, summary.rolled_back);
  store_le(body + 40, summary.open);
  store_le(body + kSummaryBytes, xxh3({body, kSummaryBytes}));
}

absl::StatusOr<PayloadHeader> Content::check(ByteSpan payload) const {
  if (payload.size() < kPayloadHeaderBytes || load_le<uint32_t>(payload.data()) != kMagic)
    return absl::NotFoundError("not loadgen's");
  const PayloadHeader header = load_header(payload.data());
  if (load_le<uint32_t>(payload.data() + kCheckAt) != check_of(payload) || !known(header.kind))
    return absl::DataLossError("a payload's own header doesn't match its check");
  if (header.seed != seed_) return absl::NotFoundError("another seed's");
  if (header.payload_bytes != payload.size())
    return absl::DataLossError(fmt::format("it has {} bytes instead of {}", payload.size(), header.payload_bytes));
  if (header.kind == PayloadKind::summary) {
    const bool whole = payload.size() == kPayloadHeaderBytes + kSummaryBytes + sizeof(uint64_t) &&
                       load_le<uint64_t>(payload.data() + kPayloadHeaderBytes + kSummaryBytes) ==
                           xxh3(payload.subspan(kPayloadHeaderBytes, kSummaryBytes));
    if (!whole) return absl::DataLossError("a summary doesn't match its check");
    return header;
  }
  size_t from = filler_start(header);
  for (size_t at = kPayloadHeaderBytes; at < payload.size(); from = 0) {
    const size_t some = std::min(payload.size() - at, kFillerBytes - from);
    if (std::memcmp(payload.data() + at, filler_.data() + from, some) != 0)
      return absl::DataLossError(
          fmt::format("bytes {} to {} of its payload differ from what the seed gives", at, at + some - 1));
    at += some;
  }
  return header;
}

Summary Content::read_summary(ByteSpan checked_payload) {
  const std::byte* const body = checked_payload.data() + kPayloadHeaderBytes;
  return {.workers = load_le<uint64_t>(body),
          .transactions = load_le<uint64_t>(body + 8),
          .fold = load_le<uint64_t>(body + 16),
          .last_commit = load_le<uint64_t>(body + 24),
          .rolled_back = load_le<uint64_t>(body + 32),
          .open = load_le<uint64_t>(body + 40)};
}

}  // namespace sluice::loadgen
