#include "drainer/sinks/mysql/server_state.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/status.h"
#include "drainer/sinks/mysql/server_errors.h"

namespace sluice::drainer::sinks::mysql {

namespace {

bool is_on(const std::string& value) {
  const std::string text = absl::AsciiStrToUpper(value);
  return text != "" && text != "OFF" && text != "0" && text != "NO_LOCK";
}

absl::Status check_read_only(MysqlConnection& connection) {
  const char* names = connection.kind() == ServerKind::tidb
                          ? "'tidb_restricted_read_only','tidb_super_read_only'"
                          : "'read_only','super_read_only','innodb_read_only','offline_mode'";
  SLUICE_ASSIGN_OR_RETURN(const auto rows,
                          connection.query(fmt::format("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})", names)));
  for (const auto& row : rows)
    if (is_on(row.at(1).value_or("")))
      return absl::UnavailableError(fmt::format("the server has {}={}: is it a replica, or being moved?",
                                                row.at(0).value_or(""), row.at(1).value_or("")));
  return absl::OkStatus();
}

// A configured replication that is stopped for good (a promoted primary's old one) doesn't count.
absl::Status check_replica(MysqlConnection& connection) {
  if (connection.kind() == ServerKind::tidb) return absl::OkStatus();
  const bool mariadb = connection.kind() == ServerKind::mariadb;
  auto rows = connection.query_named(mariadb ? "SHOW ALL SLAVES STATUS" : "SHOW REPLICA STATUS");
  if (!rows.ok()) {
    if (absl::IsUnavailable(rows.status())) return rows.status();
    // Asked for again at every connect, told once a process.
    static const bool told = [&] {
      spdlog::warn("can't tell whether the downstream is a replica (needs {}): {}",
                   mariadb ? "REPLICA MONITOR" : "REPLICATION CLIENT", message_of(rows.status()));
      return true;
    }();
    (void)told;
    return absl::OkStatus();
  }
  for (const auto& row : *rows) {
    for (const char* thread : {"Slave_IO_Running", "Slave_SQL_Running", "Replica_IO_Running", "Replica_SQL_Running"}) {
      const auto found = row.find(thread);
      if (found == row.end() || found->second.empty() || found->second == "No") continue;
      return absl::UnavailableError(
          fmt::format("the server is a running replica ({}={}): writing to it makes it differ from its primary", thread,
                      found->second));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status check_writable(MysqlConnection& connection) {
  if (absl::Status status = check_read_only(connection); !status.ok()) return status;
  return check_replica(connection);
}

absl::Status check_privileges(MysqlConnection& connection) {
  if (connection.kind() == ServerKind::tidb) return absl::OkStatus();
  const auto rows =
      connection.query(fmt::format("SELECT COUNT(*) FROM information_schema.{} LIMIT 1",
                                   connection.kind() == ServerKind::mariadb ? "INNODB_SYS_TABLES" : "INNODB_TABLES"));
  if (rows.ok() || meaning_of(mysql_error_of(rows.status())) != ErrorMeaning::privilege) return rows.status();
  return absl::PermissionDeniedError(fmt::format(
      "{}. The drainer's user needs: PROCESS on *.* (table ids tell whether an interrupted DDL ran); CREATE, SELECT, "
      "INSERT, UPDATE, DELETE on tidb_binlog.*; SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, "
      "REFERENCES, "
      "CREATE VIEW, SHOW VIEW on what is replicated",
      message_of(rows.status())));
}

}  // namespace sluice::drainer::sinks::mysql
