// What the downstream's objects look like: SHOW CREATE and the storage engine's table ids, so that a TRUNCATE or an
// exchange of partitions shows although no definition changes.
#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "base/row_change.h"
#include "drainer/sinks/mysql/mysql_connection.h"

namespace sluice::drainer {

// Text that is equal before and after exactly when the DDL changed nothing. Needs the PROCESS privilege.
[[nodiscard]] absl::StatusOr<std::string> fingerprint_objects(MysqlConnection& connection, const DdlChange& ddl);

// Do all objects look as the DDL must have left them? False when the DDL says nothing of what it leaves.
[[nodiscard]] absl::StatusOr<bool> meets_expectations(MysqlConnection& connection, const DdlChange& ddl);

}  // namespace sluice::drainer
