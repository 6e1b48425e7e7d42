#include "drainer/sinks/mysql/server_kind.h"

namespace sluice::drainer::sinks::mysql {

std::string_view to_string(ServerKind kind) {
  switch (kind) {
    case ServerKind::mariadb:
      return "MariaDB";
    case ServerKind::mysql:
      return "MySQL";
    case ServerKind::tidb:
      return "TiDB";
  }
  return "unknown";
}

ServerKind server_kind_of(std::string_view version) {
  if (version.find("TiDB") != std::string_view::npos) return ServerKind::tidb;
  if (version.find("MariaDB") != std::string_view::npos) return ServerKind::mariadb;
  return ServerKind::mysql;
}

}  // namespace sluice::drainer::sinks::mysql
