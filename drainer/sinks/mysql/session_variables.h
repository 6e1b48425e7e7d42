// What our sessions set, per kind of server: whatever a DBA or a cloud's defaults say, the same bytes arrive.
// Pure: the caller reads and sets. A variable is set where the server has it and where it differs, so that one that
// needs a privilege asks for it only where it must change; then all are read back.
// Errors:   FAILED_PRECONDITION names the variable, what it is and what it must be.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "drainer/sinks/mysql/server_kind.h"

namespace sluice::drainer::sinks::mysql {

struct SessionVariable {
  std::string_view name;
  std::string_view value;  // as the server shows it; ON and OFF are 1 and 0
  bool required = false;   // a server without it can't be written to exactly
};

[[nodiscard]] std::vector<SessionVariable> session_variables(ServerKind kind);

// By name in lower case, as SHOW SESSION VARIABLES shows them.
using VariableValues = std::map<std::string, std::string, std::less<>>;

// Reads the variables that session_variables(kind) names.
[[nodiscard]] std::string show_variables_sql(ServerKind kind);

// "SET SESSION …" of all that differ; empty when nothing does.
[[nodiscard]] absl::StatusOr<std::string> set_variables_sql(ServerKind kind, const VariableValues& now);

[[nodiscard]] absl::Status check_variables(ServerKind kind, const VariableValues& now);

}  // namespace sluice::drainer::sinks::mysql
