// The pump's memory budget and who shares it (INV-9): docs/architecture.md has the table.
// Threads:  any; measure() the event loop's.
// Limits:   ingest and pulls keep a quarter each that the others can't take, the log what it may keep for readers and
//           its own buffers; strangers share an eighth, at least one largest frame; open prewrites may take a quarter,
//           beyond which new ones are refused, retryably.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/byte_budget.h"
#include "net/loop/receive_gate.h"
#include "net/native/frame.h"
#include "storage/log_options.h"

namespace sluice::pump {

class PumpMemory {
 public:
  static constexpr ByteUse kIngest{0};       // received, and not yet durable
  static constexpr ByteUse kStrangers{1};    // the same, of peers that have had nothing made durable yet
  static constexpr ByteUse kPulls{2};        // read for pullers and not yet taken by their sockets
  static constexpr ByteUse kReplies{3};      // acks and NACKs that peers haven't read
  static constexpr ByteUse kBookkeeping{4};  // open prewrites, pending commits, the index
  static constexpr ByteUse kLog{5};          // the log's buffers, and what it keeps for readers; its queue is ingest's

  // What one entry costs, its share of hash table or tree node included.
  static constexpr uint64_t kOpenBytes = 192;
  static constexpr uint64_t kPendingBytes = 96;

  // Sizes in bytes; of the log without its queue, which ingest holds.
  struct Measured {
    uint64_t open = 0, pending = 0;  // prewrites, commits
    uint64_t index_bytes = 0;
    uint64_t log_bytes = 0;
  };

  explicit PumpMemory(uint64_t total)
      : budget(total, {{.name = "ingest", .bytes_min = total / 4},
                       {.name = "strangers", .bytes_max = std::max(total / 8, kFrameRoom)},
                       {.name = "pulls", .bytes_min = total / 4},
                       {.name = "replies", .bytes_max = total / 8},
                       {.name = "bookkeeping"},
                       {.name = "log", .bytes_min = log_reader_bytes(total) + kLogBuffersBytes}}),
        open_max(total / 4 / kOpenBytes),
        bookkeeping_(std::make_shared<ByteHolder>(budget, kBookkeeping, 0)->take(0)),
        log_(std::make_shared<ByteHolder>(budget, kLog, 0)->take(0)) {}

  // Counted, never refused: it is there already, and what it takes the others don't get.
  void measure(const Measured& now) {
    set(bookkeeping_, now.open * kOpenBytes + now.pending * kPendingBytes + now.index_bytes);
    set(log_, now.log_bytes);
  }

  // What the log may read ahead and keep for pullers.
  [[nodiscard]] static constexpr uint64_t log_reader_bytes(uint64_t total) {
    return std::min<uint64_t>(storage::kReaderBytesDefault, total / 8);
  }

  [[nodiscard]] static constexpr net::ReceiveUses receive_uses() {
    return {.strangers = kStrangers, .known = kIngest, .replies = kReplies};
  }

  ByteBudget budget;
  const uint64_t open_max;  // prewrites

 private:
  static constexpr uint64_t kFrameRoom = uint64_t{net::kFrameBodyBytesMax} * 5 / 4;
  static constexpr uint64_t kLogBuffersBytes = 6u << 20;  // a batch, zeros ahead of it
  static void set(ByteReservation& held, uint64_t bytes) {
    if (bytes > held.bytes()) held.grow(bytes - held.bytes());
    held.shrink(held.bytes() - bytes);
  }

  ByteReservation bookkeeping_;
  ByteReservation log_;
};

}  // namespace sluice::pump
