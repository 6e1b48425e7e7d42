// Time as an argument: programs pass SystemClock, tests a clock of their own.
#pragma once

#include <chrono>
#include <cstdint>

namespace sluice {

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::chrono::system_clock::time_point wall_now() const = 0;
  [[nodiscard]] virtual std::chrono::steady_clock::time_point now() const = 0;
};

// Milliseconds since the epoch, as in a timestamp's physical part.
[[nodiscard]] inline uint64_t wall_ms(const Clock& clock) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(clock.wall_now().time_since_epoch()).count());
}

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override {
    return std::chrono::system_clock::now();
  }
  [[nodiscard]] std::chrono::steady_clock::time_point now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace sluice
