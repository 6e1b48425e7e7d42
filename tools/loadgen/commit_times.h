// When each commit of the workers was sent, for who sees it served and wants to know how long that took.
// Threads:  any; a worker notes its own.
// Limits:   the last kRemembered of each worker: an older one is answered by nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace sluice::loadgen {

class CommitTimes {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr uint64_t kRemembered = uint64_t{1} << 16;

  explicit CommitTimes(size_t workers) : workers_(workers) {
    for (auto& slots : workers_) slots = std::make_unique<Slot[]>(kRemembered);
  }

  void note(uint16_t worker, uint64_t sequence, Time sent) {
    Slot& slot = workers_[worker][sequence % kRemembered];
    slot.sequence.store(0, std::memory_order_relaxed);
    slot.sent_ns.store(sent.time_since_epoch().count(), std::memory_order_release);
    slot.sequence.store(sequence, std::memory_order_release);
  }

  [[nodiscard]] std::optional<Time> sent(uint16_t worker, uint64_t sequence) const {
    if (worker >= workers_.size()) return std::nullopt;
    const Slot& slot = workers_[worker][sequence % kRemembered];
    if (slot.sequence.load(std::memory_order_acquire) != sequence) return std::nullopt;
    const Time time{Time::duration(slot.sent_ns.load(std::memory_order_acquire))};
    if (slot.sequence.load(std::memory_order_acquire) != sequence) return std::nullopt;
    return time;
  }

 private:
  struct Slot {
    std::atomic<uint64_t> sequence{0};  // 0: none
    std::atomic<Time::rep> sent_ns{0};
  };
  std::vector<std::unique_ptr<Slot[]>> workers_;
};

}  // namespace sluice::loadgen
