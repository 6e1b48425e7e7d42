// The one place where a status becomes the exit code of pump and drainer (the command line's contract).
#pragma once

#include <absl/status/status.h>

namespace sluice {

enum class ExitCode : int {
  done = 0,  // finished, or asked to stop
  restart_may_heal = 1,
  wrong_usage = 2,  // command line or configuration
  needs_human = 3,  // the last log line says what to do
};

// FAILED_PRECONDITION and DATA_LOSS need a human, INVALID_ARGUMENT is wrong usage, all others may heal by a restart.
[[nodiscard]] constexpr ExitCode exit_code(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return ExitCode::done;
    case absl::StatusCode::kInvalidArgument:
      return ExitCode::wrong_usage;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kDataLoss:
      return ExitCode::needs_human;
    default:
      return ExitCode::restart_may_heal;
  }
}

}  // namespace sluice
