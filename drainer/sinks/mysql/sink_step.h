// The moments of an apply at which a fault hurts most. Tests hook them: to cut connections, to end the sink as kill -9
// would.
#pragma once

#include <functional>

#include <absl/status/status.h>

namespace sluice::drainer::sinks::mysql {

enum class SinkStep {
  packet_sent,  // inside a downstream transaction, after each packet
  before_commit,
  commit_done,  // UNAVAILABLE here is a commit whose answer got lost
  ddl_intent_written,
  ddl_ran,  // and isn't recorded as done yet
};

// What it returns is taken as the step's own outcome. Empty in production.
using SinkStepHook = std::function<absl::Status(SinkStep)>;

[[nodiscard]] inline absl::Status pass_step(const SinkStepHook& hook, SinkStep step) {
  return hook ? hook(step) : absl::OkStatus();
}

}  // namespace sluice::drainer::sinks::mysql
