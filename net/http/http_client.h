// One HTTP/1.1 request to a node, for programs that ask now and then (binlogctl); Boost.Beast stays in the .cc.
// Threads:  any; blocks until answered, refused or `timeout`.
// Errors:   UNAVAILABLE when the node can't be reached, DEADLINE_EXCEEDED when it doesn't answer in time; both name it.
// Limits:   kHttpAnswerBytesMax a body.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "net/loop/address.h"

namespace sluice::net {

inline constexpr uint64_t kHttpAnswerBytesMax = 16u << 20;

struct HttpAsk {
  std::string_view method = "GET";
  std::string_view target;  // "/status"
  std::chrono::milliseconds timeout{5000};
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

[[nodiscard]] absl::StatusOr<HttpAnswer> ask_http(const HostPort& node, const HttpAsk& ask);

}  // namespace sluice::net
