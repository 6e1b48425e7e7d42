#include "drainer/translator/time_text.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace sluice::drainer::translator {
namespace {

constexpr unsigned kFractionMax = 6;

void append_fraction(uint32_t microsecond, unsigned digits, std::string& text) {
  if (digits == 0) return;
  const std::string all = fmt::format("{:06}", microsecond);
  text += '.';
  text.append(all, 0, std::min(digits, kFractionMax));
}

}  // namespace

CivilTime unpack_time(uint64_t packed) {
  CivilTime time;
  time.microsecond = static_cast<uint32_t>(packed & 0xffffff);
  const uint64_t hms = packed >> 24 & 0x1ffff;
  time.second = static_cast<uint32_t>(hms & 63);
  time.minute = static_cast<uint32_t>(hms >> 6 & 63);
  time.hour = static_cast<uint32_t>(hms >> 12);
  const uint64_t ymd = packed >> 41;
  time.day = static_cast<uint32_t>(ymd & 31);
  time.month = static_cast<uint32_t>((ymd >> 5) % 13);
  time.year = static_cast<int32_t>((ymd >> 5) / 13);
  return time;
}

bool is_plausible(const CivilTime& time) {
  return time.year <= 9999 && time.month <= 12 && time.hour < 24 && time.minute < 60 && time.second < 60 &&
         time.microsecond < 1'000'000;
}

CivilTime shift(const CivilTime& time, std::chrono::minutes offset) {
  if (offset.count() == 0 || time.is_zero()) return time;
  using namespace std::chrono;
  const auto date = year(time.year) / month(time.month) / day(time.day);
  const auto moved = sys_days(date) + hours(time.hour) + minutes(time.minute) + offset;
  const auto midnight = floor<days>(moved);
  const year_month_day after(midnight);
  const hh_mm_ss clock(moved - midnight);
  return {.year = static_cast<int>(after.year()),
          .month = static_cast<unsigned>(after.month()),
          .day = static_cast<unsigned>(after.day()),
          .hour = static_cast<uint32_t>(clock.hours().count()),
          .minute = static_cast<uint32_t>(clock.minutes().count()),
          .second = time.second,
          .microsecond = time.microsecond};
}

void append_date(const CivilTime& time, std::string& text) {
  fmt::format_to(std::back_inserter(text), "{:04}-{:02}-{:02}", time.year, time.month, time.day);
}

void append_datetime(const CivilTime& time, unsigned fraction, std::string& text) {
  append_date(time, text);
  fmt::format_to(std::back_inserter(text), " {:02}:{:02}:{:02}", time.hour, time.minute, time.second);
  append_fraction(time.microsecond, fraction, text);
}

void append_duration(int64_t nanoseconds, unsigned fraction, std::string& text) {
  // Negated as unsigned: the smallest int64 has no positive twin.
  const uint64_t magnitude =
      nanoseconds < 0 ? 0 - static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
  const uint64_t seconds = magnitude / 1'000'000'000;
  fmt::format_to(std::back_inserter(text), "{}{:02}:{:02}:{:02}", nanoseconds < 0 ? "-" : "", seconds / 3600,
                 seconds / 60 % 60, seconds % 60);
  append_fraction(static_cast<uint32_t>(magnitude / 1000 % 1'000'000), fraction, text);
}

}  // namespace sluice::drainer::translator
