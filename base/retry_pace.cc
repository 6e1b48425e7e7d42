#include "base/retry_pace.h"

#include <algorithm>

namespace sluice {

RetryPace::Turn RetryPace::failed(Time now) {
  if (!since_) since_ = now;
  Turn turn{.delay = delay_, .say = false, .unsaid = unsaid_};
  delay_ = std::min(delay_ * 2, options_.delay_max);
  if (said_ && now - *said_ < distance_) {
    ++unsaid_;
    return turn;
  }
  turn.say = true;
  if (said_since_ == since_) distance_ = std::min(distance_ * 2, options_.log_interval_max);
  said_ = now;
  said_since_ = since_;
  unsaid_ = 0;
  return turn;
}

std::optional<RetryPace::Time> RetryPace::went_on() {
  const std::optional<Time> spoken = since_ && said_since_ == since_ ? since_ : std::nullopt;
  since_.reset();
  delay_ = options_.delay_min;
  distance_ = options_.log_interval;
  return spoken;
}

}  // namespace sluice
