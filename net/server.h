// Serves one port: sniffs the first bytes for the native protocol or HTTP/1 and hands both on.
// Threads:  all on the loop's thread but construction; stop() from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "net/event_loop.h"
#include "net/http.h"
#include "net/service.h"

namespace sluice::net {

struct ServerOptions {
  std::string address{};  // "host:port"; port 0 takes a free one
  uint32_t frame_body_bytes_max = 16u << 20;
  unsigned connections_max = 4096;
  uint64_t outbound_bytes_max = 64u << 20;  // queued for one peer that doesn't read; beyond it the peer is dropped
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds ping_interval{10'000};
  std::chrono::milliseconds stop_timeout{3'000};  // for peers to take what is queued
};

class Server {
 public:
  // `service` may be null: HTTP only.
  // Errors:   a port in use or an address that isn't ours, with the address and what to do.
  // Whether listen() at `address` would find it free: asked before anything is made for good.
  [[nodiscard]] static absl::Status check_free(const std::string& address, EventLoop& loop);
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Server>> listen(ServerOptions options, EventLoop& loop,
                                                                      NodeService* service, HttpRoutes routes);
  virtual ~Server() = default;
  [[nodiscard]] virtual uint16_t port() const = 0;
  // Stops accepting, says goodbye on every connection, flushes, closes. Returns when all are closed or `stop_timeout`
  // passed (the rest is cut then). Idempotent; called on the loop's thread it doesn't wait. The destructor does the
  // same, and after it the service is called no more.
  virtual void stop() = 0;
};

}  // namespace sluice::net
