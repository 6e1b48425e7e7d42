#include "tools/loadgen/workload.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/status.h"

namespace sluice::loadgen {
namespace {

constexpr double kSecondsMax = 86'400;
constexpr double kRateMax = 1e7;

constexpr std::string_view kWanted =
    "a line is NAME SECONDS RATE, RATE being transactions a second as 500 or 500..2000; or NAME once PAYLOAD_BYTES "
    "ROWS "
    "for one huge transaction (docs/formats/loadgen.md)";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  line = line.substr(0, line.find('#'));
  while (true) {
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return words;
    const size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Phase> phase_of(const std::vector<std::string_view>& words) {
  Phase phase{.name = std::string(words[0])};
  if (words.size() == 4 && words[1] == "once") {
    const auto bytes = number<uint64_t>(words[2]), rows = number<uint64_t>(words[3]);
    if (!bytes || !rows || *bytes == 0 || *rows == 0) return std::nullopt;
    phase.huge_payload_bytes = *bytes;
    phase.huge_rows = *rows;
    return phase;
  }
  if (words.size() != 3) return std::nullopt;
  const size_t dots = words[2].find("..");
  const auto seconds = number<double>(words[1]), begin = number<double>(words[2].substr(0, dots));
  const auto end = dots == std::string_view::npos ? begin : number<double>(words[2].substr(dots + 2));
  // The comparisons also refuse what isn't a number at all.
  if (!seconds || !begin || !end || !(*seconds > 0 && *seconds <= kSecondsMax)) return std::nullopt;
  if (!(*begin >= 0 && *begin <= kRateMax && *end >= 0 && *end <= kRateMax)) return std::nullopt;
  phase.seconds = *seconds;
  phase.rate_begin = *begin;
  phase.rate_end = *end;
  return phase;
}

// Transactions that are due in the first `t` seconds of a phase: its rate's integral. When is that `count`?
double time_of(const Phase& phase, double count, double share) {
  if (count <= 0) return phase.rate_begin + phase.rate_end > 0 ? 0 : INFINITY;
  const double rate = phase.rate_begin * share;
  const double slope = (phase.rate_end - phase.rate_begin) * share / phase.seconds;
  if (slope == 0) return rate == 0 ? INFINITY : count / rate;
  const double under_root = rate * rate + 2 * slope * count;
  if (under_root < 0) return INFINITY;                // a falling rate reaches zero before
  return 2 * count / (rate + std::sqrt(under_root));  // the stable form of the quadratic's root
}

}  // namespace

absl::StatusOr<Workload> parse_workload(std::string_view text) {
  Workload workload;
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string_view> words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    const std::optional<Phase> phase = phase_of(words);
    if (!phase) return absl::InvalidArgumentError(fmt::format("line {} isn't understood: {}", line, kWanted));
    workload.push_back(*phase);
  }
  if (workload.empty()) return absl::InvalidArgumentError(fmt::format("it has no phase: {}", kWanted));
  return workload;
}

Pace::Pace(const Workload& workload, uint32_t lane, uint32_t lanes) : workload_(workload), lane_(lane), lanes_(lanes) {
  find_front();
}

void Pace::pop() {
  ++nth_;
  find_front();
}

void Pace::find_front() {
  front_.reset();
  for (; phase_ < workload_.size(); ++phase_, nth_ = 0) {
    const Phase& phase = workload_[phase_];
    double at = 0;
    if (phase.is_huge()) {
      if (lane_ != 0 || nth_ != 0) continue;
    } else {
      const double share = 1.0 / lanes_;
      at = time_of(phase, static_cast<double>(nth_) + static_cast<double>(lane_) * share, share);
      if (!(at < phase.seconds)) {
        phase_begin_s_ += phase.seconds;
        continue;
      }
    }
    const std::chrono::duration<double> since(phase_begin_s_ + at);
    front_ = Due{.at = std::chrono::duration_cast<std::chrono::nanoseconds>(since),
                 .huge = phase.is_huge() ? &phase : nullptr};
    return;
  }
}

}  // namespace sluice::loadgen
