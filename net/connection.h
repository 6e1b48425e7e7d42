// One native connection, either side: frames in, frames out, pings, and a clean end. Its coroutine reads; writes are
// gathered and go out once a loop turn.
// Contract: frames reach the handler verified and in order; on_closed is called once, last, and never from inside a
//           call to this class; frames sent before close() are flushed before the socket closes, unless the peer
//           doesn't take them within `linger`.
// Threads:  the loop's only.
// Limits:   frame_body_bytes_max in; outbound_bytes_max queued, beyond which the peer is dropped.
// Format:   docs/formats/frame.md
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/bytes.h"
#include "net/event_loop.h"
#include "net/frame.h"

namespace sluice::net {

struct ConnectionOptions {
  uint32_t frame_body_bytes_max = kFrameBodyBytesMax;
  uint64_t outbound_bytes_max = 64u << 20;
  std::chrono::milliseconds ping_interval{10'000};  // a peer silent for three of them is gone
  std::chrono::milliseconds linger{2'000};
};

class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // An error is told to the peer as a refusal and closes the connection. Pings are answered below.
  virtual absl::Status on_control(const FrameHeader& header, ByteSpan body) = 0;
  virtual absl::Status on_run(const FrameHeader& header, uint64_t records, std::string run) = 0;
  virtual void on_drained() = 0;
  virtual void on_closed(const absl::Status& why) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
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

 private:
  struct End {
    absl::Status why;
    bool tell_peer = false;
  };

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<End> read_frames();
  boost::asio::awaitable<absl::Status> read_more(size_t frame_bytes);
  boost::asio::awaitable<absl::Status> read_rest_of(std::string& run);
  boost::asio::awaitable<void> discard_until_closed();
  absl::Status deliver(const FrameHeader& header, ByteSpan body);
  absl::Status deliver_run(const FrameHeader& header, std::string run);

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
  boost::asio::steady_timer reading_again_;  // never expires; cancelled to wake the reader

  std::vector<std::string> outbound_;
  std::vector<std::string> in_flight_;  // what async_write points into
  uint64_t queued_bytes_ = 0;
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
