// How long to wait before the next try and whether to say so: no retry loop burns a core or fills the log.
// Contract: waits double from delay_min to delay_max until went_on(); at most one line is due per log_interval, however
//           failures and successes alternate. While nothing goes on, the distance between lines doubles up to
//           log_interval_max.
// Pure: time is an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace sluice {

struct RetryPaceOptions {
  std::chrono::milliseconds delay_min{50};
  std::chrono::milliseconds delay_max{2000};
  std::chrono::seconds log_interval{10};
  std::chrono::seconds log_interval_max{10};
};

class RetryPace {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit RetryPace(RetryPaceOptions options = {})
      : options_(options), delay_(options.delay_min), distance_(options.log_interval) {}

  struct Turn {
    std::chrono::milliseconds delay;
    bool say = false;
    uint64_t unsaid = 0;  // failures since the last line
  };
  [[nodiscard]] Turn failed(Time now);

  // Since when it had failed, if a line had said so.
  std::optional<Time> went_on();

  // Of the first failure after the last success.
  [[nodiscard]] std::optional<Time> since() const { return since_; }

 private:
  RetryPaceOptions options_;
  std::chrono::milliseconds delay_;
  std::chrono::seconds distance_;  // from the last line to the next
  std::optional<Time> since_;
  std::optional<Time> said_;
  std::optional<Time> said_since_;
  uint64_t unsaid_ = 0;
};

}  // namespace sluice
