#include "net/native/connection.h"

#include <netinet/tcp.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/status.h"
#include "net/native/messages.h"

namespace sluice::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kBufferBytesMin = 4 << 10;  // thousands of idle connections are cheap
constexpr size_t kBufferBytesMax = 64 << 10;
static_assert(kBufferBytesMax >= kFrameHeaderBytes + kControlBodyBytesMax);
// Small frames of one turn share a chunk; a larger body is sent from where it lies.
constexpr size_t kCoalesceBytesMax = 4 << 10;
constexpr size_t kChunkBytesMax = 64 << 10;
constexpr unsigned kSilentIntervalsMax = 3;

absl::Status closed_by_peer(const error_code& error) {
  if (error == asio::error::eof) return absl::UnavailableError("the peer closed the connection");
  return absl::UnavailableError(fmt::format("connection lost: {}", error.message()));
}

void set_socket_options(asio::ip::tcp::socket& socket, std::chrono::milliseconds user_timeout) {
  error_code ignored;  // each only makes things faster or dead peers noticed sooner
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  using UserTimeout = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;
  socket.set_option(UserTimeout(static_cast<int>(user_timeout.count())), ignored);
}

}  // namespace

Connection::Connection(EventLoop& loop, asio::ip::tcp::socket socket, ConnectionOptions options)
    : loop_(loop),
      socket_(std::move(socket)),
      options_(options),
      buffer_(kBufferBytesMin),
      reading_again_(loop.context()),
      receiving_(options.gate != nullptr ? options.gate->stranger() : nullptr),
      frame_timer_(loop),
      replying_(options.gate != nullptr ? options.gate->replies() : nullptr),
      last_heard_(std::chrono::steady_clock::now()),
      keep_alive_timer_(loop),
      linger_timer_(loop) {
  set_socket_options(socket_, options_.ping_interval * kSilentIntervalsMax);
}

void Connection::start(std::shared_ptr<ConnectionHandler> handler, std::string first_bytes) {
  handler_ = std::move(handler);
  buffer_.resize(std::max(buffer_.size(), first_bytes.size()));
  if (!first_bytes.empty()) std::memcpy(buffer_.data(), first_bytes.data(), first_bytes.size());
  end_ = first_bytes.size();
  keep_alive();
  asio::co_spawn(
      loop_.context(), [self = shared_from_this()] { return self->run(); },
      [](std::exception_ptr thrown) {
        if (thrown) std::rethrow_exception(thrown);  // out of memory: end loudly rather than lose a connection's state
      });
}

asio::awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  // Connection and handler hold each other. on_closed ends that; a loop that stops first destroys this frame instead.
  const std::shared_ptr<void> release_handler(nullptr, [this](void*) { handler_ = nullptr; });
  End end = co_await read_frames();
  if (end.tell_peer) {
    refuse(end.why);
  } else {
    close(end.why);
  }
  co_await discard_until_closed();
  // Even when the peer closed first: what it sent is settled, what we still had for it is lost.
  abort(why_);
  keep_alive_timer_.cancel();
  linger_timer_.cancel();
  frame_timer_.cancel();
  std::exchange(handler_, nullptr)->on_closed(why_);
}

asio::awaitable<Connection::End> Connection::read_frames() {
  while (!closing_) {
    if (!reading_ || (replying_ && reply_bytes_ > kReplyBytesPause)) {
      frame_timer_.cancel();  // that the frame doesn't end is our doing
      co_await pause(asio::steady_timer::time_point::max());
      continue;
    }
    if (buffered().size() < kFrameHeaderBytes) {
      if (!buffered().empty()) expect_frame_end();
      if (absl::Status read = co_await read_more(kFrameHeaderBytes); !read.ok()) co_return End{read};
      continue;
    }
    const auto header = decode_frame_header(buffered(), options_.frame_body_bytes_max);
    if (!header.ok()) co_return End{header.status(), true};
    const size_t frame_bytes = size_t{kFrameHeaderBytes} + header->body_bytes;
    absl::Status handled;
    ByteReservation held;
    if (is_bulk(header->type)) {
      const absl::StatusOr<bool> may = handler_->may_take(*header);
      if (!may.ok()) co_return End{may.status(), true};
      if (!*may) {
        set_reading(false);
        continue;
      }
      if (absl::Status reserved = co_await reserve(header->body_bytes, held); !reserved.ok())
        co_return End{reserved, true};
      if (closing_) break;
    }
    if (buffered().size() >= frame_bytes) {
      const ByteSpan body = buffered().subspan(kFrameHeaderBytes, header->body_bytes);
      begin_ += frame_bytes;
      frame_timer_.cancel();
      handled = is_bulk(header->type) ? deliver_run(*header, std::string(as_text(body)), std::move(held))
                                      : deliver(*header, body);
    } else if (is_bulk(header->type)) {
      expect_frame_end();
      std::string run(header->body_bytes, '\0');
      if (absl::Status read = co_await read_rest_of(run); !read.ok()) co_return End{read};
      frame_timer_.cancel();
      if (!closing_) handled = deliver_run(*header, std::move(run), std::move(held));
    } else {
      expect_frame_end();
      if (absl::Status read = co_await read_more(frame_bytes); !read.ok()) co_return End{read};
    }
    if (!handled.ok()) co_return End{handled, true};
  }
  co_return End{why_};
}

