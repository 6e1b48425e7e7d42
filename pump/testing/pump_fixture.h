// A pump in this process with clients around it: what its tests speak.
#pragma once

#include <filesystem>
#include <fstream>
#include <future>

#include <gtest/gtest.h>
#include <unistd.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "base/status.h"
#include "net/native/oracle_client.h"
#include "net/native/pull_client.h"
#include "net/native/writer_client.h"
#include "pump/pump.h"

namespace sluice::pump {

inline constexpr std::chrono::seconds kPatience{30};

struct Served {
  uint64_t commit = 0, start = 0;
  std::string payload;
  friend bool operator==(const Served&, const Served&) = default;
};

// A blocking writer: one step at a time, or many with their outcomes collected.
class TestWriter {
 public:
  TestWriter(net::EventLoop& loop, uint16_t port, net::TimeSource time) : loop_(loop) {
    net::WriterClientOptions options;
    options.address = fmt::format("127.0.0.1:{}", port);
    options.time_source = time;
    loop_.run_and_wait([&] { client_ = net::WriterClient::connect(std::move(options), loop_); });
  }
  ~TestWriter() {
    loop_.run_and_wait([this] { client_.reset(); });
  }
  TestWriter(const TestWriter&) = delete;
  TestWriter& operator=(const TestWriter&) = delete;

  absl::Status prewrite(uint64_t start, std::string_view payload) {
    return step([&](net::WriterClient& c, net::WriterClient::Done done) {
      c.prewrite(StartTs(start), PayloadFormat::tidb, as_bytes(payload), std::move(done));
    });
  }
  absl::Status commit(uint64_t start, uint64_t commit) {
    return step([&](net::WriterClient& c, net::WriterClient::Done done) {
      c.commit(StartTs(start), CommitTs(commit), std::move(done));
    });
  }
  // Returns at once.
  std::future<absl::Status> commit_later(uint64_t start, uint64_t commit) {
    return begin([&](net::WriterClient& c, net::WriterClient::Done done) {
      c.commit(StartTs(start), CommitTs(commit), std::move(done));
    });
  }
  std::future<absl::Status> prewrite_later(uint64_t start, std::string_view payload) {
    return begin([&](net::WriterClient& c, net::WriterClient::Done done) {
      c.prewrite(StartTs(start), PayloadFormat::tidb, as_bytes(payload), std::move(done));
    });
  }
  absl::Status rollback(uint64_t start) {
    return step(
        [&](net::WriterClient& c, net::WriterClient::Done done) { c.rollback(StartTs(start), std::move(done)); });
  }
  absl::Status progress(uint64_t ts) {
    return step([&](net::WriterClient& c, net::WriterClient::Done done) { c.progress(Tso(ts), std::move(done)); });
  }
  absl::Status finish() {
    return step([](net::WriterClient& c, net::WriterClient::Done done) { c.finish(std::move(done)); });
  }

 private:
  using Call = std::function<void(net::WriterClient&, net::WriterClient::Done)>;
  std::future<absl::Status> begin(const Call& call) {
    auto done = std::make_shared<std::promise<absl::Status>>();
    loop_.run_and_wait([&] { call(*client_, [done](const absl::Status& status) { done->set_value(status); }); });
    return done->get_future();
  }
  absl::Status step(const Call& call) {
    auto outcome = begin(call);
    if (outcome.wait_for(kPatience) != std::future_status::ready)
      return absl::DeadlineExceededError("no answer from the pump");
    return outcome.get();
  }

  net::EventLoop& loop_;
  std::unique_ptr<net::WriterClient> client_;
};

// Pulls until the pump has resolved `until`, met a gap, ended, or closed the connection.
struct Pulled {
  std::vector<Served> transactions;
  uint64_t resolved = 0;
  std::optional<net::Gap> gap;
  std::optional<uint64_t> end;
  bool timed_out = false;

