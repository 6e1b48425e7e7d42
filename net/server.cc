#include "net/server.h"

#include <future>
#include <map>
#include <set>

#include <spdlog/spdlog.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log_field.h"
#include "base/status.h"
#include "net/http/http_session.h"
#include "net/loop/address.h"
#include "net/native/connection.h"
#include "net/native/frame.h"
#include "net/native/server_peer.h"

namespace sluice::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kSniffBytes = 4;
constexpr size_t kHttpSessionsMax = 256;
constexpr std::chrono::milliseconds kAcceptRetryAfter{100};  // when out of file descriptors

enum class Protocol { unknown, native, http1 };

Protocol sniff(std::string_view first) {
  if (first.starts_with(kFrameMagic)) return Protocol::native;
  for (const std::string_view method : {"GET ", "PUT ", "POST", "HEAD", "DELE", "OPTI", "PATC"})
    if (first.starts_with(method)) return Protocol::http1;
  return Protocol::unknown;
}

std::string to_string(const tcp::endpoint& endpoint) {
  return fmt::format(fmt::runtime(endpoint.address().is_v6() ? "[{}]:{}" : "{}:{}"), endpoint.address().to_string(),
                     endpoint.port());
}

absl::Status listen_error(std::string_view address, const error_code& error) {
  if (error == asio::error::address_in_use)
    return absl::AlreadyExistsError(
        fmt::format("address {} in use: stop the other process or choose another --addr", address));
  return absl::InvalidArgumentError(
      fmt::format("cannot listen on {}: {}; choose an --addr of this machine", address, error.message()));
}

absl::StatusOr<tcp::endpoint> resolve(EventLoop& loop, const std::string& address) {
  SLUICE_ASSIGN_OR_RETURN(const HostPort where, parse_host_port(address));
  if (where.host.empty()) return tcp::endpoint(tcp::v4(), where.port);
  error_code error;
  const auto found = tcp::resolver(loop.context()).resolve(where.host, std::to_string(where.port), error);
  if (error) return listen_error(address, error);
  return found.begin()->endpoint();
}

