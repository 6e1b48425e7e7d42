// The kinds of server that speak MySQL's protocol and differ in what they have.
#pragma once

#include <string_view>

namespace sluice::drainer::sinks::mysql {

enum class ServerKind { mariadb, mysql, tidb };

[[nodiscard]] std::string_view to_string(ServerKind kind);
// From the server's version text: "10.11.14-MariaDB-0+deb12u2", "9.7.4-2", "8.0.11-TiDB-v8.1.0".
[[nodiscard]] ServerKind server_kind_of(std::string_view version);

}  // namespace sluice::drainer::sinks::mysql
