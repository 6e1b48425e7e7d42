// `binlogctl -cmd pumps --addr HOST:PORT`: what a pump says of itself and of the pumps it knows.
#pragma once

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "ctl/ctl_options.h"

namespace sluice::ctl {

[[nodiscard]] absl::StatusOr<std::string> run_pumps(const CtlOptions& options);

// A line a pump, as TiDB-Binlog's binlogctl words its nodes, from the body of `GET /status`.
// Errors:   INVALID_ARGUMENT when it isn't a pump's status page.
[[nodiscard]] absl::StatusOr<std::string> pumps_text(std::string_view status_body);

}  // namespace sluice::ctl