// What outlives the Server while handlers that point here are still queued.
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  ServerCore(ServerOptions options, EventLoop& loop, NodeService* service, HttpRoutes routes, ServerMemory memory)
      : options_(std::move(options)),
        loop_(loop),
        service_(service),
        routes_(std::move(routes)),
        gate_(memory.budget != nullptr ? std::make_unique<ReceiveGate>(*memory.budget, memory.uses) : nullptr),
        acceptor_(loop.context()),
        accept_retry_(loop.context()) {}

  absl::Status listen() {
    SLUICE_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, resolve(loop_, options_.address));
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (error) return listen_error(options_.address, error);
    port_ = acceptor_.local_endpoint().port();
    spawn([self = shared_from_this()] { return self->accept(); });
    return absl::OkStatus();
  }

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::future<void> all_closed() { return all_closed_.get_future(); }
  [[nodiscard]] std::chrono::milliseconds stop_timeout() const { return options_.stop_timeout; }

  void begin_stop() {
    if (std::exchange(stopping_, true)) return;
    error_code ignored;  // closing is all we want
    acceptor_.close(ignored);
    accept_retry_.cancel();
    for (const auto& [id, socket] : sniffing_) socket->close(ignored);
    // Copies: closing a connection may take it out of the map.
    for (const auto& [id, peer] : std::map(peers_)) peer->say_goodbye_and_close();
    for (const auto& [id, session] : std::map(sessions_)) session->stop();
    note_closed();
  }

  void on_room() {
    if (gate_) gate_->on_room();
  }

  void cut() {
    for (const auto& [id, peer] : std::map(peers_)) peer->abort();
  }

  void detach() {
    service_ = nullptr;
    for (const auto& [id, peer] : peers_) peer->detach();
  }

 private:
  template <class Coroutine>
  void spawn(Coroutine coroutine) {
    asio::co_spawn(loop_.context(), std::move(coroutine), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  asio::awaitable<void> accept() {
    while (!stopping_) {
      error_code error;
      tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (stopping_) co_return;
      if (error) {
        if (const auto more = accept_log_.pass(std::chrono::steady_clock::now()))
          spdlog::warn("cannot accept a connection address={} reason={}{}", options_.address,
                       log_field(error.message()), like_this(*more));
        accept_retry_.expires_after(kAcceptRetryAfter);
        co_await accept_retry_.async_wait(asio::redirect_error(asio::use_awaitable, error));
      } else if (!may_enter(socket)) {
        if (const auto more = full_log_.pass(std::chrono::steady_clock::now()))
          spdlog::warn("connections refused: all are taken address={} connections_max={} per_address_max={}{}",
                       options_.address, options_.connections_max, per_address_max(), like_this(*more));
      } else {
        spawn([self = shared_from_this(), s = std::move(socket)]() mutable { return self->greet(std::move(s)); });
      }
    }
  }

  [[nodiscard]] unsigned strangers_max() const { return options_.connections_max - options_.connections_max / 4; }
  [[nodiscard]] unsigned per_address_max() const {
    return options_.connections_per_address_max != 0 ? options_.connections_per_address_max : strangers_max();
  }

  // When all places are taken, the one who has been silent longest makes room: a new one may be a health check.
  bool may_enter(const tcp::socket& socket) {
    error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error) return false;
    if (open_connections() >= options_.connections_max && !make_room()) return false;
    const auto found = per_address_.find(remote.address());
    return found == per_address_.end() || found->second < per_address_max() || make_room();
  }

  bool make_room() {
    error_code ignored;  // closing is all we want
    for (const auto& [id, socket] : sniffing_)
      if (socket->is_open()) {
        socket->close(ignored);
        return true;
      }
    for (const auto& [id, peer] : peers_)
      if (!peer->welcomed() && !evicted_.contains(id)) {
        evicted_.insert(id);
        peer->abort();
        return true;
      }
    return false;
  }

  // Peers that have shown nothing but a hello leave places for the others.
  [[nodiscard]] absl::Status may_join() const {
    size_t strangers = 0;
    for (const auto& [id, peer] : peers_) strangers += peer->welcomed() && !peer->known() ? 1 : 0;
    if (strangers < strangers_max()) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        fmt::format("{} peers have said hello and sent nothing yet, no more are taken: try again later", strangers));
  }

  // Counts the address of a connection until it is closed.
  void leave(const asio::ip::address& address) {
    const auto found = per_address_.find(address);
    if (found != per_address_.end() && --found->second == 0) per_address_.erase(found);
  }

  // Reads the first bytes and decides who serves the connection.
  asio::awaitable<void> greet(tcp::socket socket) {
    error_code error;
    const tcp::endpoint remote = socket.remote_endpoint(error);
    std::string first;
    const uint64_t id = ++last_id_;
    ++per_address_[remote.address()];
    sniffing_[id] = &socket;
    LoopTimer timeout(loop_);
    timeout.set(options_.handshake_timeout, [&socket] {
      error_code ignored;  // closing is all we want
      socket.close(ignored);
    });
    while (!error && first.size() < kSniffBytes) {
      char bytes[kSniffBytes];
      const size_t n = co_await socket.async_read_some(asio::buffer(bytes, kSniffBytes - first.size()),
                                                       asio::redirect_error(asio::use_awaitable, error));
      first.append(bytes, n);
    }
    timeout.cancel();
    sniffing_.erase(id);
    if (error || stopping_ || !serve(std::move(socket), id, remote, std::move(first))) leave(remote.address());
    note_closed();
  }

  // False: nobody does.
  bool serve(tcp::socket socket, uint64_t id, const tcp::endpoint& remote, std::string first) {
    const Protocol protocol = sniff(first);
    if (protocol == Protocol::http1) {
      if (sessions_.size() >= kHttpSessionsMax) std::shared_ptr(sessions_.begin()->second)->stop();
      sessions_[id] = HttpSession::start(std::move(socket), std::move(first), routes_,
                                         [self = shared_from_this(), id, address = remote.address()] {
                                           self->sessions_.erase(id);
                                           self->leave(address);
                                           self->note_closed();
                                         });
    } else if (protocol == Protocol::native && service_ != nullptr) {
      serve_native(std::move(socket), id, remote, std::move(first));
    } else {
      if (const auto more = foreign_log_.pass(std::chrono::steady_clock::now()))
        spdlog::warn("connection closed: neither this node's protocol nor HTTP/1 peer={} first_bytes={}{}",
                     to_string(remote), to_hex(first), like_this(*more));
      return false;
    }
    return true;
  }

  void serve_native(tcp::socket socket, uint64_t id, const tcp::endpoint& remote, std::string first) {
    auto connection = std::make_shared<Connection>(loop_, std::move(socket),
                                                   ConnectionOptions{.outbound_bytes_max = options_.outbound_bytes_max,
                                                                     .ping_interval = options_.ping_interval,
                                                                     .frame_timeout = options_.frame_timeout,
                                                                     .gate = gate_.get()});
    auto peer = std::make_shared<ServerPeer>(loop_,
                                             ServerPeer::Options{.id = id,
                                                                 .address = to_string(remote),
                                                                 .frame_body_bytes_max = options_.frame_body_bytes_max,
                                                                 .handshake_timeout = options_.handshake_timeout,
                                                                 .may_join = [this] { return may_join(); }},
                                             std::move(connection), *service_,
                                             [self = shared_from_this(), id, address = remote.address()] {
                                               self->peers_.erase(id);
                                               self->evicted_.erase(id);
                                               self->leave(address);
                                               self->note_closed();
                                             });
    peers_[id] = peer;
    peer->start(std::move(first));
  }

  [[nodiscard]] size_t open_connections() const { return peers_.size() + sessions_.size() + sniffing_.size(); }

  void note_closed() {
    if (stopping_ && open_connections() == 0 && !std::exchange(all_closed_noted_, true)) all_closed_.set_value();
  }

  ServerOptions options_;
  EventLoop& loop_;
  NodeService* service_;
  HttpRoutes routes_;
  std::unique_ptr<ReceiveGate> gate_;  // null: memory isn't bounded
  tcp::acceptor acceptor_;
  asio::steady_timer accept_retry_;
  uint16_t port_ = 0;
  uint64_t last_id_ = 0;
  LogLimiter accept_log_, full_log_, foreign_log_;
  bool stopping_ = false;
  bool all_closed_noted_ = false;
  std::promise<void> all_closed_;
  std::map<asio::ip::address, unsigned> per_address_;
  std::map<uint64_t, tcp::socket*> sniffing_;  // oldest first
  std::set<uint64_t> evicted_;                 // peers that made room and aren't closed yet
  std::map<uint64_t, std::shared_ptr<ServerPeer>> peers_;
  std::map<uint64_t, std::shared_ptr<HttpSession>> sessions_;
};

