// The client's side of one native connection: dials, says hello, checks the welcome, then passes frames on. What the
// writer, pull and oracle clients share; reconnecting is theirs.
// Contract: on_welcome comes first or not at all; on_closed comes once, last, and never from inside open().
// Threads:  the loop's only, but for open(), which any may call.
// Errors:   FAILED_PRECONDITION in on_closed: refused for good (cluster, version, features, something else listens
//           there); everything else may pass: UNAVAILABLE for an unreachable or lost peer.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"
#include "net/loop/event_loop.h"
#include "net/native/frame.h"
#include "net/native/service.h"

namespace sluice::net {

struct SessionEvents {
  std::function<void(const Welcome&)> on_welcome;
  // A goodbye is passed on too. An error closes the session.
  std::function<absl::Status(FrameType, ByteSpan body)> on_control;
  std::function<absl::Status(std::string run)> on_run;  // of data frames
  // Before such a frame's body is read: false leaves the connection unread until read_on(). Empty: any may come.
  std::function<absl::StatusOr<bool>(uint64_t body_bytes)> may_take_run;
  std::function<void()> on_drained;
  std::function<void(const absl::Status&)> on_closed;
};

class ClientSession {
 public:
  [[nodiscard]] static std::shared_ptr<ClientSession> open(EventLoop& loop, std::string address, Hello hello,
                                                           SessionEvents events);
  virtual ~ClientSession() = default;
  virtual void send(FrameType type, uint64_t sequence, std::string body) = 0;
  [[nodiscard]] virtual uint64_t queued_bytes() const = 0;
  virtual void read_on() = 0;
  // Flushes, then closes.
  virtual void close(const absl::Status& why) = 0;
  // Closes, and calls nothing any more.
  virtual void drop() = 0;
};

}  // namespace sluice::net
