// The one byte budget of a process: who wants to hold bytes reserves them here first, or is refused.
// Contract: what is reserved through try_reserve() never exceeds the total. A use keeps its minimum whatever the others
//           hold; a holder (a connection, a source) keeps its own minimum inside its use, so that one who waits for
//           memory can always go on with what is his. Only the excess over minima is shared.
//           A reservation gives its bytes back when it is destroyed, once.
// Threads:  any. Takes one mutex, allocates nothing.
// Owns:     the counters only, no memory. The budget outlives its holders, a holder its reservations.
// Errors:   a refusal is a value, counted for its use; whoever is refused retries after on_room, or refuses its peer
//           retryably.
// Limits:   kUsesMax uses.
//
//    charge(holder) = max(its minimum, what it holds)          total  ┌─ use A: max(min, sum of its holders' charges)
//    charge(use)    = max(its minimum, charges of holders)            ├─ use B: ...
//    sum of charge(use) <= total                                      └─ free: whoever comes first
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace sluice {

// What bytes are held for, by its place in the budget's list: a program names its own (enum class PumpUse ...).
struct ByteUse {
  size_t index = 0;
};

struct ByteUseOptions {
  std::string_view name;  // of a metric label; not copied
  uint64_t bytes_min = 0;
  uint64_t bytes_max = UINT64_MAX;
};

struct ByteUseStats {
  std::string_view name{};
  uint64_t bytes = 0;      // held now
  uint64_t bytes_top = 0;  // the most that was ever held
  uint64_t refusals = 0;
};

class ByteBudget {
 public:
  static constexpr size_t kUsesMax = 8;

  // The minima together must fit `total`.
  ByteBudget(uint64_t total, std::initializer_list<ByteUseOptions> uses);
  ~ByteBudget();  // asserts that nothing is held
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // Called, on the thread that released and outside the lock, after the first release that follows a refusal. Set once,
  // before others use the budget. It must not reserve itself: post, then retry.
  void on_room(std::function<void()> room) { room_ = std::move(room); }

  [[nodiscard]] uint64_t total() const { return total_; }
  [[nodiscard]] uint64_t bytes() const;      // held now, minima not counted
  [[nodiscard]] uint64_t bytes_top() const;  // the most that was ever held
  [[nodiscard]] size_t uses() const { return uses_count_; }
  [[nodiscard]] ByteUseStats stats(ByteUse use) const;
  // The largest reservation of this use that can ever succeed: more than this is refused for good.
  [[nodiscard]] uint64_t reservation_max(ByteUse use) const;

 private:
  friend class ByteHolder;
  struct Use {
    ByteUseOptions options;
    uint64_t charged = 0;  // by its holders
    ByteUseStats stats;
  };
  // The lock is held. Moves a holder's charge; false: no room (never when `forced`).
  bool recharge(Use& use, uint64_t before, uint64_t after, bool forced);

  const uint64_t total_;
  std::function<void()> room_;
  mutable std::mutex mutex_;
  std::array<Use, kUsesMax> uses_;
  size_t uses_count_ = 0;
  uint64_t charged_ = 0;
  uint64_t bytes_ = 0;
  uint64_t bytes_top_ = 0;
  bool refused_ = false;  // since the last call of room_
};

class ByteReservation;

// One who holds bytes for one use. Made by std::make_shared: its reservations keep it, a closed connection's for
// example.
class ByteHolder : public std::enable_shared_from_this<ByteHolder> {
 public:
  // Sets `bytes_min` aside for as long as the holder lives, or what of it is left.
  ByteHolder(ByteBudget& budget, ByteUse use, uint64_t bytes_min);
  ~ByteHolder();
  ByteHolder(const ByteHolder&) = delete;
  ByteHolder& operator=(const ByteHolder&) = delete;

  // Empty (false) when there is no room; counted as a refusal.
  [[nodiscard]] ByteReservation try_reserve(uint64_t bytes);
  // For bytes that are there already and can't be refused (an index that grew): the budget may be overdrawn by them,
  // which others then pay.
  [[nodiscard]] ByteReservation take(uint64_t bytes);

  [[nodiscard]] uint64_t bytes() const;
  [[nodiscard]] uint64_t bytes_min() const { return bytes_min_; }

 private:
  friend class ByteReservation;
  bool add(uint64_t bytes, bool forced);
  void remove(uint64_t bytes);

  ByteBudget& budget_;
  const ByteUse use_;
  uint64_t bytes_min_ = 0;
  uint64_t bytes_ = 0;  // under the budget's lock
};

// Bytes that are held. Destroying it, or release(), gives them back.
class ByteReservation {
 public:
  ByteReservation() = default;
  ByteReservation(ByteReservation&& from) noexcept
      : holder_(std::move(from.holder_)), bytes_(std::exchange(from.bytes_, 0)) {}
  ByteReservation& operator=(ByteReservation&& from) noexcept {
    if (this == &from) return *this;
    release();
    holder_ = std::move(from.holder_);
    bytes_ = std::exchange(from.bytes_, 0);
    return *this;
  }
  ~ByteReservation() { release(); }

  // True: granted, even if for 0 bytes.
  explicit operator bool() const { return holder_ != nullptr; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  // Of a granted one.
  [[nodiscard]] bool try_grow(uint64_t by);
  void grow(uint64_t by);  // see ByteHolder::take()
  void shrink(uint64_t by);
  void release();

 private:
  friend class ByteHolder;
  ByteReservation(std::shared_ptr<ByteHolder> holder, uint64_t bytes) : holder_(std::move(holder)), bytes_(bytes) {}

  std::shared_ptr<ByteHolder> holder_;
  uint64_t bytes_ = 0;
};

}  // namespace sluice