class TcpServer final : public Server {
 public:
  TcpServer(EventLoop& loop, std::shared_ptr<ServerCore> core)
      : loop_(loop), core_(std::move(core)), all_closed_(core_->all_closed()) {}

  ~TcpServer() override {
    stop();
    loop_.run_and_wait([this] { core_->detach(); });
  }

  [[nodiscard]] uint16_t port() const override { return core_->port(); }

  void on_room() override { core_->on_room(); }

  void stop() override {
    loop_.run_and_wait([this] { core_->begin_stop(); });
    if (loop_.on_loop_thread() || loop_.stopped()) return;
    if (all_closed_.wait_for(core_->stop_timeout()) == std::future_status::ready) return;
    loop_.run_and_wait([this] { core_->cut(); });
  }

 private:
  EventLoop& loop_;
  std::shared_ptr<ServerCore> core_;
  std::future<void> all_closed_;
};

}  // namespace

absl::Status Server::check_free(const std::string& address, EventLoop& loop) {
  SLUICE_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, resolve(loop, address));
  tcp::acceptor probe(loop.context());
  error_code error;
  probe.open(endpoint.protocol(), error);
  if (!error) probe.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) probe.bind(endpoint, error);
  if (error) return listen_error(address, error);
  probe.close(error);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Server>> Server::listen(ServerOptions options, EventLoop& loop, NodeService* service,
                                                       HttpRoutes routes, ServerMemory memory) {
  auto core = std::make_shared<ServerCore>(std::move(options), loop, service, std::move(routes), memory);
  SLUICE_RETURN_IF_ERROR(core->listen());
  return std::make_unique<TcpServer>(loop, std::move(core));
}

}  // namespace sluice::net
