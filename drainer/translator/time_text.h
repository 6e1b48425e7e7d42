// Dates and times as rows carry them, rendered as MySQL prints them.
// Format:   docs/formats/row-v1.md
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace sluice::drainer::translator {

struct CivilTime {
  int32_t year = 0;
  uint32_t month = 0;
  uint32_t day = 0;
  uint32_t hour = 0;
  uint32_t minute = 0;
  uint32_t second = 0;
  uint32_t microsecond = 0;

  [[nodiscard]] bool is_zero() const {
    return year == 0 && month == 0 && day == 0 && hour == 0 && minute == 0 && second == 0 && microsecond == 0;
  }
};

// The packed form of DATE, DATETIME and TIMESTAMP columns.
[[nodiscard]] CivilTime unpack_time(uint64_t packed);
// False for what no calendar has; zero dates and zero months or days are fine, MySQL allows them.
[[nodiscard]] bool is_plausible(const CivilTime& time);
// The zero time stays zero, as TIMESTAMP's does.
[[nodiscard]] CivilTime shift(const CivilTime& time, std::chrono::minutes offset);

void append_date(const CivilTime& time, std::string& text);
// `fraction`: digits after the seconds, 0 to 6; the rest is cut.
void append_datetime(const CivilTime& time, unsigned fraction, std::string& text);
void append_duration(int64_t nanoseconds, unsigned fraction, std::string& text);

}  // namespace sluice::drainer::translator
