// What loadgen writes: payloads that name themselves, and whose every byte follows from the seed, so that `verify` can
// tell from a payload alone who wrote it, as which of how many, and whether a bit of it has changed.
// Format:   docs/formats/loadgen.md
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "base/bytes.h"
#include "base/record.h"
#include "base/tso.h"

namespace sluice::loadgen {

enum class PayloadKind : uint8_t {
  transaction = 1,  // to be committed
  rolled_back = 2,  // to be rolled back: whoever pulls it pulls what never took effect
  open = 3,         // never to be committed
  summary = 4,      // a worker's last: how much it wrote; its body is a Summary
};

[[nodiscard]] std::string_view to_string(PayloadKind kind);

inline constexpr uint32_t kPayloadHeaderBytes = 48;
inline constexpr uint32_t kPayloadBytesMax = kTransactionBytesMax;
inline constexpr uint32_t kSummaryBytes = 48;

struct PayloadHeader {
  PayloadKind kind{};
  uint16_t worker = 0;  // from 0; a connection of the run
  uint64_t seed = 0;
  uint64_t run = 0;       // which `loadgen write`: its first timestamp
  uint64_t sequence = 0;  // from 1, of this kind in this worker
  StartTs start;
  uint32_t payload_bytes = 0;  // header included
};

// What one worker wrote, when all of it was acked.
struct Summary {
  uint64_t workers = 0;       // of the run
  uint64_t transactions = 0;  // committed, without this one
  uint64_t fold = 0;          // fold_transaction() of each, added up
  uint64_t last_commit = 0;   // of transactions; 0: none
  uint64_t rolled_back = 0;
  uint64_t open = 0;
};

// A sum of these over transactions tells whether any timestamp differs; their order has its own check.
[[nodiscard]] uint64_t fold_transaction(uint64_t sequence, StartTs start, CommitTs commit);

// Makes and checks the payloads of one seed.
class Content {
 public:
  explicit Content(uint64_t seed);
  [[nodiscard]] uint64_t seed() const { return seed_; }

  // Replaces `to`. The header's seed is ours.
  void make(PayloadHeader header, std::string& to) const;
  void make_summary(PayloadHeader header, const Summary& summary, std::string& to) const;

  // NOT_FOUND: not a payload of this seed (someone else's). DATA_LOSS: one of ours that was altered, naming where.
  [[nodiscard]] absl::StatusOr<PayloadHeader> check(ByteSpan payload) const;
  [[nodiscard]] static Summary read_summary(ByteSpan checked_payload);

 private:
  [[nodiscard]] size_t filler_start(const PayloadHeader& header) const;

  uint64_t seed_;
  std::string filler_;  // random bytes, repeated from its front
};

}  // namespace sluice::loadgen
