// One session with a MySQL, MariaDB or TiDB server, set up so that what is written is what TiDB stored.
// Threads:  one; interrupt() from any.
// Errors:   UNAVAILABLE: the connection is lost or cannot be made now; whether the last statement took effect is open.
//           ABORTED: deadlock or lock wait, roll back and try again. INVALID_ARGUMENT: user or password is wrong.
//           PERMISSION_DENIED: a privilege is missing, the message says which. UNKNOWN: the server's other refusals.
//           mysql_error_of() gives the server's number of each.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

struct st_mysql;

namespace sluice::drainer {

enum class ServerKind { mariadb, mysql, tidb };

[[nodiscard]] std::string_view to_string(ServerKind kind);
// From the server's version text: "10.11.14-MariaDB-0+deb12u2", "8.0.36", "5.7.25-TiDB-v8.3.0".
[[nodiscard]] ServerKind server_kind_of(std::string_view version);

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

  // Of the last statement.
  [[nodiscard]] unsigned warning_count() const;

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
  [[nodiscard]] absl::Status last_error() const;

  st_mysql* handle_;
  std::atomic<int> socket_{-1};
  ServerKind kind_ = ServerKind::mariadb;
  std::string version_;
  uint64_t packet_bytes_max_ = 0;
};

}  // namespace sluice::drainer
