// One HTTP/1.1 connection on the public port, keep-alive included.
// Threads:  the loop's only. Borrows the routes, which must outlive it.
// Limits:   kHttpHeaderBytesMax, kHttpBodyBytesMax, kHttpIdle; beyond them 431, 413 or a close.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "net/http/http.h"

namespace sluice::net {

inline constexpr uint32_t kHttpHeaderBytesMax = 16u << 10;
inline constexpr uint64_t kHttpBodyBytesMax = 1u << 20;
inline constexpr std::chrono::seconds kHttpIdle{30};

class HttpSession {
 public:
  // `first_bytes` were read from the socket already; `closed` is called once, last.
  [[nodiscard]] static std::shared_ptr<HttpSession> start(boost::asio::ip::tcp::socket socket, std::string first_bytes,
                                                          const HttpRoutes& routes, std::function<void()> closed);
  virtual ~HttpSession() = default;
  // An answer being written is finished first.
  virtual void stop() = 0;
};

}  // namespace sluice::net
