// "host:port", as flags and registries carry it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace sluice::net {

struct HostPort {
  std::string host;  // empty: every local address
  uint16_t port = 0;
};

// "127.0.0.1:8250", "pump-1:8250", "[::1]:8250", ":8250".
// Errors:   INVALID_ARGUMENT, with the text and the form wanted.
[[nodiscard]] absl::StatusOr<HostPort> parse_host_port(std::string_view address);

}  // namespace sluice::net
