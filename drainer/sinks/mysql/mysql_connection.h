// One session with a MySQL, MariaDB or TiDB server, set up so that what is written is what TiDB stored.
// Threads:  one; interrupt() from any.
// Errors:   UNAVAILABLE: the connection is lost or cannot be made now; whether the last statement took effect is open.
//           Or the server can't be written to for now. ABORTED: deadlock or lock wait, roll back and try again.
//           INVALID_ARGUMENT: user or password is wrong. PERMISSION_DENIED: a privilege is missing, the message says
//           which. UNKNOWN: the server's other refusals. mysql_error_of() gives the server's number of each;
//           server_errors.h has them all.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "drainer/sinks/mysql/server_kind.h"
#include "drainer/sinks/mysql/session_variables.h"

struct st_mysql;

namespace sluice::drainer::sinks::mysql {

struct MysqlEndpoint {
  std::string host = "127.0.0.1";
  uint16_t port = 3306;
  std::string user = "root";
  std::string password;  // never logged

  // "user@host:port"
  [[nodiscard]] std::string to_string() const;
};

// The number of the server or client library behind `status`; 0: it isn't theirs.
[[nodiscard]] unsigned mysql_error_of(const absl::Status& status);

class MysqlConnection {
 public:
  using Row = std::vector<std::optional<std::string>>;

  [[nodiscard]] static absl::StatusOr<std::unique_ptr<MysqlConnection>> connect(const MysqlEndpoint& endpoint);
  ~MysqlConnection();
  MysqlConnection(const MysqlConnection&) = delete;
  MysqlConnection& operator=(const MysqlConnection&) = delete;

  // Runs one or several statements joined by ";" in one round trip. Affected rows of each; of an UPDATE the rows found,
  // changed or not. Stops at the first that fails.
  [[nodiscard]] absl::StatusOr<std::vector<uint64_t>> execute(std::string_view sql);

  // The same; `affected` also tells how many ran before an error.
  [[nodiscard]] absl::Status execute(std::string_view sql, std::vector<uint64_t>& affected);

  // Runs one statement and returns its rows.
  [[nodiscard]] absl::StatusOr<std::vector<Row>> query(std::string_view sql);

  // The same with the columns' names; NULL is "".
  using NamedRow = std::map<std::string, std::string, std::less<>>;
  [[nodiscard]] absl::StatusOr<std::vector<NamedRow>> query_named(std::string_view sql);

  // Of the last statement.
  [[nodiscard]] unsigned warning_count() const;

  // Since when a statement has been running; nothing while none is. Any thread.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> running_since() const;

  [[nodiscard]] ServerKind kind() const { return kind_; }
  [[nodiscard]] const std::string& version() const { return version_; }
  [[nodiscard]] uint64_t id() const;
  // The server's max_allowed_packet.
  [[nodiscard]] uint64_t packet_bytes_max() const { return packet_bytes_max_; }

  // Makes a running or later call fail with UNAVAILABLE soon.
  void interrupt();

 private:
  explicit MysqlConnection(st_mysql* handle);
  [[nodiscard]] absl::Status open(const MysqlEndpoint& endpoint);
  [[nodiscard]] absl::Status set_up_session();
  [[nodiscard]] absl::StatusOr<VariableValues> read_variables();
  [[nodiscard]] absl::Status last_error() const;

  st_mysql* handle_;
  std::atomic<int> socket_{-1};
  std::atomic<int64_t> running_since_ns_{0};
  ServerKind kind_ = ServerKind::mariadb;
  std::string version_;
  uint64_t packet_bytes_max_ = 0;
};

}  // namespace sluice::drainer::sinks::mysql
