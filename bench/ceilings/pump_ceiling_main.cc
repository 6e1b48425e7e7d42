// The least program that does a pump's physical work, as a ceiling for one that does it properly: our frames in, every
// hash verified, what arrived during one durable write is the next one, one ack a connection for each. It keeps no
// index, order, segments or recovery; its file wraps around. `--disk none` acks at once: what the load generator itself
// can do.
//
//   pump_ceiling --file F [--port N] [--file-bytes N] [--disk sync|none]
//
// One thread: sockets by epoll, the file by io_uring (O_DIRECT, RWF_DSYNC, one write in flight), whose completions wake
// the same epoll. Prints "listening PORT" once its file is written through, and serves until it is killed.
#include <fcntl.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>

#include "base/status.h"
#include "base/tso.h"
#include "net/native/frame.h"
#include "net/native/messages.h"

namespace sluice::ceilings {
namespace {

using net::FrameType;

constexpr size_t kBlock = 4096;
constexpr size_t kStageBytes = size_t{64} << 20;
constexpr size_t kReceiveBytes = size_t{1} << 20;
constexpr uint64_t kFileEvent = UINT64_MAX;
constexpr uint64_t kListenEvent = UINT64_MAX - 1;

[[noreturn]] void die(const char* what, int error) {
  std::fprintf(stderr, "pump_ceiling: %s: %s\n", what, std::strerror(error));
  std::exit(1);
}

struct Options {
  std::string file = "pump_ceiling.dat";
  uint64_t file_bytes = uint64_t{1} << 30;
  uint16_t port = 0;
  bool durable = true;
};

struct Client {
  int fd = -1;
  std::vector<std::byte> buffer;  // received, not parsed: [begin, end)
  size_t begin = 0, end = 0;
  std::string outbound;
  uint64_t through[2]{};  // the last sequence in each stage; 0: none
  bool wants_out = false;
};

class Ceiling {
 public:
  explicit Ceiling(Options options) : options_(std::move(options)) {}

  void run() {
    epoll_ = ::epoll_create1(0);
    for (auto& stage : stage_)
      if (void* memory = nullptr; ::posix_memalign(&memory, kBlock, kStageBytes) == 0)
        stage = static_cast<std::byte*>(memory);
      else
        die("memory", ENOMEM);
    open_file();
    listen();
    std::printf("listening %u\n", options_.port);
    std::fflush(stdout);
    while (true) turn();
  }

 private:
  void open_file() {
    if (!options_.durable) return;
    file_ = ::open(options_.file.c_str(), O_RDWR | O_CREAT | O_DIRECT, 0644);
    if (file_ < 0) die("open", errno);
    std::memset(stage_[0], 7, kStageBytes);
    for (uint64_t at = 0; at < options_.file_bytes; at += kStageBytes)
      if (::pwrite(file_, stage_[0], kStageBytes, static_cast<off_t>(at)) != static_cast<ssize_t>(kStageBytes))
        die("write", errno);
    if (::fsync(file_) != 0) die("fsync", errno);
    if (const int r = ::io_uring_queue_init(8, &ring_, 0); r < 0) die("io_uring", -r);
    event_ = ::eventfd(0, EFD_NONBLOCK);
    ::io_uring_register_eventfd(&ring_, event_);
    watch(event_, kFileEvent, EPOLLIN, EPOLL_CTL_ADD);
  }

