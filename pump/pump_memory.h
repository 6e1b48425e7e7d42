// The pump's memory budget and who shares it (INV-9): docs/architecture.md has the table.
// Threads:  any; measure() the event loop's.
// Limits:   ingest and pulls keep a quarter each that the others can't take; strangers share an eighth, at least one
//           largest frame; open prewrites may take a quarter, beyond which new ones are refused, retryably.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/byte_budget.h"
#include "net/frame.h"
#include "net/receive_gate.h"

namespace sluice::pump {

class PumpMemory {
 public:
  static constexpr ByteUse kIngest{0};       // received, and not yet durable
  static constexpr ByteUse kStrangers{1};    // the same, of peers that have had nothing made durable yet
  static constexpr ByteUse kPulls{2};        // read for pullers and not yet taken by their sockets
  static constexpr ByteUse kReplies{3};      // acks and NACKs that peers haven't read
  static constexpr ByteUse kBookkeeping{4};  // open prewrites, pending commits, the index

  // What one entry costs, its share of hash table, tree node or vector slack included.
  static constexpr uint64_t kOpenBytes = 192;
  static constexpr uint64_t kPendingBytes = 96;
  static constexpr uint64_t kIndexedBytes = 48;

  explicit PumpMemory(uint64_t total)
      : budget(total, {{.name = "ingest", .bytes_min = total / 4},
                       {.name = "strangers", .bytes_max = std::max(total / 8, kFrameRoom)},
                       {.name = "pulls", .bytes_min = total / 4},
                       {.name = "replies", .bytes_max = total / 8},
                       {.name = "bookkeeping"}}),
        open_max(total / 4 / kOpenBytes),
        bookkeeping_(std::make_shared<ByteHolder>(budget, kBookkeeping, 0)->take(0)) {}

  // Counted, never refused: it is there already, and what it takes the others don't get.
  void measure(uint64_t open, uint64_t pending, uint64_t indexed) {
    const uint64_t bytes = open * kOpenBytes + pending * kPendingBytes + indexed * kIndexedBytes;
    if (bytes > bookkeeping_.bytes()) bookkeeping_.grow(bytes - bookkeeping_.bytes());
    bookkeeping_.shrink(bookkeeping_.bytes() - bytes);
  }

  [[nodiscard]] static constexpr net::ReceiveUses receive_uses() {
    return {.strangers = kStrangers, .known = kIngest, .replies = kReplies};
  }

  ByteBudget budget;
  const uint64_t open_max;  // prewrites

 private:
  static constexpr uint64_t kFrameRoom = uint64_t{net::kFrameBodyBytesMax} * 5 / 4;
  ByteReservation bookkeeping_;
};

}  // namespace sluice::pump