// Until reading_again_ is cancelled or the time comes.
asio::awaitable<void> Connection::pause(std::chrono::steady_clock::time_point until) {
  error_code cancelled;
  reading_again_.expires_at(until);
  co_await reading_again_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

// Before a byte of the body is read: what a header announces costs nothing until the budget has room for it.
asio::awaitable<absl::Status> Connection::reserve(uint64_t bytes, ByteReservation& held) {
  if (!receiving_) co_return absl::OkStatus();
  if (const uint64_t most = options_.gate->bytes_max(known_); bytes > most)
    co_return absl::ResourceExhaustedError(
        fmt::format("a frame of {} bytes, at most {} can be taken here: send smaller ones or raise the memory budget",
                    bytes, most));
  const auto deadline = std::chrono::steady_clock::now() + options_.frame_timeout;
  while (!(held = receiving_->try_reserve(bytes)) && !closing_) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline)
      co_return absl::ResourceExhaustedError(fmt::format(
          "no memory for a frame of {} bytes within {} ms: try again later", bytes, options_.frame_timeout.count()));
    frame_timer_.cancel();  // it isn't the peer who keeps the frame from ending
    options_.gate->wait(known_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->reading_again_.cancel();
    });
    co_await pause(std::min(deadline, now + ReceiveGate::kRetryAfter));
    last_heard_ = std::chrono::steady_clock::now();
  }
  co_return absl::OkStatus();
}

// Called whenever a begun frame isn't whole yet: the first call starts the time, trickling bytes don't stretch it.
void Connection::expect_frame_end() {
  if (frame_timer_.pending()) return;
  frame_timer_.set(options_.frame_timeout, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closing_) return;
    self->refuse(absl::DeadlineExceededError(
        fmt::format("a frame that was begun didn't end within {} ms", self->options_.frame_timeout.count())));
  });
}

void Connection::set_known() {
  if (std::exchange(known_, true) || options_.gate == nullptr) return;
  receiving_ = options_.gate->known();  // what is reserved already stays with the other until it is released
}

// Makes room for `frame_bytes` from begin_ on and reads what is there.
asio::awaitable<absl::Status> Connection::read_more(size_t frame_bytes) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == buffer_.size() || begin_ + frame_bytes > buffer_.size()) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (frame_bytes > buffer_.size()) buffer_.resize(kBufferBytesMax);
  }
  error_code error;
  const size_t room = buffer_.size() - end_;
  const size_t bytes = co_await socket_.async_read_some(asio::buffer(buffer_.data() + end_, room),
                                                        asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return closed_by_peer(error);
  last_heard_ = std::chrono::steady_clock::now();
  end_ += bytes;
  // A read that filled the buffer says there is more than it holds: read more at a time.
  if (bytes == room && buffer_.size() < kBufferBytesMax) buffer_.resize(std::min(buffer_.size() * 2, kBufferBytesMax));
  co_return absl::OkStatus();
}

// A run that isn't in the buffer as a whole is read into its own memory: its bytes are copied at most once.
asio::awaitable<absl::Status> Connection::read_rest_of(std::string& run) {
  size_t have = buffered().size() - kFrameHeaderBytes;
  std::memcpy(run.data(), buffered().data() + kFrameHeaderBytes, have);
  begin_ = end_ = 0;
  while (have < run.size()) {
    error_code error;
    have += co_await socket_.async_read_some(asio::buffer(run.data() + have, run.size() - have),
                                             asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return closed_by_peer(error);
    last_heard_ = std::chrono::steady_clock::now();
  }
  co_return absl::OkStatus();
}

// After a close the peer may still be sending. Closing on unread bytes would reset the connection and could destroy the
// last frames we sent, a refusal for example; so read on until the peer closes too, or `linger` ends it.
asio::awaitable<void> Connection::discard_until_closed() {
  error_code error;
  while (!aborted_ && !error) {
    co_await socket_.async_read_some(asio::buffer(buffer_), asio::redirect_error(asio::use_awaitable, error));
  }
}

absl::Status Connection::deliver(const FrameHeader& header, ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const uint64_t records, check_frame_body(header, body));
  (void)records;  // none in control frames
  if (header.type == FrameType::pong) return absl::OkStatus();
  if (header.type == FrameType::ping) {
    send(FrameType::pong, 0, {});
    return absl::OkStatus();
  }
  return handler_->on_control(header, body);
}

