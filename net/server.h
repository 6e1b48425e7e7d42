// Serves one port: sniffs the first bytes for the native protocol or HTTP/1 and hands both on.
// Threads:  all on the loop's thread but construction; stop() from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "net/http/http.h"
#include "net/loop/event_loop.h"
#include "net/loop/receive_gate.h"
#include "net/native/service.h"

namespace sluice::net {

struct ServerOptions {
  std::string address{};  // "host:port"; port 0 takes a free one
  uint32_t frame_body_bytes_max = 16u << 20;
  unsigned connections_max = 4096;           // strangers take three quarters of it at most
  unsigned connections_per_address_max = 0;  // 0: as many as strangers may take
  std::chrono::milliseconds frame_timeout{30'000};
  uint64_t outbound_bytes_max = 64u << 20;  // queued for one peer that doesn't read; beyond it the peer is dropped
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds ping_interval{10'000};
  std::chrono::milliseconds stop_timeout{3'000};  // for peers to take what is queued
};

// The process' budget, for what connections hold; it outlives the server.
struct ServerMemory {
  ByteBudget* budget = nullptr;  // null: not bounded
  ReceiveUses uses{};
};

class Server {
 public:
  // Whether listen() at `address` would find it free: asked before anything is made for good.
  [[nodiscard]] static absl::Status check_free(const std::string& address, EventLoop& loop);
  // `service` may be null: HTTP only. Whoever sets the budget's on_room calls on_room() here.
  // Errors:   a port in use or an address that isn't ours, with the address and what to do.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Server>> listen(ServerOptions options, EventLoop& loop,
                                                                      NodeService* service, HttpRoutes routes,
                                                                      ServerMemory memory = {});
  virtual ~Server() = default;
  [[nodiscard]] virtual uint16_t port() const = 0;
  // The budget has room again: connections that wait for it try again. On the loop's thread.
  virtual void on_room() = 0;
  // Stops accepting, says goodbye on every connection, flushes, closes. Returns when all are closed or `stop_timeout`
  // passed (the rest is cut then). Idempotent; called on the loop's thread it doesn't wait. The destructor does the
  // same, and after it the service is called no more.
  virtual void stop() = 0;
};

}  // namespace sluice::net
