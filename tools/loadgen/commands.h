// loadgen's commands.
#pragma once

#include <span>
#include <string_view>

#include <absl/status/status.h>

#include "tools/loadgen/settings.h"

namespace sluice::loadgen {

struct Command {
  std::string_view name;
  std::string_view summary;
  absl::Status (*run)(const Settings&);
};

[[nodiscard]] std::span<const Command> commands();

// From a signal handler: end well what is going on.
void request_stop();

}  // namespace sluice::loadgen
