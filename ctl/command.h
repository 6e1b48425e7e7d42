// A command of binlogctl: one file each, listed in command_table.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "ctl/ctl_options.h"

namespace sluice::ctl {

struct Command {
  std::string_view name;  // of -cmd
  std::string_view help;
  // What goes to standard output.
  // Errors:   INVALID_ARGUMENT for missing or wrong flags (exit 2), the node's otherwise.
  absl::StatusOr<std::string> (*run)(const CtlOptions& options);
};

[[nodiscard]] std::span<const Command> commands();

}  // namespace sluice::ctl