  void add(const RecordView& record) {
    if (!record.header.is_payload()) {
      transactions.push_back({.commit = record.header.commit_ts, .start = record.header.start_ts, .payload = {}});
    } else {
      transactions.back().payload += as_text(record.body);
    }
  }
};

class TestPuller {
 public:
  TestPuller(net::EventLoop& loop, uint16_t port, uint64_t after, uint64_t until, uint64_t credit_bytes = 1 << 20)
      : loop_(loop), until_(until) {
    net::PullClientOptions options;
    options.address = fmt::format("127.0.0.1:{}", port);
    options.after = CommitTs(after);
    options.credit_bytes = credit_bytes;
    net::PullEvents events;
    events.on_data = [this](const std::string& run) {
      const absl::Status whole = for_each_record(as_bytes(run), {}, [this](const RecordView& record) {
        pulled_.add(record);
        return absl::OkStatus();
      });
      EXPECT_TRUE(whole.ok()) << whole;
      client_->grant(run.size());
    };
    events.on_resolved = [this](ResolvedTs ts) {
      pulled_.resolved = ts.value;
      if (ts.value >= until_) finish();
    };
    events.on_gap = [this](const net::Gap& gap) {
      pulled_.gap = gap;
      finish();
    };
    events.on_end = [this](CommitTs ts) {
      pulled_.end = ts.value;
      client_->close();  // as a drainer does: it has taken the end
      finish();
    };
    events.on_closed = [this](const absl::Status&) { finish(); };
    loop_.run_and_wait([&] { client_ = net::PullClient::open(std::move(options), loop_, std::move(events)); });
  }
  ~TestPuller() {
    loop_.run_and_wait([this] { client_.reset(); });
  }
  TestPuller(const TestPuller&) = delete;
  TestPuller& operator=(const TestPuller&) = delete;

  Pulled wait() {
    const bool done = finished_.get_future().wait_for(kPatience) == std::future_status::ready;
    loop_.run_and_wait([this] { client_.reset(); });
    pulled_.timed_out = !done;
    return pulled_;
  }

 private:
  void finish() {
    if (!std::exchange(done_, true)) finished_.set_value();
  }

  net::EventLoop& loop_;
  const uint64_t until_;
  std::unique_ptr<net::PullClient> client_;
  Pulled pulled_;
  bool done_ = false;
  std::promise<void> finished_;
};

struct PumpFixture : testing::Test {
  std::filesystem::path dir =
      testing::TempDir() +
      fmt::format("pump_test.{}.{}", ::getpid(), testing::UnitTest::GetInstance()->current_test_info()->name());
  SystemClock clock;
  net::EventLoop loop{"test-clients"};
  std::unique_ptr<Pump> pump;

  PumpFixture() { std::filesystem::remove_all(dir); }
  ~PumpFixture() override {
    pump.reset();
    std::filesystem::remove_all(dir);
  }

  [[nodiscard]] PumpOptions options(const std::string& name = "pump-1") const {
    PumpOptions o;
    o.addr = "127.0.0.1:0";
    o.data_dir = dir / name;
    o.node_id = name;
    o.segment_bytes = 16_MiB;
    return o;
  }
  void start(PumpOptions o) {
    auto started = Pump::start(std::move(o), clock);
    ASSERT_TRUE(started.ok()) << started.status();
    pump = *std::move(started);
  }
  void start(const std::string& time = "") {
    PumpOptions o = options();
    o.time = time;
    start(std::move(o));
  }
  void restart(const std::string& time = "") {
    ASSERT_TRUE(pump->stop().ok());
    pump.reset();
    start(time);
  }

  [[nodiscard]] NodeState state() const {
    const std::string page = http("GET /status");
    for (const NodeState s : {NodeState::online, NodeState::pausing, NodeState::paused, NodeState::closing})
      if (page.find(fmt::format(R"("state":"{}")", to_string(s))) != std::string::npos) return s;
    return NodeState::offline;
  }
  [[nodiscard]] Pulled pull(uint64_t until, uint64_t after = 0, uint64_t credit_bytes = 1 << 20) {
    return TestPuller(loop, pump->port(), after, until, credit_bytes).wait();
  }
  // A timestamp of the pump's oracle.
  [[nodiscard]] uint64_t take_ts() {
    std::promise<uint64_t> taken;
    std::unique_ptr<net::OracleClient> client =
        net::OracleClient::open({.address = fmt::format("127.0.0.1:{}", pump->port())}, loop);
    loop.run_and_wait([&] {
      client->fetch(
          1, [&](const absl::StatusOr<net::TsoRange>& range) { taken.set_value(range.ok() ? range->first.value : 0); });
    });
    return taken.get_future().get();
  }
  [[nodiscard]] std::string http(const std::string& request_line) const {
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket socket(io);
    socket.connect({boost::asio::ip::address_v4::loopback(), pump->port()});
    boost::asio::write(socket,
                       boost::asio::buffer(request_line + " HTTP/1.1\r\nHost: pump\r\nConnection: close\r\n\r\n"));
    std::string answer;
    boost::system::error_code end;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), end);
    return answer;
  }
};

}  // namespace sluice::pump
