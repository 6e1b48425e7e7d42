// A MariaDB of the test's own: temporary folder, free port, ended and removed with the object.
// It runs with the server's defaults for durability; only the buffer pool is small.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "drainer/sinks/mysql/mysql_connection.h"

namespace sluice::drainer::sinks::mysql {

class PrivateMariadb {
 public:
  // The one of this test program, started at first use. UNIMPLEMENTED with the reason when MariaDB isn't installed.
  [[nodiscard]] static absl::StatusOr<PrivateMariadb*> shared();

  PrivateMariadb() = default;
  ~PrivateMariadb();
  PrivateMariadb(const PrivateMariadb&) = delete;
  PrivateMariadb& operator=(const PrivateMariadb&) = delete;

  [[nodiscard]] absl::Status create();
  [[nodiscard]] absl::Status start();  // also after stop() or kill_hard(), on the same port
  void stop();
  void kill_hard();  // SIGKILL: InnoDB recovers at the next start

  [[nodiscard]] MysqlEndpoint endpoint() const {
    return {.host = "127.0.0.1", .port = port_, .user = "root", .password = ""};
  }

 private:
  void end(int signal);
  [[nodiscard]] absl::Status wait_until_ready() const;

  std::string folder_;
  uint16_t port_ = 0;
  pid_t process_ = -1;
};

}  // namespace sluice::drainer::sinks::mysql
