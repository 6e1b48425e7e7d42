// Server and clients over loopback, against a node that does what each test tells it.
#include "net/server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/record.h"
#include "base/status.h"
#include "net/native/frame.h"
#include "net/native/messages.h"
#include "net/native/oracle_client.h"
#include "net/native/pull_client.h"
#include "net/native/writer_client.h"

namespace sluice::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::chrono::seconds kDeadline{20};

// What happened, in order, across threads.
class Events {
 public:
  void add(std::string event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_all();
  }
  // Waits for the next event; "timeout" after the deadline.
  std::string next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kDeadline, [&] { return !events_.empty(); })) return "timeout";
    std::string event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  std::vector<std::string> next(size_t count) {
    std::vector<std::string> result;
    while (count-- != 0) result.push_back(next());
    return result;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> events_;
};

// Acks what it is sent, unless told otherwise; events: "write 1-3 7 8 9", "pull 5", "credit 9" and so on.
class FakeNode : public NodeService {
 public:
  uint64_t cluster_id = 7;
  uint64_t window_bytes = 1 << 20;
  std::function<void(const PeerPtr&, uint64_t first, uint64_t last)> answer_write =
      [](const PeerPtr& peer, uint64_t, uint64_t last) { peer->send_ack(last); };
  std::function<void(const PeerPtr&, const PullRequest&)> answer_pull;
  bool answer_goodbye = true;
  Events events;

  absl::StatusOr<Welcome> on_hello(const Hello& hello) override {
    if (hello.name == "unwanted") return absl::PermissionDeniedError("you are not wanted");
    return Welcome{.cluster_id = cluster_id,
                   .time_source = TimeSource::writer,
                   .node_id = "fake",
                   .writer_window_bytes = window_bytes};
  }
  void on_write(const PeerPtr& peer, uint64_t first, std::string run, ByteReservation) override {
    std::string starts;
    uint64_t last = first - 1;
    ASSERT_TRUE(for_each_record(as_bytes(run), {}, [&](const RecordView& view) {
                  ++last;
                  starts += " " + std::to_string(view.header.start_ts);
                  return absl::OkStatus();
                }).ok());
    events.add(fmt::format("write {}-{}{}", first, last, starts));
    answer_write(peer, first, last);
  }
  void on_pull(const PeerPtr& peer, const PullRequest& request) override {
    events.add(fmt::format("pull {} {}", request.after, request.credit_bytes));
    if (answer_pull) answer_pull(peer, request);
  }
  void on_credit(const PeerPtr&, uint64_t bytes) override { events.add(fmt::format("credit {}", bytes)); }
  void on_want(const PeerPtr& peer, CommitTs ts) override {
    events.add(fmt::format("want {}", ts));
    peer->send_resolved(ResolvedTs(ts.value));
  }
  void on_tso_request(const PeerPtr& peer, uint64_t request, uint32_t count) override {
    peer->send_tso(request, Tso(1000), count);
  }
  void on_goodbye(const PeerPtr& peer) override {
    events.add("goodbye");
    if (answer_goodbye) peer->send_goodbye();
  }
  void on_closed(const PeerPtr&, const absl::Status& why) override {
    events.add(why.ok() ? "closed" : fmt::format("lost: {}", message_of(why)));
  }
};

