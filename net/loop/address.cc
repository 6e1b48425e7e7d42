#include "net/loop/address.h"

#include <charconv>

#include "base/status.h"

namespace sluice::net {

absl::StatusOr<HostPort> parse_host_port(std::string_view address) {
  const auto invalid = [&] {
    return absl::InvalidArgumentError(
        fmt::format("address \"{}\": HOST:PORT is wanted, for example 127.0.0.1:8250", address));
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return invalid();
  HostPort result;
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return invalid();  // an IPv6 address without brackets
  }
  result.host = host;
  const std::string_view port = address.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc() || end != port.data() + port.size()) return invalid();
  return result;
}

}  // namespace sluice::net
