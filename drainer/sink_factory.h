// Makes the sink that the configuration names. Each sink's own header stays behind this.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <absl/status/statusor.h>

#include "base/tso.h"
#include "drainer/drainer_options.h"
#include "drainer/sinks/sink.h"

namespace sluice::drainer {

// SQL sinks keep the position themselves, in the downstream database.
[[nodiscard]] bool keeps_own_position(const DrainerConfig& config);

// What the pumps and the data folder say before a sink is made.
struct SinkFacts {
  uint64_t cluster_id = 0;
  std::optional<CommitTs> largest_ts{};  // no position lies above it; nothing while nothing has been written
  CommitTs saved{};                      // of the checkpoint file, 0: none
};

using SinkFactory =
    std::function<absl::StatusOr<std::unique_ptr<sinks::Sink>>(const DrainerConfig& config, const SinkFacts& facts)>;
[[nodiscard]] absl::StatusOr<std::unique_ptr<sinks::Sink>> make_sink(const DrainerConfig& config,
                                                                     const SinkFacts& facts);

}  // namespace sluice::drainer
