// Log set-up shared by the programs: one structured line an event, on stderr or into a file, never a secret.
// Lines look as TiDB-Binlog's do: [2026/11/24 11:13:21.016 +00:00] [INFO] text key=value
#pragma once

#include <string>

#include <absl/status/status.h>
#include <spdlog/spdlog.h>

namespace sluice {

struct LogOptions {
  std::string file;            // empty: stderr
  std::string level = "info";  // debug, info, warn, error
};

[[nodiscard]] absl::Status set_up_logging(const LogOptions& options);

}  // namespace sluice
