#include "pump/state/health.h"

#include "base/logging.h"

namespace sluice::pump {
namespace {

int64_t seconds(Health::Time::duration passed) {
  return std::chrono::duration_cast<std::chrono::seconds>(passed).count();
}

}  // namespace

void Health::report(Trouble trouble, const std::string& text, Time now) {
  State& state = states_[static_cast<size_t>(trouble)];
  const bool was = !state.text.empty();
  if (!was && !text.empty()) {
    state.since = now;
    ++state.episodes;
    spdlog::warn("not ready reason=\"{}\"", text);
  }
  if (was && text.empty()) spdlog::info("over after_s={} reason=\"{}\"", seconds(now - state.since), state.text);
  state.text = text;
}

std::string Health::text(Time now) const {
  std::string all;
  for (const State& state : states_) {
    if (state.text.empty()) continue;
    all += fmt::format("{}{}, since {} s", all.empty() ? "" : "; ", state.text, seconds(now - state.since));
  }
  return all;
}

}  // namespace sluice::pump
