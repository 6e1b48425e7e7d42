// Whether a server is one to write to. The user root writes happily to a server with read_only=1, and so makes a
// replica differ from its primary: so it is asked, at each connect.
// Errors:   UNAVAILABLE says what it is: it passes when the server is promoted.
#pragma once

#include <absl/status/status.h>

#include "drainer/sinks/mysql/mysql_connection.h"

namespace sluice::drainer::sinks::mysql {

[[nodiscard]] absl::Status check_writable(MysqlConnection& connection);

// The privileges that are needed only later: better known at the start than at the first DDL.
// Errors:   PERMISSION_DENIED lists all that are needed.
[[nodiscard]] absl::Status check_privileges(MysqlConnection& connection);

}  // namespace sluice::drainer::sinks::mysql
