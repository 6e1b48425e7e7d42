#include "net/native/client_session.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/status.h"
#include "net/loop/address.h"
#include "net/native/connection.h"
#include "net/native/messages.h"

namespace sluice::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kConnectTimeout{5'000};
constexpr std::chrono::milliseconds kWelcomeTimeout{10'000};

// What no retry heals becomes FAILED_PRECONDITION, the one code that callers look for.
absl::Status for_caller(const absl::Status& why, std::string_view address) {
  const bool final = absl::IsInvalidArgument(why) || absl::IsPermissionDenied(why) || absl::IsUnauthenticated(why) ||
                     absl::IsUnimplemented(why);
  return annotate(final ? absl::FailedPreconditionError(why.message()) : why, address);
}

class TcpClientSession final : public ClientSession,
                               public ConnectionHandler,
                               public std::enable_shared_from_this<TcpClientSession> {
 public:
  TcpClientSession(EventLoop& loop, std::string address, Hello hello, SessionEvents events)
      : loop_(loop),
        address_(std::move(address)),
        hello_(std::move(hello)),
        events_(std::move(events)),
        resolver_(loop.context()),
        socket_(loop.context()),
        timeout_(loop) {}

  void start() {
    loop_.post([self = shared_from_this()] {
      asio::co_spawn(
          self->loop_.context(), [self] { return self->dial(); },
          [](std::exception_ptr thrown) {
            if (thrown) std::rethrow_exception(thrown);
          });
    });
  }

  // ClientSession
  void send(FrameType type, uint64_t sequence, std::string body) override {
    if (connection_) connection_->send(type, sequence, std::move(body));
  }

  [[nodiscard]] uint64_t queued_bytes() const override { return connection_ ? connection_->queued_bytes() : 0; }

  void read_on() override {
    if (connection_) connection_->set_reading(true);
  }

  void close(const absl::Status& why) override {
    if (connection_) return connection_->close(why);
    give_up(why);
  }

  void drop() override {
    dropped_ = true;  // the events stay: one of them may be running
    close(absl::CancelledError("dropped"));
  }

  // ConnectionHandler
  absl::Status on_control(const FrameHeader& header, ByteSpan body) override {
    if (dropped_) return absl::OkStatus();
    if (header.type == FrameType::refusal) return refused(body);
    if (!welcomed_) return on_first(header, body);
    return events_.on_control(header.type, body);
  }

  absl::StatusOr<bool> may_take(const FrameHeader& header) override {
    if (dropped_ || !welcomed_ || !events_.may_take_run) return true;  // on_run() refuses what isn't due
    return events_.may_take_run(header.body_bytes);
  }

  absl::Status on_run(const FrameHeader& header, uint64_t, std::string run, ByteReservation) override {
    if (dropped_) return absl::OkStatus();
    if (!welcomed_ || header.type != FrameType::data || !events_.on_run)
      return absl::InvalidArgumentError("records that were not asked for");
    return events_.on_run(std::move(run));
  }

  void on_drained() override {
    if (!dropped_ && welcomed_ && events_.on_drained) events_.on_drained();
  }

  void on_closed(const absl::Status& why) override {
    timeout_.cancel();
    connection_ = nullptr;
    report_closed(why);
  }

 private:
  asio::awaitable<void> dial() {
    timeout_.set(kConnectTimeout, [this] { give_up(absl::UnavailableError("no connection within 5 s")); });
    const absl::Status connected = co_await connect();
    timeout_.cancel();
    if (!connected.ok() || !why_.ok()) {
      report_closed(why_.ok() ? connected : why_);
      co_return;
    }
    connection_ = std::make_shared<Connection>(loop_, std::move(socket_), ConnectionOptions{});
    connection_->send(FrameType::hello, 0, encode_hello(hello_));
    timeout_.set(kWelcomeTimeout, [this] { connection_->close(absl::UnavailableError("no welcome within 10 s")); });
    connection_->start(shared_from_this(), {});
  }

  asio::awaitable<absl::Status> connect() {
    const auto where = parse_host_port(address_);
    if (!where.ok()) co_return where.status();
    error_code error;
    const auto found = co_await resolver_.async_resolve(where->host, std::to_string(where->port),
                                                        asio::redirect_error(asio::use_awaitable, error));
    if (!error && why_.ok())
      co_await asio::async_connect(socket_, found, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return absl::UnavailableError(fmt::format("cannot connect: {}", error.message()));
    // With nobody listening on a loopback port, the kernel may pick that very port as ours and connect us to ourselves.
    if (why_.ok() && socket_.local_endpoint(error) == socket_.remote_endpoint(error))
      co_return absl::UnavailableError("cannot connect: nobody listens");
    co_return absl::OkStatus();
  }

  // Ends dialling; dial() reports.
  void give_up(const absl::Status& why) {
    if (why_.ok()) why_ = why.ok() ? absl::CancelledError("closed") : why;
    resolver_.cancel();
    error_code ignored;  // closing is all we want
    socket_.close(ignored);
  }

  absl::Status on_first(const FrameHeader& header, ByteSpan body) {
    if (header.type != FrameType::welcome)
      return absl::InvalidArgumentError(fmt::format("frame type {} before welcome", static_cast<int>(header.type)));
    SLUICE_ASSIGN_OR_RETURN(const Welcome welcome, decode_welcome(body));
    if (hello_.cluster_id != 0 && welcome.cluster_id != hello_.cluster_id)
      return absl::FailedPreconditionError(fmt::format("it is of cluster {}, not {}: check the address or --cluster-id",
                                                       welcome.cluster_id, hello_.cluster_id));
    timeout_.cancel();
    welcomed_ = true;
    if (events_.on_welcome) events_.on_welcome(welcome);
    return absl::OkStatus();
  }

  absl::Status refused(ByteSpan body) {
    connection_->close(decode_refusal(body));
    return absl::OkStatus();
  }

  void report_closed(const absl::Status& why) {
    if (dropped_ || !events_.on_closed) return;
    // A handler may drop the last reference to what these functions belong to.
    const SessionEvents events = std::exchange(events_, {});
    events.on_closed(for_caller(why, address_));
  }

  EventLoop& loop_;
  const std::string address_;
  const Hello hello_;
  SessionEvents events_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  std::shared_ptr<Connection> connection_;
  LoopTimer timeout_;
  absl::Status why_;  // of giving up while dialling
  bool welcomed_ = false;
  bool dropped_ = false;
};

}  // namespace

std::shared_ptr<ClientSession> ClientSession::open(EventLoop& loop, std::string address, Hello hello,
                                                   SessionEvents events) {
  auto session = std::make_shared<TcpClientSession>(loop, std::move(address), std::move(hello), std::move(events));
  session->start();
  return session;
}

}  // namespace sluice::net