  void listen() {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int one = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(options_.port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&where), size) != 0 || ::listen(listener_, 1024) != 0)
      die("listen", errno);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size);
    options_.port = ntohs(where.sin_port);
    watch(listener_, kListenEvent, EPOLLIN, EPOLL_CTL_ADD);
  }

  void watch(int fd, uint64_t id, uint32_t events, int operation) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    ::epoll_ctl(epoll_, operation, fd, &event);
  }

  void turn() {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_, events, 64, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kFileEvent)
        on_written();
      else if (events[i].data.u64 == kListenEvent)
        accept();
      else if (const auto found = clients_.find(events[i].data.u64); found != clients_.end())
        serve(found->first, *found->second, events[i].events);
    }
    commit();
    for (auto& [id, client] : clients_) send(id, *client);
  }

  void accept() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    auto client = std::make_unique<Client>();
    client->fd = fd;
    client->buffer.resize(kReceiveBytes * 2);
    watch(fd, ++last_id_, EPOLLIN, EPOLL_CTL_ADD);
    clients_[last_id_] = std::move(client);
  }

  void serve(uint64_t id, Client& client, uint32_t events) {
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
    if (client.end == client.buffer.size() || client.begin == client.end) compact(client);
    const ssize_t got = ::recv(client.fd, client.buffer.data() + client.end, client.buffer.size() - client.end, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 || !parse(client, static_cast<size_t>(got))) {
      ::close(client.fd);
      clients_.erase(id);
    }
  }

  static void compact(Client& client) {
    const size_t rest = client.end - client.begin;
    std::memmove(client.buffer.data(), client.buffer.data() + client.begin, rest);
    client.begin = 0;
    client.end = rest;
    if (rest * 2 > client.buffer.size()) client.buffer.resize(client.buffer.size() * 2);
  }

  bool parse(Client& client, size_t more) {
    client.end += more;
    while (client.end - client.begin >= net::kFrameHeaderBytes) {
      const ByteSpan rest = ByteSpan(client.buffer).subspan(client.begin, client.end - client.begin);
      const auto header = net::decode_frame_header(rest);
      if (!header.ok()) return false;
      const size_t whole = net::kFrameHeaderBytes + header->body_bytes;
      if (rest.size() < whole) return true;
      const ByteSpan body = rest.subspan(net::kFrameHeaderBytes, header->body_bytes);
      const auto records = net::check_frame_body(*header, body);
      if (!records.ok()) return false;
      on_frame(client, *header, body, *records);
      client.begin += whole;
    }
    return true;
  }

  void on_frame(Client& client, const net::FrameHeader& header, ByteSpan body, uint64_t records) {
    switch (header.type) {
      case FrameType::write:
        return take(client, body, header.sequence + records - 1);
      case FrameType::hello: {
        net::Welcome welcome{.cluster_id = 1, .time_source = net::TimeSource::embedded, .node_id = "ceiling"};
        welcome.frame_body_bytes_max = net::kFrameBodyBytesMax;
        return reply(client, FrameType::welcome, net::encode_welcome(welcome));
      }
      case FrameType::tso_request:
        if (const auto request = net::decode_tso_request(body); request.ok())
          reply(client, FrameType::tso_reply,
                net::encode_tso_reply(
                    {.request = request->request, .first = timestamps(request->count), .count = request->count}));
        return;
      case FrameType::ping:
        return reply(client, FrameType::pong, {});
      case FrameType::goodbye:
        return reply(client, FrameType::goodbye, {});
      default:
        return;
    }
  }

  static void reply(Client& client, FrameType type, const std::string& body) {
    client.outbound += net::encode_frame(type, 0, as_bytes(body));
  }

  Tso timestamps(uint32_t count) {
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
    last_ts_ = std::max(last_ts_, compose_tso(static_cast<uint64_t>(now.count()), 0).value);
    const Tso first(last_ts_ + 1);
    last_ts_ += count;
    return first;
  }

  void take(Client& client, ByteSpan body, uint64_t last) {
    if (used_[current_] + body.size() > kStageBytes) die("a stage is too small: use a smaller window", ENOSPC);
    std::memcpy(stage_[current_] + used_[current_], body.data(), body.size());
    used_[current_] += body.size();
    client.through[current_] = last;
  }

  void commit() {
    if (busy_ || used_[current_] == 0) return;
    writing_ = current_;
    current_ ^= 1;
    if (!options_.durable) return settle();
    busy_ = true;
    const size_t bytes = align_up(used_[writing_], kBlock);
    if (offset_ + bytes > options_.file_bytes) offset_ = 0;
    io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_write(entry, file_, stage_[writing_], static_cast<unsigned>(bytes), offset_);
    entry->rw_flags = RWF_DSYNC;
    expected_ = bytes;
    offset_ += bytes;
    ::io_uring_submit(&ring_);
  }

  void on_written() {
    uint64_t ignored = 0;
    if (::read(event_, &ignored, sizeof ignored) < 0 && errno != EAGAIN) die("eventfd", errno);
    io_uring_cqe* done = nullptr;
    while (::io_uring_peek_cqe(&ring_, &done) == 0) {
      if (done->res != static_cast<int>(expected_)) die("write", done->res < 0 ? -done->res : EIO);
      ::io_uring_cqe_seen(&ring_, done);
      busy_ = false;
      settle();
    }
  }

  void settle() {
    used_[writing_] = 0;
    for (auto& [id, client] : clients_)
      if (const uint64_t through = std::exchange(client->through[writing_], 0); through != 0)
        reply(*client, FrameType::ack, net::encode_ack(through));
  }

  void send(uint64_t id, Client& client) const {
    if (client.outbound.empty()) return;
    const ssize_t sent = ::send(client.fd, client.outbound.data(), client.outbound.size(), MSG_NOSIGNAL);
    if (sent > 0) client.outbound.erase(0, static_cast<size_t>(sent));
    const bool wants = !client.outbound.empty();
    if (wants == client.wants_out) return;
    client.wants_out = wants;
    watch(client.fd, id, wants ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
  }

  Options options_;
  int epoll_ = -1, listener_ = -1, file_ = -1, event_ = -1;
  io_uring ring_{};
  std::map<uint64_t, std::unique_ptr<Client>> clients_;
  uint64_t last_id_ = 0;
  std::byte* stage_[2]{};
  size_t used_[2]{};
  unsigned current_ = 0, writing_ = 0;
  bool busy_ = false;
  uint64_t offset_ = 0, last_ts_ = 0;
  size_t expected_ = 0;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--file")
      options.file = value;
    else if (name == "--port")
      options.port = static_cast<uint16_t>(std::stoul(value));
    else if (name == "--file-bytes")
      options.file_bytes = std::stoull(value) / kStageBytes * kStageBytes;
    else if (name == "--disk" && (value == "sync" || value == "none"))
      options.durable = value == "sync";
    else
      die(argv[i], EINVAL);
  }
  return options;
}

}  // namespace
}  // namespace sluice::ceilings

int main(int argc, char** argv) {
  sluice::ceilings::Ceiling(sluice::ceilings::parse(argc, argv)).run();
}
