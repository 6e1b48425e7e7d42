// Makes the sink that the configuration names. Each sink's own header stays behind this.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <absl/status/statusor.h>

#include "drainer/drainer_options.h"
#include "drainer/sinks/sink.h"

namespace sluice::drainer {

// SQL sinks keep the position themselves, in the downstream database.
[[nodiscard]] bool keeps_own_position(const DrainerConfig& config);

using SinkFactory =
    std::function<absl::StatusOr<std::unique_ptr<Sink>>(const DrainerConfig& config, uint64_t cluster_id)>;
[[nodiscard]] absl::StatusOr<std::unique_ptr<Sink>> make_sink(const DrainerConfig& config, uint64_t cluster_id);

}  // namespace sluice::drainer
