#include "tests/mysql_sink/private_mariadb.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include "base/status.h"

extern char** environ;

namespace sluice::drainer::sinks::mysql {

namespace {

constexpr std::chrono::seconds kStartTimeout{60};

std::string find_program(const char* name) {
  for (const char* folder : {"/usr/sbin", "/usr/bin", "/usr/local/bin"})
    if (const std::string path = std::string(folder) + "/" + name; access(path.c_str(), X_OK) == 0) return path;
  return {};
}

std::string user_name() {
  const passwd* entry = getpwuid(getuid());
  return entry == nullptr ? "mysql" : entry->pw_name;
}

uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  uint16_t port = 0;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    port = ntohs(address.sin_port);
  ::close(fd);
  return port;
}

absl::StatusOr<pid_t> spawn(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t process = -1;
  const int error = posix_spawn(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return absl::InternalError(fmt::format("{}: errno {}", command[0], error));
  return process;
}

}  // namespace

absl::StatusOr<PrivateMariadb*> PrivateMariadb::shared() {
  static PrivateMariadb server;
  static const absl::Status created = server.create();
  if (!created.ok()) return created;
  return &server;
}

PrivateMariadb::~PrivateMariadb() {
  end(SIGKILL);
  std::error_code ignored;  // a temporary folder
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

absl::Status PrivateMariadb::create() {
  const std::string install = find_program("mariadb-install-db");
  if (install.empty() || find_program("mariadbd").empty())
    return absl::UnimplementedError("MariaDB isn't installed (Debian package mariadb-server)");
  std::string path = (std::filesystem::temp_directory_path() / "sluice-mariadb-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) return absl::InternalError("mkdtemp failed");
  folder_ = path;
  port_ = free_port();
  SLUICE_ASSIGN_OR_RETURN(const pid_t process,
                          spawn({install, "--no-defaults", "--user=" + user_name(), "--datadir=" + folder_ + "/data",
                                 "--tmpdir=" + folder_, "--auth-root-authentication-method=normal", "--skip-test-db"},
                                folder_ + "/install.log"));
  int status = 0;
  if (waitpid(process, &status, 0) != process || status != 0)
    return absl::InternalError(fmt::format("mariadb-install-db ended with {}, see its log", status));
  return start();
}

absl::Status PrivateMariadb::start() {
  SLUICE_ASSIGN_OR_RETURN(
      process_,
      spawn({find_program("mariadbd"), "--no-defaults", "--user=" + user_name(), "--datadir=" + folder_ + "/data",
             "--tmpdir=" + folder_, fmt::format("--port={}", port_), "--bind-address=127.0.0.1",
             "--socket=" + folder_ + "/s.sock", "--pid-file=" + folder_ + "/m.pid", "--innodb-buffer-pool-size=64M",
             "--innodb-log-file-size=64M", "--max-allowed-packet=64M", "--character-set-server=utf8mb4",
             "--skip-name-resolve"},
            folder_ + "/server.log"));
  return wait_until_ready();
}

absl::Status PrivateMariadb::wait_until_ready() const {
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  std::mutex mutex;
  std::condition_variable never;
  for (;;) {
    const auto connection = MysqlConnection::connect(endpoint());
    if (connection.ok()) return absl::OkStatus();
    if (std::chrono::steady_clock::now() > deadline)
      return annotate(connection.status(), "mariadbd doesn't become ready");
    std::unique_lock lock(mutex);
    (void)never.wait_for(lock,
                         std::chrono::milliseconds(50));  // the pace of asking a foreign process, no test's timing
  }
}

void PrivateMariadb::stop() {
  end(SIGTERM);
}
void PrivateMariadb::kill_hard() {
  end(SIGKILL);
}

void PrivateMariadb::end(int signal) {
  if (process_ <= 0) return;
  kill(process_, signal);
  waitpid(process_, nullptr, 0);
  process_ = -1;
}

}  // namespace sluice::drainer::sinks::mysql
