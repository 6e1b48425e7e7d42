#include "drainer/sinks/mysql/mysql_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <charconv>

#include <absl/strings/ascii.h>
#include <absl/strings/cord.h>
#include <fmt/format.h>
#include <mysql.h>

#include "base/bytes.h"
#include "base/status.h"
#include "drainer/sinks/mysql/server_errors.h"

namespace sluice::drainer::sinks::mysql {

namespace {

constexpr char kErrorPayload[] = "sluice/mysql-error";
constexpr unsigned kConnectTimeout_s = 10;

absl::Status make_error(unsigned error, std::string_view text) {
  absl::Status status(code_of(meaning_of(error)), fmt::format("{} (error {})", text, error));
  status.SetPayload(kErrorPayload, absl::Cord(std::to_string(error)));
  return status;
}

// A dead peer is noticed in about 25 s; a read timeout would cut off a DDL that takes an hour.
void set_keepalive(int socket) {
  const int on = 1, idle_s = 10, interval_s = 5, probes = 3;
  (void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);  // best effort, also on a Unix socket
  (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

// Notes that a statement runs, for those who ask why nothing moves.
class Running {
 public:
  explicit Running(std::atomic<int64_t>& since_ns) : since_ns_(since_ns) {
    since_ns_ = std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  }
  ~Running() { since_ns_ = 0; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  std::atomic<int64_t>& since_ns_;
};

}  // namespace

std::string MysqlEndpoint::to_string() const {
  return fmt::format("{}@{}:{}", user, host, port);
}

unsigned mysql_error_of(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorPayload);
  if (!payload.has_value()) return 0;
  const std::string text(*payload);
  unsigned error = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), error);  // written above, always a number
  return error;
}

MysqlConnection::MysqlConnection(st_mysql* handle) : handle_(handle) {}

MysqlConnection::~MysqlConnection() {
  socket_ = -1;
  mysql_close(handle_);
}

absl::StatusOr<std::unique_ptr<MysqlConnection>> MysqlConnection::connect(const MysqlEndpoint& endpoint) {
  MYSQL* handle = mysql_init(nullptr);
  if (handle == nullptr) return absl::ResourceExhaustedError("out of memory for a database connection");
  std::unique_ptr<MysqlConnection> connection(new MysqlConnection(handle));
  SLUICE_RETURN_IF_ERROR(connection->open(endpoint));
  SLUICE_RETURN_IF_ERROR(connection->set_up_session());
  return connection;
}

absl::Status MysqlConnection::open(const MysqlEndpoint& endpoint) {
  const unsigned timeout_s = kConnectTimeout_s;
  const size_t client_packet_bytes_max = 1_GiB;  // the server's own limit is the one that counts
  const unsigned protocol = MYSQL_PROTOCOL_TCP;
  mysql_optionsv(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
  mysql_optionsv(handle_, MYSQL_OPT_MAX_ALLOWED_PACKET, &client_packet_bytes_max);
  mysql_optionsv(handle_, MYSQL_OPT_PROTOCOL, &protocol);
  mysql_optionsv(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (mysql_real_connect(handle_, endpoint.host.c_str(), endpoint.user.c_str(), endpoint.password.c_str(), nullptr,
                         endpoint.port, nullptr, CLIENT_FOUND_ROWS | CLIENT_MULTI_STATEMENTS) == nullptr)
    return last_error();
  socket_ = static_cast<int>(mysql_get_socket(handle_));
  set_keepalive(socket_);
  return absl::OkStatus();
}

absl::Status MysqlConnection::set_up_session() {
  SLUICE_ASSIGN_OR_RETURN(const auto rows, query("SELECT VERSION(), @@max_allowed_packet"));
  version_ = rows.at(0).at(0).value_or("");
  kind_ = server_kind_of(version_);
  const std::string packet = rows.at(0).at(1).value_or("0");
  (void)std::from_chars(packet.data(), packet.data() + packet.size(), packet_bytes_max_);  // 0 is refused below
  if (packet_bytes_max_ == 0) return absl::UnknownError(fmt::format("max_allowed_packet is \"{}\"", packet));

  SLUICE_ASSIGN_OR_RETURN(const VariableValues found, read_variables());
  SLUICE_ASSIGN_OR_RETURN(const std::string set, set_variables_sql(kind_, found));
  if (set.empty()) return absl::OkStatus();
  if (const auto done = execute(set); !done.ok()) {
    if (done.status().code() != absl::StatusCode::kUnknown && !absl::IsPermissionDenied(done.status()))
      return done.status();
    return absl::FailedPreconditionError(
        fmt::format("the downstream refuses a session variable: {}; wanted: {}", message_of(done.status()), set));
  }
  SLUICE_ASSIGN_OR_RETURN(const VariableValues now, read_variables());
  return check_variables(kind_, now);
}

absl::StatusOr<VariableValues> MysqlConnection::read_variables() {
  SLUICE_ASSIGN_OR_RETURN(const auto rows, query(show_variables_sql(kind_)));
  VariableValues values;
  for (const Row& row : rows) values[absl::AsciiStrToLower(row.at(0).value_or(""))] = row.at(1).value_or("");
  return values;
}

absl::StatusOr<std::vector<uint64_t>> MysqlConnection::execute(std::string_view sql) {
  std::vector<uint64_t> affected;
  SLUICE_RETURN_IF_ERROR(execute(sql, affected));
  return affected;
}

absl::Status MysqlConnection::execute(std::string_view sql, std::vector<uint64_t>& affected) {
  const Running running(running_since_ns_);
  if (mysql_real_query(handle_, sql.data(), sql.size()) != 0) return last_error();
  for (;;) {
    // Of a statement with a result set (none is expected here) the rows are read and dropped.
    if (MYSQL_RES* result = mysql_store_result(handle_)) mysql_free_result(result);
    affected.push_back(mysql_affected_rows(handle_));
    const int more = mysql_next_result(handle_);
    if (more < 0) return absl::OkStatus();
    if (more > 0) return last_error();
  }
}

absl::StatusOr<std::vector<MysqlConnection::Row>> MysqlConnection::query(std::string_view sql) {
  const Running running(running_since_ns_);
  if (mysql_real_query(handle_, sql.data(), sql.size()) != 0) return last_error();
  MYSQL_RES* result = mysql_store_result(handle_);
  if (result == nullptr) return last_error();
  std::vector<Row> rows;
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    Row& values = rows.emplace_back();
    for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
      if (row[i] == nullptr)
        values.emplace_back(std::nullopt);
      else
        values.emplace_back(std::string(row[i], lengths[i]));
    }
  }
  mysql_free_result(result);
  if (mysql_errno(handle_) != 0) return last_error();
  return rows;
}

absl::StatusOr<std::vector<MysqlConnection::NamedRow>> MysqlConnection::query_named(std::string_view sql) {
  const Running running(running_since_ns_);
  if (mysql_real_query(handle_, sql.data(), sql.size()) != 0) return last_error();
  MYSQL_RES* result = mysql_store_result(handle_);
  if (result == nullptr) return last_error();
  std::vector<NamedRow> rows;
  const MYSQL_FIELD* fields = mysql_fetch_fields(result);
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    NamedRow& values = rows.emplace_back();
    for (unsigned i = 0; i < mysql_num_fields(result); ++i)
      values[fields[i].name] = row[i] == nullptr ? std::string() : std::string(row[i], lengths[i]);
  }
  mysql_free_result(result);
  if (mysql_errno(handle_) != 0) return last_error();
  return rows;
}

std::optional<std::chrono::steady_clock::time_point> MysqlConnection::running_since() const {
  const int64_t ns = running_since_ns_;
  if (ns == 0) return std::nullopt;
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(ns));
}

unsigned MysqlConnection::warning_count() const {
  return mysql_warning_count(handle_);
}

uint64_t MysqlConnection::id() const {
  return mysql_thread_id(handle_);
}

void MysqlConnection::interrupt() {
  const int socket = socket_;
  if (socket >= 0) (void)::shutdown(socket, SHUT_RDWR);  // a socket that is gone already is as good
}

absl::Status MysqlConnection::last_error() const {
  const unsigned error = mysql_errno(handle_);
  if (error == 0) return absl::UnavailableError("the server closed the connection");
  return make_error(error, mysql_error(handle_));
}

}  // namespace sluice::drainer::sinks::mysql
