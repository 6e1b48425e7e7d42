// When to try an unreachable peer again, and what to log about it: once per state change, not per try.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include <spdlog/spdlog.h>

namespace sluice::net {

class Reconnect {
 public:
  Reconnect(std::string address, std::chrono::milliseconds backoff_min, std::chrono::milliseconds backoff_max)
      : address_(std::move(address)), backoff_min_(backoff_min), backoff_max_(backoff_max), backoff_(backoff_min) {}

  void connected() {
    if (std::exchange(unreachable_, false)) spdlog::info("reached again address={}", address_);
    backoff_ = backoff_min_;
  }

  // The pause before the next try.
  [[nodiscard]] std::chrono::milliseconds lost(std::chrono::steady_clock::time_point now, std::string_view why) {
    if (!std::exchange(unreachable_, true)) {
      unreachable_since_ = now;
      spdlog::warn("unreachable, will go on trying address={} reason={}", address_, why);
    }
    const auto pause = backoff_;
    backoff_ = std::min(backoff_ * 2, backoff_max_);
    return pause;
  }

  [[nodiscard]] std::chrono::steady_clock::duration unreachable_for(std::chrono::steady_clock::time_point now) const {
    return unreachable_ ? now - unreachable_since_ : std::chrono::steady_clock::duration::zero();
  }

 private:
  const std::string address_;
  const std::chrono::milliseconds backoff_min_;
  const std::chrono::milliseconds backoff_max_;
  std::chrono::milliseconds backoff_;
  bool unreachable_ = false;
  std::chrono::steady_clock::time_point unreachable_since_;
};

}  // namespace sluice::net
