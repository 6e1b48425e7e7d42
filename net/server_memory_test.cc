// What hostile peers can make a server hold: nothing beyond its budget, nothing after they are gone.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "base/record.h"
#include "net/native/frame.h"
#include "net/native/messages.h"
#include "net/server.h"

namespace sluice::net {
namespace {

constexpr uint64_t kTotal = 64u << 20;
constexpr uint64_t kStrangers = 20u << 20;

// Keeps the last runs it was sent, as a log's queue would.
class KeepingNode : public NodeService {
 public:
  std::deque<ByteReservation> kept;
  std::atomic<int> hellos{0};

  absl::StatusOr<Welcome> on_hello(const Hello&) override {
    ++hellos;
    return Welcome{.cluster_id = 7, .time_source = TimeSource::writer, .node_id = "keeping"};
  }
  void on_write(const PeerPtr& peer, uint64_t first, std::string, ByteReservation held) override {
    EXPECT_TRUE(held);
    kept.push_back(std::move(held));
    if (kept.size() > 4) kept.pop_front();
    peer->send_ack(first);
  }
  void on_pull(const PeerPtr&, const PullRequest&) override {}
  void on_credit(const PeerPtr&, uint64_t) override {}
  void on_want(const PeerPtr&, CommitTs) override {}
  void on_tso_request(const PeerPtr&, uint64_t, uint32_t) override {}
  void on_goodbye(const PeerPtr& peer) override { peer->send_goodbye(); }
  void on_closed(const PeerPtr&, const absl::Status&) override {}
};

class Socket {
 public:
  explicit Socket(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval deadline{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  void send(std::string_view bytes) const { (void)!::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // The type of the next frame; 0 when the server closed.
  [[nodiscard]] FrameType next(std::string& body) const {
    std::string head(kFrameHeaderBytes, '\0');
    if (::recv(fd_, head.data(), head.size(), MSG_WAITALL) != kFrameHeaderBytes) return {};
    const auto header = decode_frame_header(as_bytes(head));
    if (!header.ok()) return {};
    body.assign(header->body_bytes, '\0');
    if (!body.empty()) (void)!::recv(fd_, body.data(), body.size(), MSG_WAITALL);
    return header->type;
  }

 private:
  int fd_;
};

std::string hello() {
  return encode_frame(FrameType::hello, 0, as_bytes(encode_hello({.role = PeerRole::writer, .name = "test"})));
}

std::string giant_header(uint32_t bytes) {
  std::string header(kFrameHeaderBytes, '\0');
  encode_frame_header({.type = FrameType::write, .body_bytes = bytes, .sequence = 1},
                      reinterpret_cast<std::byte*>(header.data()));
  return header;
}

class ServerMemoryTest : public testing::Test {
 protected:
  void listen(ServerOptions options = {}) {
    options.address = "127.0.0.1:0";
    budget.on_room([this] { loop.post([this] { server->on_room(); }); });
    server = Server::listen(options, loop, &node, {}, {.budget = &budget, .uses = {{0}, {1}, {2}}}).value();
  }
  ~ServerMemoryTest() override {
    loop.run_and_wait([this] { budget.on_room(nullptr); });  // after what it has posted
    server.reset();
    node.kept.clear();
  }
  bool comes_true(const std::function<bool()>& condition) {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
         std::chrono::steady_clock::now() < end; std::this_thread::yield()) {
      bool now = false;
      loop.run_and_wait([&] { now = condition(); });
      if (now) return true;
    }
    return false;
  }

  ByteBudget budget{kTotal,
                    {{.name = "strangers", .bytes_max = kStrangers},
                     {.name = "known", .bytes_min = 16u << 20},
                     {.name = "replies", .bytes_max = 8u << 20}}};
  EventLoop loop{"memory-test"};
  KeepingNode node;
  std::unique_ptr<Server> server;
};

TEST_F(ServerMemoryTest, AnAnnouncedBodyIsReservedBeforeItIsReadOrWaits) {
  listen();
  std::vector<std::unique_ptr<Socket>> giants;
  for (int i = 0; i < 20; ++i) {
    giants.push_back(std::make_unique<Socket>(server->port()));
    giants.back()->send(hello() + giant_header(16u << 20));
  }
  EXPECT_TRUE(comes_true([&] { return budget.stats({0}).refusals >= 19; }));
  EXPECT_EQ(budget.bytes(), 16u << 20);  // one of them
  // A peer that wants little isn't held up by those who want much.
  const Socket small(server->port());
  std::string run, body;
  encode_rollback(StartTs(5), run);
  small.send(hello() + encode_frame(FrameType::write, 1, as_bytes(run)));
  EXPECT_EQ(small.next(body), FrameType::welcome);
  EXPECT_EQ(small.next(body), FrameType::ack);
  giants.clear();
  EXPECT_TRUE(comes_true([&] {
    node.kept.clear();
    return budget.bytes() == 0;
  }));
}

TEST_F(ServerMemoryTest, AFrameThatHasBegunMustEnd) {
  listen({.frame_timeout = std::chrono::milliseconds(20)});
  for (const std::string& begun : {giant_header(1u << 20), giant_header(1u << 20).substr(0, 17)}) {
    const Socket slow(server->port());
    slow.send(hello() + begun);
    std::string body;
    EXPECT_EQ(slow.next(body), FrameType::welcome);
    EXPECT_EQ(slow.next(body), FrameType::refusal);
    EXPECT_TRUE(absl::IsDeadlineExceeded(decode_refusal(as_bytes(body))));
  }
  EXPECT_TRUE(comes_true([&] { return budget.bytes() == 0; }));
}

TEST_F(ServerMemoryTest, SilentConnectionsMakeRoomForNewOnes) {
  listen({.connections_max = 8});
  std::vector<std::unique_ptr<Socket>> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(std::make_unique<Socket>(server->port()));
  const Socket new_one(server->port());
  new_one.send(hello());
  std::string body;
  EXPECT_EQ(new_one.next(body), FrameType::welcome);
}

TEST_F(ServerMemoryTest, GivesEveryByteBackWhateverFramesBreakOffWhere) {
  const auto seed = static_cast<unsigned>(std::random_device()());
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  listen();
  for (int round = 0; round < 150; ++round) {
    const Socket peer(server->port());
    std::string bytes = hello();
    uint64_t sequence = 1;
    for (auto frames = random() % 6; frames > 0; --frames) {
      std::string run;
      encode_prewrite(StartTs(1 + random() % 100), PayloadFormat::tidb, as_bytes(std::string(random() % 200'000, 'x')),
                      run);
      bytes += encode_frame(FrameType::write, sequence++, as_bytes(run));
    }
    if (random() % 3 == 0) bytes += giant_header(static_cast<uint32_t>(random() % (20u << 20)));
    if (random() % 2 == 0) bytes[random() % bytes.size()] ^= static_cast<char>(1u << (random() % 8));
    if (random() % 2 == 0) bytes.resize(random() % bytes.size());
    peer.send(bytes);
  }
  EXPECT_TRUE(comes_true([&] {
    node.kept.clear();
    return budget.bytes() == 0;
  })) << budget.bytes();
  EXPECT_GT(node.hellos.load(), 0);
  EXPECT_GT(budget.bytes_top(), 0u);
}

}  // namespace
}  // namespace sluice::net
