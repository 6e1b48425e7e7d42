#include "net/native/pull_client.h"

#include <atomic>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "base/record.h"
#include "net/native/frame.h"
#include "net/native/messages.h"
#include "net/server.h"

namespace sluice::net {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);
constexpr size_t kRuns = 8;
constexpr size_t kRunBytes = 64u << 10;

std::string run_of(size_t bytes) {
  std::string run;
  encode_prewrite(StartTs(1), PayloadFormat::tidb, as_bytes(std::string(bytes - 24, 'x')), run);
  return run;
}

PullClientOptions options(uint16_t port, uint64_t credit) {
  PullClientOptions options;
  options.address = fmt::format("127.0.0.1:{}", port);
  options.credit_bytes = credit;
  return options;
}

// A pump that sends all it has, whatever credit it was given.
class CarelessPump : public NodeService {
 public:
  std::vector<std::string> runs;
  std::promise<void> sent;

  absl::StatusOr<Welcome> on_hello(const Hello&) override { return Welcome{.cluster_id = 7, .node_id = "careless"}; }
  void on_write(const PeerPtr&, uint64_t, std::string, ByteReservation) override {}
  void on_pull(const PeerPtr& peer, const PullRequest&) override {
    for (std::string& run : runs) peer->send_data(std::move(run));
  }
  void on_credit(const PeerPtr&, uint64_t) override {}
  void on_want(const PeerPtr&, CommitTs) override {}
  void on_drained(const PeerPtr&) override {
    if (!std::exchange(told_, true)) sent.set_value();
  }
  void on_tso_request(const PeerPtr&, uint64_t, uint32_t) override {}
  void on_goodbye(const PeerPtr& peer) override { peer->send_goodbye(); }
  void on_closed(const PeerPtr&, const absl::Status&) override {}

 private:
  bool told_ = false;
};

class PullClientTest : public testing::Test {
 protected:
  CarelessPump pump;
  EventLoop pump_loop{"pump"};
  EventLoop loop{"client"};
  std::unique_ptr<Server> server;
  std::unique_ptr<PullClient> client;
  std::atomic<size_t> taken{0};
  std::promise<absl::Status> closed;

  void pull(uint64_t credit) {
    auto listening = Server::listen({.address = "127.0.0.1:0"}, pump_loop, &pump, {});
    ASSERT_TRUE(listening.ok()) << listening.status();
    server = std::move(*listening);
    PullEvents events;
    events.on_data = [this](const std::string&) { ++taken; };
    events.on_closed = [this](const absl::Status& why) { closed.set_value(why); };
    client = PullClient::open(options(server->port(), credit), loop, std::move(events));
  }
  ~PullClientTest() override {
    client.reset();
    if (server) server->stop();
  }
  void grant(uint64_t bytes) {
    loop.run_and_wait([&] { client->grant(bytes); });
  }
  // Long enough for a client that reads what it shouldn't to be caught at it.
  size_t taken_in_the_end(size_t expected) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (taken < expected && std::chrono::steady_clock::now() < deadline) loop.run_and_wait([] {});
    for (int turn = 0; turn < 200; ++turn) loop.run_and_wait([] {});
    return taken;
  }
};

TEST_F(PullClientTest, TakesNoMoreThanItGrantedWhateverThePumpSends) {
  for (size_t i = 0; i < kRuns; ++i) pump.runs.push_back(run_of(kRunBytes));
  pull(kRunBytes + 1);
  ASSERT_EQ(pump.sent.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(taken_in_the_end(2), 2u);  // the second overdraws
  grant(kRunBytes - 1);                // and is paid
  EXPECT_EQ(taken_in_the_end(2), 2u);
  grant(1);
  EXPECT_EQ(taken_in_the_end(3), 3u);
  grant(kRuns * kRunBytes);
  EXPECT_EQ(taken_in_the_end(kRuns), kRuns);
}

// The header alone, so that only a client which waits for the body hears nothing.
TEST(PullClient, RefusesAFrameThatPassesItsCreditByMoreThanOneRunMayBeforeReadingIt) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  EventLoop loop("client");
  std::promise<absl::Status> closed;
  PullEvents events;
  events.on_data = [](const std::string&) { ADD_FAILURE() << "data"; };
  events.on_closed = [&](const absl::Status& why) { closed.set_value(why); };
  auto client = PullClient::open(options(acceptor.local_endpoint().port(), 1), loop, std::move(events));
  boost::asio::ip::tcp::socket socket = acceptor.accept();
  std::byte announced[kFrameHeaderBytes];
  encode_frame_header({.type = FrameType::data, .body_bytes = PullClient::kOverdrawBytesMax + 1}, announced);
  boost::asio::write(socket, boost::asio::buffer(encode_frame(
                                 FrameType::welcome, 0, as_bytes(encode_welcome({.cluster_id = 7, .node_id = "p"})))));
  boost::asio::write(socket, boost::asio::buffer(announced));
  auto told = closed.get_future();
  // The client shuts its side down and waits for the peer to do so too.
  std::string heard;
  boost::system::error_code end;
  boost::asio::read(socket, boost::asio::dynamic_buffer(heard), end);
  socket.close();
  ASSERT_EQ(told.wait_for(kPatience), std::future_status::ready);
  EXPECT_THAT(std::string(told.get().message()), testing::HasSubstr("doesn't keep to its credit"));
  client.reset();
}

}  // namespace
}  // namespace sluice::net
