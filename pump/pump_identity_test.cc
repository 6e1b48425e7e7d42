// The log's identity as a pump keeps it and tells it.
#include <filesystem>
#include <fstream>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/status.h"
#include "net/pull_client.h"
#include "net/writer_client.h"
#include "pump/pump.h"

namespace sluice::pump {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kPatience{30};

struct Fixture : testing::Test {
  std::filesystem::path dir =
      testing::TempDir() + fmt::format("pump_identity_test.{}.{}", ::getpid(),
                                       testing::UnitTest::GetInstance()->current_test_info()->name());
  SystemClock clock;
  net::EventLoop loop{"test-clients"};
  std::unique_ptr<Pump> pump;

  Fixture() { std::filesystem::remove_all(dir); }
  ~Fixture() override {
    pump.reset();
    std::filesystem::remove_all(dir);
  }

  [[nodiscard]] absl::Status start(const std::string& name = "pump-1") {
    pump.reset();
    PumpOptions o;
    o.addr = "127.0.0.1:0";
    o.data_dir = dir / name;
    o.node_id = name;
    o.time = "writer";
    o.segment_bytes = 16_MiB;
    auto started = Pump::start(std::move(o), clock);
    if (started.ok()) pump = *std::move(started);
    return started.status();
  }

  void write(uint64_t start_ts, uint64_t commit_ts, std::string_view payload) {
    net::WriterClientOptions options;
    options.address = fmt::format("127.0.0.1:{}", pump->port());
    options.time_source = net::TimeSource::writer;
    std::unique_ptr<net::WriterClient> client;
    std::promise<absl::Status> done;
    loop.run_and_wait([&] {
      client = net::WriterClient::connect(std::move(options), loop);
      client->prewrite(StartTs(start_ts), PayloadFormat::tidb, as_bytes(payload), [](const absl::Status&) {});
      client->commit(StartTs(start_ts), CommitTs(commit_ts), [&](const absl::Status& s) { done.set_value(s); });
    });
    auto outcome = done.get_future();
    ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
    EXPECT_TRUE(outcome.get().ok());
    loop.run_and_wait([&] { client.reset(); });
  }

  net::Welcome welcome() {
    net::PullClientOptions options;
    options.address = fmt::format("127.0.0.1:{}", pump->port());
    std::promise<net::Welcome> got;
    bool first = true;
    net::PullEvents events;
    events.on_welcome = [&](const net::Welcome& welcome) {
      if (std::exchange(first, false)) got.set_value(welcome);
    };
    events.on_data = [](const std::string&) {};
    events.on_resolved = [](ResolvedTs) {};
    events.on_closed = [](const absl::Status&) {};
    std::unique_ptr<net::PullClient> client;
    loop.run_and_wait([&] { client = net::PullClient::open(std::move(options), loop, std::move(events)); });
    auto future = got.get_future();
    EXPECT_EQ(future.wait_for(kPatience), std::future_status::ready);
    loop.run_and_wait([&] { client.reset(); });
    return future.get();
  }
};
using PumpIdentity = Fixture;

TEST_F(PumpIdentity, TellsEachPeerWhichLogItHasAndHowFarThatHasGot) {
  ASSERT_TRUE(start().ok());
  const net::Welcome fresh = welcome();
  EXPECT_NE(fresh.log_birth_id, 0u);
  EXPECT_EQ(fresh.log_largest_ts, Tso());
  write(10, 30, "a");
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(welcome().log_birth_id, fresh.log_birth_id);
  EXPECT_EQ(welcome().log_largest_ts, Tso(30));
  ASSERT_TRUE(start("pump-2").ok());
  EXPECT_NE(welcome().log_birth_id, fresh.log_birth_id);
}

}  // namespace
}  // namespace sluice::pump