absl::Status Connection::deliver_run(const FrameHeader& header, std::string run, ByteReservation held) {
  SLUICE_ASSIGN_OR_RETURN(const uint64_t records, check_frame_body(header, as_bytes(run)));
  return handler_->on_run(header, records, std::move(run), std::move(held));
}

void Connection::send(FrameType type, uint64_t sequence, std::string body) {
  if (closing_) return;
  FrameHeader header{.type = type,
                     .body_bytes = static_cast<uint32_t>(body.size()),
                     .sequence = sequence,
                     .body_hash = frame_body_hash(type, as_bytes(body))};
  if (outbound_.empty() || outbound_.back().size() > kChunkBytesMax) outbound_.emplace_back();
  std::string& chunk = outbound_.back();
  chunk.resize(chunk.size() + kFrameHeaderBytes);
  encode_frame_header(header, reinterpret_cast<std::byte*>(chunk.data() + chunk.size() - kFrameHeaderBytes));
  queued_bytes_ += kFrameHeaderBytes + body.size();
  if (!is_bulk(type) && !count_reply(kFrameHeaderBytes + body.size()))
    return abort(absl::ResourceExhaustedError(
        fmt::format("the peer doesn't read its answers: {} bytes of them are queued", reply_bytes_)));
  if (body.size() <= kCoalesceBytesMax) {
    chunk += body;
  } else {
    outbound_.push_back(std::move(body));
    outbound_.emplace_back();
  }
  if (queued_bytes_ > options_.outbound_bytes_max)
    return abort(absl::ResourceExhaustedError(
        fmt::format("the peer doesn't take what it is sent: {} bytes are queued, at most {}", queued_bytes_,
                    options_.outbound_bytes_max)));
  schedule_flush();
}

// Bulk data is its sender's to bound. False: too much, or no room in the budget for more.
bool Connection::count_reply(uint64_t bytes) {
  reply_bytes_ += bytes;
  if (!replying_ || reply_bytes_ <= kReplyBytesFree + replies_held_.bytes()) return true;
  if (reply_bytes_ > kReplyBytesMax) return false;
  if (!replies_held_) replies_held_ = replying_->try_reserve(0);
  return replies_held_.try_grow(std::max(bytes, kReplyBytesFree));
}

void Connection::schedule_flush() {
  if (flush_scheduled_ || writing_) return;
  flush_scheduled_ = true;
  loop_.post([self = shared_from_this()] {
    self->flush_scheduled_ = false;
    self->flush();
  });
}

void Connection::flush() {
  if (aborted_ || writing_) return;
  if (outbound_.empty()) return finish_writing();
  in_flight_ = std::exchange(outbound_, {});
  std::vector<asio::const_buffer> buffers;
  buffers.reserve(in_flight_.size());
  for (const std::string& chunk : in_flight_) buffers.push_back(asio::buffer(chunk));
  writing_ = true;
  reply_bytes_in_flight_ = reply_bytes_;
  asio::async_write(socket_, std::move(buffers), [self = shared_from_this()](const error_code& error, size_t bytes) {
    self->writing_ = false;
    self->in_flight_.clear();
    if (error) return self->abort(closed_by_peer(error));
    self->queued_bytes_ -= bytes;
    self->reply_bytes_ -= std::exchange(self->reply_bytes_in_flight_, 0);
    if (self->reply_bytes_ == 0) self->replies_held_.release();
    if (self->replying_) self->reading_again_.cancel();
    if (self->queued_bytes_ == 0 && !self->closing_ && self->handler_) self->handler_->on_drained();
    self->flush();
  });
}

void Connection::finish_writing() {
  error_code ignored;  // the peer may be gone already
  if (closing_) socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void Connection::refuse(const absl::Status& why) {
  send(FrameType::refusal, 0, encode_refusal(why));
  close(why);
}

void Connection::close(const absl::Status& why) {
  if (closing_) return;
  closing_ = true;
  why_ = why;
  reading_again_.cancel();
  linger_timer_.set(options_.linger, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->abort(self->why_);
  });
  // The reader may sit in a read that only the peer can end: shutting down our side makes the peer close.
  schedule_flush();
}

void Connection::abort(const absl::Status& why) {
  if (!closing_) why_ = why;
  closing_ = aborted_ = true;
  reading_again_.cancel();
  error_code ignored;
  socket_.close(ignored);
  replies_held_.release();
}

void Connection::set_reading(bool reading) {
  reading_ = reading;
  if (reading) reading_again_.cancel();
}

void Connection::keep_alive() {
  keep_alive_timer_.set(options_.ping_interval, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closing_) return;
    const auto now = std::chrono::steady_clock::now();
    // While reading is paused, silence is our own doing.
    if (!self->reading_) self->last_heard_ = now;
    if (now - self->last_heard_ > self->options_.ping_interval * kSilentIntervalsMax)
      return self->abort(absl::UnavailableError("the peer has been silent for three ping intervals"));
    self->send(FrameType::ping, 0, {});
    self->keep_alive();
  });
}

}  // namespace sluice::net
