// What each error number of a server means to the drainer: one table, which docs/mysql-errors.md shows whole.
// Contract: a number that isn't listed is the server's refusal of what was sent, and stops.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>

namespace sluice::drainer::sinks::mysql {

enum class ErrorMeaning {
  connection_lost,  // connect again, look whether the last commit landed, go on
  try_again,        // roll back and run the same transaction again
  wait,             // an operator or time will mend it: roll back, connect again, try, wait longer each time
  privilege,        // at start it ends the drainer; later it is waited for
  login,            // wrong user, password or host: at start it ends the drainer; later it is waited for
  stop,             // the downstream's data or definition differs from upstream: needs a human
};

struct ServerError {
  unsigned number;
  std::string_view name;
  ErrorMeaning meaning;
};

[[nodiscard]] std::span<const ServerError> server_errors();

[[nodiscard]] ErrorMeaning meaning_of(unsigned number);
[[nodiscard]] absl::StatusCode code_of(ErrorMeaning meaning);

// docs/mysql-errors.md.
[[nodiscard]] std::string server_errors_page();

}  // namespace sluice::drainer::sinks::mysql