// A socket of the test's own, for bytes that no client of ours would send.
class RawSocket {
 public:
  explicit RawSocket(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval deadline{.tv_sec = kDeadline.count(), .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawSocket() { ::close(fd_); }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  RawSocket& send(std::string_view bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    return *this;
  }
  // Everything until the server closes; nullopt if it doesn't within the deadline.
  std::optional<std::string> read_all() {
    std::string all;
    char bytes[4096];
    for (ssize_t n = 0; (n = ::recv(fd_, bytes, sizeof bytes, 0)) != 0;) {
      if (n < 0) return errno == ECONNRESET ? std::optional(all) : std::nullopt;
      all.append(bytes, static_cast<size_t>(n));
    }
    return all;
  }
  // One frame's header and body.
  std::pair<FrameType, std::string> read_frame() {
    const auto header = decode_frame_header(as_bytes(read_exactly(kFrameHeaderBytes)));
    EXPECT_TRUE(header.ok()) << header.status();
    return header.ok() ? std::pair(header->type, read_exactly(header->body_bytes))
                       : std::pair(FrameType{}, std::string());
  }

 private:
  std::string read_exactly(size_t n) {
    std::string bytes(n, '\0');
    EXPECT_EQ(::recv(fd_, bytes.data(), n, MSG_WAITALL), static_cast<ssize_t>(n));
    return bytes;
  }
  int fd_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() { listen(); }
  ~ServerTest() override {
    on_loop([this] {
      writer.reset();
      puller.reset();
      oracle.reset();
    });
    server.reset();
  }

  void listen() {
    HttpRoutes routes;
    routes.add("GET", "/status", [](const HttpRequest&) { return HttpResponse{.body = "fine"}; });
    options.address = fmt::format("127.0.0.1:{}", port);
    auto listening = Server::listen(options, loop, &node, std::move(routes));
    ASSERT_TRUE(listening.ok()) << listening.status();
    server = std::move(*listening);
    port = server->port();
  }
  void restart(const ServerOptions& with) {
    server.reset();
    options = with;
    listen();
  }
  void on_loop(const std::function<void()>& work) { loop.run_and_wait(work); }
  [[nodiscard]] std::string address() const { return fmt::format("127.0.0.1:{}", port); }

  void connect_writer(WriterClientOptions with = {}) {
    with.address = address();
    with.backoff_min = std::chrono::milliseconds(1);
    writer = WriterClient::connect(with, loop);
  }
  WriterClient::Done done(std::string name) {
    return [this, name](const absl::Status& status) {
      client.add(status.ok() ? name + " ok" : fmt::format("{} failed: {}", name, message_of(status)));
    };
  }
  void roll_back(std::initializer_list<uint64_t> starts) {
    on_loop([&] {
      for (const uint64_t start : starts) writer->rollback(StartTs(start), done(std::to_string(start)));
    });
  }
  void pull(CommitTs after) {
    puller = PullClient::open(
        {.address = address(), .cluster_id = 7, .after = after, .credit_bytes = 100}, loop,
        {.on_welcome = [this](const Welcome& welcome) { client.add("welcome " + welcome.node_id); },
         .on_data = [this](std::string run) { client.add(fmt::format("data {}", run.size())); },
         .on_resolved = [this](ResolvedTs ts) { client.add(fmt::format("resolved {}", ts)); },
         .on_gap = [this](const Gap& gap) { client.add("gap " + gap.text); },
         .on_end = [this](CommitTs ts) { client.add(fmt::format("end {}", ts)); },
         .on_closed = [this](const absl::Status& why) { client.add(fmt::format("closed: {}", message_of(why))); }});
  }
  std::string refusal_of(const std::string& bytes) {
    RawSocket socket(port);
    const auto [type, body] = socket.send(bytes).read_frame();
    EXPECT_EQ(type, FrameType::refusal);
    EXPECT_TRUE(socket.read_all().has_value());
    return std::string(message_of(decode_refusal(as_bytes(body))));
  }
  static std::string hello_frame(const Hello& hello) {
    return encode_frame(FrameType::hello, 0, as_bytes(encode_hello(hello)));
  }

  EventLoop loop{"net-test"};
  FakeNode node;
  Events client;
  ServerOptions options;
  uint16_t port = 0;
  std::unique_ptr<Server> server;
  std::unique_ptr<WriterClient> writer;
  std::unique_ptr<PullClient> puller;
  std::unique_ptr<OracleClient> oracle;
};

TEST_F(ServerTest, AcksPipelinedWritesInOrder) {
  connect_writer();
  roll_back({1, 2, 3});
  EXPECT_THAT(client.next(3), ElementsAre("1 ok", "2 ok", "3 ok"));
  EXPECT_EQ(node.events.next(), "write 1-3 1 2 3");
  roll_back({4});
  EXPECT_EQ(node.events.next(), "write 4-4 4");
}

TEST_F(ServerTest, ALargePrewriteIsManyRecordsAndOneDone) {
  connect_writer();
  const std::string payload(20u << 20, 'x');
  on_loop([&] { writer->prewrite(StartTs(5), PayloadFormat::tidb, as_bytes(payload), done("large")); });
  EXPECT_EQ(client.next(), "large ok");
  EXPECT_TRUE(node.events.next().starts_with("write 1-"));
  roll_back({6});
  EXPECT_EQ(client.next(), "6 ok");
}

TEST_F(ServerTest, AFinalNackFailsItsStepWithThePumpsText) {
  node.answer_write = [](const PeerPtr& peer, uint64_t, uint64_t last) {
    peer->send_nack({.first = 2, .last = 2, .reason = NackReason::commit_too_low, .text = "commit 4 <= resolved 9"});
    peer->send_ack(last);
  };
  connect_writer();
  roll_back({1, 2, 3});
  EXPECT_THAT(client.next(3), ElementsAre("2 failed: commit 4 <= resolved 9", "1 ok", "3 ok"));
}

TEST_F(ServerTest, ARetryableNackIsSentAgainUntilTaken) {
  node.answer_write = [tries = 0](const PeerPtr& peer, uint64_t first, uint64_t last) mutable {
    if (++tries < 3)
      return peer->send_nack({.first = first, .last = last, .reason = NackReason::no_space, .retryable = true});
    peer->send_ack(last);
  };
  connect_writer();
  roll_back({1, 2});
  EXPECT_THAT(client.next(2), ElementsAre("1 ok", "2 ok"));
  EXPECT_THAT(node.events.next(3), ElementsAre("write 1-2 1 2", "write 3-4 1 2", "write 5-6 1 2"));
}

TEST_F(ServerTest, SaysWhyNothingGetsThroughUntilSomethingDoes) {
  node.answer_write = [](const PeerPtr& peer, uint64_t first, uint64_t last) {
    peer->send_nack({.first = first, .last = last, .reason = NackReason::no_space, .retryable = true, .text = "full"});
  };
  connect_writer();
  roll_back({1});
  EXPECT_THAT(node.events.next(2), ElementsAre("write 1-1 1", "write 2-2 1"));
  on_loop([&] {
    EXPECT_EQ(writer->standstill(), "takes nothing: full");
    node.answer_write = [](const PeerPtr& peer, uint64_t, uint64_t last) { peer->send_ack(last); };
  });
  EXPECT_EQ(client.next(), "1 ok");
  on_loop([&] { EXPECT_EQ(writer->standstill(), ""); });
}

TEST_F(ServerTest, SendsTheUnackedAgainToAServerThatCameBack) {
  node.answer_write = [](const PeerPtr& peer, uint64_t, uint64_t) { peer->send_ack(1); };
  connect_writer();
  roll_back({1, 2, 3});
  EXPECT_EQ(client.next(), "1 ok");
  EXPECT_EQ(node.events.next(), "write 1-3 1 2 3");
  server.reset();
  roll_back({4});
  on_loop([this] { node.answer_write = [](const PeerPtr& peer, uint64_t, uint64_t last) { peer->send_ack(last); }; });
  listen();
  EXPECT_THAT(client.next(3), ElementsAre("2 ok", "3 ok", "4 ok"));
  on_loop([this] { EXPECT_EQ(writer->reconnects(), 1u); });
}

TEST_F(ServerTest, TheWindowBoundsWhatIsOnTheWire) {
  node.window_bytes = 32;  // two rollbacks
  std::vector<PeerPtr> peers;
  node.answer_write = [&](const PeerPtr& peer, uint64_t, uint64_t) { peers.push_back(peer); };
  connect_writer();
  roll_back({1, 2, 3});
  EXPECT_EQ(node.events.next(), "write 1-2 1 2");
  on_loop([&] { peers.at(0)->send_ack(2); });
  EXPECT_EQ(node.events.next(), "write 3-3 3");
  on_loop([&] {
    EXPECT_EQ(writer->unacked_bytes(), 16u);
    peers.clear();
  });
}

TEST_F(ServerTest, FinishSaysGoodbyeOnceAllIsAcked) {
  connect_writer();
  roll_back({1});
  on_loop([this] { writer->finish(done("finish")); });
  EXPECT_THAT(client.next(2), ElementsAre("1 ok", "finish ok"));
  EXPECT_THAT(node.events.next(3), ElementsAre("write 1-1 1", "goodbye", "closed"));
}

TEST_F(ServerTest, RefusesAWriterOfAnotherClusterForGood) {
  connect_writer({.cluster_id = 8});
  roll_back({1});
  EXPECT_THAT(client.next(), AllOf(HasSubstr("cluster 8"), HasSubstr("cluster 7")));
  roll_back({2});
  EXPECT_THAT(client.next(), HasSubstr("2 failed"));
}

TEST_F(ServerTest, PassesOnTheNodesOwnRefusal) {
  connect_writer({.name = "unwanted"});
  roll_back({1});
  EXPECT_THAT(client.next(), HasSubstr("you are not wanted"));
}

TEST_F(ServerTest, GivesUpOnAnUnreachablePumpWhenAskedTo) {
  server.reset();
  connect_writer({.give_up_after = std::chrono::milliseconds(1)});
  roll_back({1});
  EXPECT_THAT(client.next(), AllOf(HasSubstr("1 failed: given up"), HasSubstr(address())));
  on_loop([&] { EXPECT_THAT(writer->standstill(), HasSubstr("can't be reached: ")); });
}

TEST_F(ServerTest, PullsDataResolvedGapAndEndInOrderAndGrantsCredit) {
  node.answer_pull = [](const PeerPtr& peer, const PullRequest&) {
    std::string run;
    encode_commit(StartTs(1), CommitTs(6), run);
    encode_prewrite(StartTs(1), PayloadFormat::tidb, as_bytes("payload"), run);
    peer->send_data(run);
    peer->send_resolved(ResolvedTs(9));
    peer->send_gap({.kind = GapKind::purged, .after = CommitTs(1), .first_available = CommitTs(2), .text = "gone"});
    peer->send_end(CommitTs(9));
  };
  pull(CommitTs(5));
  EXPECT_THAT(client.next(5), ElementsAre("welcome fake", "data 56", "resolved 9", "gap gone", "end 9"));
  on_loop([this] {
    puller->grant(56);
    puller->want(CommitTs(12));
  });
  EXPECT_EQ(client.next(), "resolved 12");
  on_loop([this] { puller->close(); });
  EXPECT_THAT(node.events.next(5), ElementsAre("pull 5 100", "credit 56", "want 12", "goodbye", "closed"));
}

TEST_F(ServerTest, TellsAPullerThatItStops) {
  pull(CommitTs(0));
  EXPECT_EQ(node.events.next(), "pull 0 100");
  server->stop();
  EXPECT_EQ(client.next(), "welcome fake");
  EXPECT_THAT(client.next(), AllOf(HasSubstr("closed"), HasSubstr("said goodbye")));
}

TEST_F(ServerTest, SendsARunOfAnyLengthInFramesThatArriveWhole) {
  std::string run;
  encode_prewrite(StartTs(1), PayloadFormat::tidb, as_bytes(std::string(9u << 20, 'x')), run);
  node.answer_pull = [&](const PeerPtr& peer, const PullRequest&) {
    peer->send_data(run);
    peer->send_resolved(ResolvedTs(1));
  };
  pull(CommitTs(0));
  EXPECT_EQ(client.next(), "welcome fake");
  loop.run_and_wait([&] { puller->grant(run.size()); });
  uint64_t bytes = 0;
  for (std::string event = client.next(); event != "resolved 1"; event = client.next()) {
    ASSERT_TRUE(event.starts_with("data ")) << event;
    bytes += std::stoull(event.substr(5));
  }
  EXPECT_EQ(bytes, run.size());
}

TEST_F(ServerTest, DropsAPeerThatDoesNotTakeWhatItIsSent) {
  ServerOptions small = options;
  small.outbound_bytes_max = 1 << 20;
  restart(small);
  node.answer_pull = [this](const PeerPtr& peer, const PullRequest&) {
    std::string run;
    encode_prewrite(StartTs(1), PayloadFormat::tidb, as_bytes(std::string(kRecordBodyBytesMax, 'x')), run);
    for (int i = 0; i < 3; ++i) peer->send_data(run);
    client.add(peer->queued_bytes() <= (3u << 20) ? "bounded" : "unbounded");
  };
  RawSocket socket(port);
  socket.send(hello_frame({.role = PeerRole::puller, .name = "slow"}));
  socket.send(encode_frame(FrameType::pull, 0, as_bytes(encode_pull({.after = {}, .credit_bytes = 1}))));
  EXPECT_EQ(node.events.next(), "pull 0 1");
  EXPECT_THAT(node.events.next(), HasSubstr("doesn't take what it is sent"));
  EXPECT_EQ(client.next(), "bounded");
}

TEST_F(ServerTest, PausedReadingHoldsFramesBackUntilItGoesOn) {
  PeerPtr writing;
  node.answer_write = [&](const PeerPtr& peer, uint64_t, uint64_t last) {
    writing = peer;
    peer->set_reading(false);
    peer->send_ack(last);
  };
  connect_writer();
  roll_back({1});
  EXPECT_EQ(client.next(), "1 ok");
  EXPECT_EQ(node.events.next(), "write 1-1 1");
  roll_back({2});
  on_loop([&] {
    client.add("resumed");
    writing->set_reading(true);
  });
  EXPECT_THAT(client.next(2), ElementsAre("resumed", "2 ok"));
  on_loop([&] { writing.reset(); });
}

TEST_F(ServerTest, RefusesAnotherMajorVersionNamingBoth) {
  std::string hello = hello_frame({.role = PeerRole::writer});
  hello[3] = 9;
  EXPECT_THAT(refusal_of(hello), AllOf(HasSubstr("version 9"), HasSubstr("version 1")));
}

TEST_F(ServerTest, RefusesAnUnknownCriticalFeatureAndIgnoresOthers) {
  EXPECT_THAT(refusal_of(hello_frame({.role = PeerRole::writer, .features = 1ull << 50})),
              HasSubstr("critical features"));
  RawSocket socket(port);
  const auto [type, body] =
      socket.send(hello_frame({.role = PeerRole::writer, .features = 1ull << 20 | kFeatureWant})).read_frame();
  EXPECT_EQ(type, FrameType::welcome);
  EXPECT_EQ(decode_welcome(as_bytes(body))->features, kFeatureWant);
}

TEST_F(ServerTest, RefusesDamagedOversizedAndUnexpectedFrames) {
  std::string run;
  encode_rollback(StartTs(1), run);
  const std::string hello = hello_frame({.role = PeerRole::writer});
  EXPECT_THAT(refusal_of(encode_frame(FrameType::write, 1, as_bytes(run))), HasSubstr("before hello"));
  std::string damaged = hello;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  EXPECT_THAT(refusal_of(damaged), HasSubstr("damaged"));
  std::string large(kFrameHeaderBytes, '\0');
  encode_frame_header({.type = FrameType::write, .body_bytes = 1u << 30}, reinterpret_cast<std::byte*>(large.data()));
  EXPECT_THAT(refusal_of(large), HasSubstr("1073741824"));

  {
    RawSocket socket(port);
    EXPECT_EQ(socket.send(hello).read_frame().first, FrameType::welcome);
    EXPECT_EQ(socket.send(encode_frame(FrameType::write, 5, as_bytes(run))).read_frame().first, FrameType::refusal);
  }
  EXPECT_THAT(node.events.next(), HasSubstr("sequence 5, 1 is next"));
}

TEST_F(ServerTest, ClosesOnGarbageAndOnSilence) {
  EXPECT_EQ(RawSocket(port).send("\x16\x03\x01\x02garbage").read_all(), "");
  ServerOptions impatient = options;
  impatient.handshake_timeout = std::chrono::milliseconds(1);
  restart(impatient);
  EXPECT_EQ(RawSocket(port).read_all(), "");
  EXPECT_THAT(RawSocket(port).send("SLC\1half a header").read_all().value_or("timeout"), HasSubstr("no hello"));
}

TEST_F(ServerTest, DropsAPeerThatStopsAnsweringPings) {
  ServerOptions impatient = options;
  impatient.ping_interval = std::chrono::milliseconds(5);
  restart(impatient);
  RawSocket socket(port);
  socket.send(hello_frame({.role = PeerRole::writer}));
  EXPECT_THAT(node.events.next(), HasSubstr("silent"));
}

TEST_F(ServerTest, ServesHttpAndTheNativeProtocolOnOnePort) {
  connect_writer();
  roll_back({1});
  const auto answers = RawSocket(port)
                           .send(
                               "GET /status HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                           .read_all();
  ASSERT_TRUE(answers.has_value());
  EXPECT_THAT(*answers, AllOf(HasSubstr("HTTP/1.1 200"), HasSubstr("fine"), HasSubstr("HTTP/1.1 404")));
  EXPECT_EQ(client.next(), "1 ok");
}

TEST_F(ServerTest, AnswersHeadWithoutABodyAndExpectWithContinue) {
  const auto head = RawSocket(port).send("HEAD /status HTTP/1.1\r\nConnection: close\r\n\r\n").read_all();
  EXPECT_THAT(head.value_or("timeout"), AllOf(HasSubstr("HTTP/1.1 200"), HasSubstr("Content-Length: 4")));
  EXPECT_TRUE(head->ends_with("\r\n\r\n")) << *head;
  const auto expecting = RawSocket(port)
                             .send(
                                 "GET /status HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n"
                                 "Connection: close\r\n\r\nx")
                             .read_all();
  EXPECT_THAT(expecting.value_or("timeout"), AllOf(HasSubstr("HTTP/1.1 100"), HasSubstr("HTTP/1.1 200")));
}

TEST_F(ServerTest, BoundsHttpBodiesAndHeaders) {
  EXPECT_THAT(RawSocket(port).send("PUT /status HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n").read_all().value_or(""),
              HasSubstr("HTTP/1.1 413"));
  EXPECT_THAT(RawSocket(port).send("GET /status HTTP/1.1\r\nX: " + std::string(20'000, 'x')).read_all().value_or(""),
              HasSubstr("HTTP/1.1 431"));
  EXPECT_THAT(RawSocket(port).send("GET bad\r\n\r\n").read_all().value_or(""), HasSubstr("HTTP/1.1 400"));
}

TEST_F(ServerTest, NamesAPortThatIsTaken) {
  const auto second = Server::listen({.address = address()}, loop, nullptr, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(message_of(second.status()),
            fmt::format("address {} in use: stop the other process or choose another --addr", address()));
}

TEST_F(ServerTest, TheOracleClientFetchesTimestampsAcrossARestart) {
  OracleClientOptions with{.address = address()};
  with.backoff_min = std::chrono::milliseconds(1);
  with.on_welcome = [this](const Welcome& welcome) { client.add(fmt::format("cluster {}", welcome.cluster_id)); };
  oracle = OracleClient::open(with, loop);
  const auto fetch = [this] {
    on_loop([this] {
      oracle->fetch(3, [this](const absl::StatusOr<TsoRange>& range) {
        client.add(range.ok() ? fmt::format("{}+{}", range->first, range->count)
                              : std::string(message_of(range.status())));
      });
    });
  };
  fetch();
  EXPECT_THAT(client.next(2), ElementsAre("cluster 7", "1000+3"));
  server.reset();
  fetch();
  listen();
  EXPECT_THAT(client.next(2), ElementsAre("cluster 7", "1000+3"));
}

TEST_F(ServerTest, TheOracleClientSaysWhyItGotNoTimestamp) {
  server.reset();
  OracleClientOptions with{.address = address()};
  with.timeout = std::chrono::milliseconds(50);
  oracle = OracleClient::open(with, loop);
  on_loop([this] {
    oracle->fetch(
        1, [this](const absl::StatusOr<TsoRange>& range) { client.add(std::string(message_of(range.status()))); });
  });
  EXPECT_THAT(client.next(), AllOf(HasSubstr("no timestamp from"), HasSubstr("cannot connect")));
}

}  // namespace
}  // namespace sluice::net
