// Log set-up shared by the programs: one structured line an event, on stderr or into a file, never a secret.
// Lines look as TiDB-Binlog's do: [2026/11/24 11:13:21.016 +00:00] [INFO] text key=value
#pragma once

#include <string>

#include <absl/status/status.h>
#include <spdlog/spdlog.h>

namespace sluice {

struct LogOptions {
  std::string file;            // empty: stderr
  std::string level = "info";  // debug, info, warn, error, fatal
};

[[nodiscard]] absl::Status set_up_logging(const LogOptions& options);

// Opens the file again by its name, after somebody has moved it away; on stderr nothing happens. When it can't be
// opened, what is open is kept. From any thread.
[[nodiscard]] absl::Status reopen_log();

// INVALID_ARGUMENT for none of the levels. From any thread.
[[nodiscard]] absl::Status set_log_level(const std::string& level);

}  // namespace sluice
