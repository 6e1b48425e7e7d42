// What log lines about the outside world need: fields that can't forge a line, and lines that can't become a flood.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

// A value that came from outside (a peer's name, its error text, a URL), as a field of a log line: bare when it is one
// plain word, else quoted, with quotes, backslashes, control and non-ASCII bytes escaped, so that no value can forge a
// field or a line. Cut at kLogFieldBytesMax.
inline constexpr size_t kLogFieldBytesMax = 1024;
[[nodiscard]] std::string log_field(std::string_view value);

// Lets kBurst lines of one kind through, then one a second, so that a flood of bad peers can't fill the disk with log.
// Threads:  one.
class LogLimiter {
 public:
  static constexpr uint64_t kBurst = 32;

  // The number of lines that were kept back since the last one that passed; nullopt: keep this one back too.
  [[nodiscard]] std::optional<uint64_t> pass(std::chrono::steady_clock::time_point now) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - refilled_).count();
    if (seconds > 0) {
      left_ = std::min(kBurst, left_ + static_cast<uint64_t>(seconds));
      refilled_ = now;
    }
    if (left_ == 0) {
      ++kept_back_;
      return std::nullopt;
    }
    --left_;
    return std::exchange(kept_back_, 0);
  }

 private:
  std::chrono::steady_clock::time_point refilled_;
  uint64_t left_ = kBurst;
  uint64_t kept_back_ = 0;
};

// The end of a line that stands for others: " more_like_this=41", or nothing.
[[nodiscard]] std::string like_this(uint64_t kept_back);

}  // namespace sluice
