// Memory for what is received: connections reserve a frame's bytes here before they read its body, or wait unread.
// Contract: whoever was refused is tried again soon after bytes became free, those who have written before first.
// Threads:  the loop's only, but for the budget's on_room, which posts.
// Owns:     the list of those who wait. Borrows the budget, which must outlive it.
// Limits:   kWokenMax tried again at a time, so that a thousand who wait can't keep the loop busy; each also tries by
//           itself every kRetryAfter.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "base/byte_budget.h"

namespace sluice::net {

// The uses of the process' budget that a server reserves for.
struct ReceiveUses {
  ByteUse strangers;  // peers that have had nothing made durable yet share a small part
  ByteUse known;
  ByteUse replies;  // acks, NACKs and the like that the peer hasn't read
};

class ReceiveGate {
 public:
  static constexpr size_t kWokenMax = 16;
  static constexpr std::chrono::milliseconds kRetryAfter{1'000};
  static constexpr uint64_t kKnownBytesMin = 64u << 10;  // a known peer's own minimum

  ReceiveGate(ByteBudget& budget, ReceiveUses uses) : budget_(budget), uses_(uses) {}

  [[nodiscard]] std::shared_ptr<ByteHolder> stranger() {
    return std::make_shared<ByteHolder>(budget_, uses_.strangers, 0);
  }
  [[nodiscard]] std::shared_ptr<ByteHolder> known() {
    return std::make_shared<ByteHolder>(budget_, uses_.known, kKnownBytesMin);
  }
  [[nodiscard]] std::shared_ptr<ByteHolder> replies() {
    return std::make_shared<ByteHolder>(budget_, uses_.replies, 0);
  }
  // The largest frame that can ever be taken.
  [[nodiscard]] uint64_t bytes_max(bool known) const {
    return budget_.reservation_max(known ? uses_.known : uses_.strangers);
  }

  using Wake = std::function<void()>;
  void wait(bool known, Wake wake) { (known ? known_ : strangers_).push_back(std::move(wake)); }
  // Bytes became free.
  void on_room() {
    wake_some(known_);
    wake_some(strangers_);
  }

 private:
  static void wake_some(std::deque<Wake>& waiting) {
    for (size_t n = std::min(waiting.size(), kWokenMax); n > 0; --n) {
      const Wake wake = std::move(waiting.front());
      waiting.pop_front();
      wake();
    }
  }

  ByteBudget& budget_;
  const ReceiveUses uses_;
  std::deque<Wake> known_;
  std::deque<Wake> strangers_;
};

}  // namespace sluice::net
