// What keeps a pump from being ready: each trouble with its text, since when, and how often it came.
// Contract: a trouble's begin and its end are one log line each, however often it is reported in between.
// Threads:  one; pure but for the log lines.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace sluice::pump {

class Health {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Trouble : uint8_t { log_read_only, no_space, oracle };

  // Empty text: it is over, or isn't there.
  void report(Trouble trouble, const std::string& text, Time now);
  // "the oracle gives no timestamps (…) since 12 s", several joined by "; "; empty: nothing keeps it.
  [[nodiscard]] std::string text(Time now) const;
  [[nodiscard]] uint64_t episodes(Trouble trouble) const { return states_[static_cast<size_t>(trouble)].episodes; }

 private:
  struct State {
    std::string text;
    Time since;
    uint64_t episodes = 0;
  };
  std::array<State, 3> states_;
};

}  // namespace sluice::pump
