// One native connection, either side: frames in, frames out, pings, and a clean end. Its coroutine reads; writes are
// gathered and go out once a loop turn.
// Contract: frames reach the handler verified and in order; on_closed is called once, last, and never from inside a
//           call to this class; frames sent before close() are flushed before the socket closes, unless the peer
//           doesn't take them within `linger`.
// Threads:  the loop's only.
// Limits:   frame_body_bytes_max in, reserved before the body is read; a frame that has begun must end within
//           frame_timeout, however its bytes trickle; outbound_bytes_max queued, beyond which the peer is dropped. With
//           a gate, a peer that leaves kReplyBytesPause of replies unread isn't read either, and one that leaves
//           kReplyBytesMax, or more than the budget has room for, is dropped.
// Format:   docs/formats/frame.md
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/byte_budget.h"
#include "base/bytes.h"
#include "net/loop/event_loop.h"
#include "net/loop/receive_gate.h"
#include "net/native/frame.h"

namespace sluice::net {

struct ConnectionOptions {
  uint32_t frame_body_bytes_max = kFrameBodyBytesMax;
  uint64_t outbound_bytes_max = 64u << 20;
  std::chrono::milliseconds ping_interval{10'000};  // a peer silent for three of them is gone
  std::chrono::milliseconds linger{2'000};
  std::chrono::milliseconds frame_timeout{30'000};
  ReceiveGate* gate = nullptr;  // null: what is received isn't bounded but by the frame (clients)
};

class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // An error is told to the peer as a refusal and closes the connection. Pings are answered below.
  virtual absl::Status on_control(const FrameHeader& header, ByteSpan body) = 0;
  // Before the body of a bulk frame is read; false: not yet, nothing more is read until set_reading(true).
  virtual absl::StatusOr<bool> may_take(const FrameHeader&) { return true; }
  // `held` are the run's bytes in the budget, to be kept as long as the run; empty without a gate.
  virtual absl::Status on_run(const FrameHeader& header, uint64_t records, std::string run, ByteReservation held) = 0;
  virtual void on_drained() = 0;
  virtual void on_closed(const absl::Status& why) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  static constexpr uint64_t kReplyBytesFree = 4u << 10;  // a connection's own, not reserved
  static constexpr uint64_t kReplyBytesPause = 256u << 10;
  static constexpr uint64_t kReplyBytesMax = 8u << 20;

  Connection(EventLoop& loop, boost::asio::ip::tcp::socket socket, ConnectionOptions options);

  // Holds `handler` until on_closed. `first_bytes` were read from the socket already.
  void start(std::shared_ptr<ConnectionHandler> handler, std::string first_bytes);

  void send(FrameType type, uint64_t sequence, std::string body);
  // Tells the peer why, then closes.
  void refuse(const absl::Status& why);
  void close(const absl::Status& why);
  // Closes without flushing.
  void abort(const absl::Status& why);

  [[nodiscard]] uint64_t queued_bytes() const { return queued_bytes_; }
  [[nodiscard]] bool closing() const { return closing_; }
  void set_reading(bool reading);
  void set_frame_body_bytes_max(uint32_t bytes) { options_.frame_body_bytes_max = bytes; }
  // The peer has shown itself to be one of ours: it shares memory with the known ones from now on.
  void set_known();
  [[nodiscard]] bool known() const { return known_; }

 private:
  struct End {
    absl::Status why;
    bool tell_peer = false;
  };

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<End> read_frames();
  boost::asio::awaitable<absl::Status> read_more(size_t frame_bytes);
  boost::asio::awaitable<absl::Status> read_rest_of(std::string& run);
  boost::asio::awaitable<absl::Status> reserve(uint64_t bytes, ByteReservation& held);
  boost::asio::awaitable<void> pause(std::chrono::steady_clock::time_point until);
  void expect_frame_end();
  [[nodiscard]] bool count_reply(uint64_t bytes);
  boost::asio::awaitable<void> discard_until_closed();
  absl::Status deliver(const FrameHeader& header, ByteSpan body);
  absl::Status deliver_run(const FrameHeader& header, std::string run, ByteReservation held);

  void schedule_flush();
  void flush();
  void finish_writing();
  void keep_alive();
  [[nodiscard]] ByteSpan buffered() const { return ByteSpan(buffer_).subspan(begin_, end_ - begin_); }

  EventLoop& loop_;
  boost::asio::ip::tcp::socket socket_;
  ConnectionOptions options_;
  std::shared_ptr<ConnectionHandler> handler_;

  std::vector<std::byte> buffer_;  // read, not yet parsed: [begin_, end_)
  size_t begin_ = 0;
  size_t end_ = 0;
  bool reading_ = true;
  boost::asio::steady_timer reading_again_;  // cancelled to wake the reader
  bool known_ = false;
  std::shared_ptr<ByteHolder> receiving_;  // null without a gate
  LoopTimer frame_timer_;                  // of the frame that has begun

  std::vector<std::string> outbound_;
  std::vector<std::string> in_flight_;  // what async_write points into
  uint64_t queued_bytes_ = 0;
  uint64_t reply_bytes_ = 0;            // of them, control frames
  uint64_t reply_bytes_in_flight_ = 0;  // of them, those in in_flight_
  std::shared_ptr<ByteHolder> replying_;
  ByteReservation replies_held_;
  bool flush_scheduled_ = false;
  bool writing_ = false;

  bool closing_ = false;  // takes no more frames either way
  bool aborted_ = false;
  absl::Status why_;
  std::chrono::steady_clock::time_point last_heard_;
  LoopTimer keep_alive_timer_;
  LoopTimer linger_timer_;
};

}  // namespace sluice::net
