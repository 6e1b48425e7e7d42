// The log's identity as a pump keeps it and tells it.
#include <filesystem>
#include <fstream>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/status.h"
#include "net/native/pull_client.h"
#include "net/native/writer_client.h"
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

// Each is refused with exit 3 (DATA_LOSS), says what happened, and changes nothing.
struct RefusedFolder : Fixture {
  std::filesystem::path folder = dir / "pump-1", log = folder / "log";
  std::filesystem::path kept = dir / "kept";

  void SetUp() override {
    ASSERT_TRUE(start().ok());
    write(10, 30, "a");
    pump.reset();
  }
  void expect_refused(std::string_view what) {
    const absl::Status status = start();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(message_of(status)), HasSubstr(std::string(what)));
  }
  void expect_that_putting_back_mends(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::remove_all(to);
    std::filesystem::rename(from, to);
    ASSERT_TRUE(start().ok());
    EXPECT_EQ(welcome().log_largest_ts, Tso(30));
  }
};

TEST_F(RefusedFolder, WhoseLogIsGone) {
  std::filesystem::rename(log, kept);
  expect_refused("is gone, with all that was acknowledged in it");
  EXPECT_FALSE(std::filesystem::exists(log));
  expect_refused("is gone");  // and again: the first try left no new log
  expect_that_putting_back_mends(kept, log);
}

TEST_F(RefusedFolder, WhoseMetaIsGone) {
  std::filesystem::rename(folder / "META", kept);
  expect_refused("no META");
  expect_that_putting_back_mends(kept, folder / "META");
}

TEST_F(RefusedFolder, WhichHasTheLogOfAnotherPump) {
  ASSERT_TRUE(start("pump-2").ok());
  pump.reset();
  std::filesystem::rename(log, kept);
  std::filesystem::copy(dir / "pump-2" / "log", log, std::filesystem::copy_options::recursive);
  expect_refused("another log");
  expect_that_putting_back_mends(kept, log);
}

TEST_F(RefusedFolder, WhoseSegmentsAreThoseOfAnotherLog) {
  ASSERT_TRUE(start("pump-2").ok());
  write(10, 20, "b");
  pump.reset();
  const std::filesystem::path segment = log / "segment-00000001.log";
  std::filesystem::rename(segment, kept);
  std::filesystem::copy_file(dir / "pump-2" / "log" / "segment-00000001.log", segment);
  expect_refused("another log");
  expect_that_putting_back_mends(kept, segment);
}

TEST_F(RefusedFolder, WhoseSegmentsAreGone) {
  std::filesystem::create_directories(kept);
  for (const auto& entry : std::filesystem::directory_iterator(log))
    if (entry.path().filename().string().starts_with("segment-"))
      std::filesystem::rename(entry.path(), kept / entry.path().filename());
  expect_refused("was in use up to segment 1");
}

TEST_F(PumpIdentity, AFolderOfTheFormerFormatGetsOneAtItsFirstOpen) {
  ASSERT_TRUE(start().ok());
  write(10, 30, "a");
  const uint64_t born = welcome().log_birth_id;
  const Meta meta = pump->meta();
  pump.reset();
  Meta former = meta;
  former.log_birth_id = 0;
  std::ofstream(dir / "pump-1" / "META") << encode_meta(former);
  std::filesystem::remove(dir / "pump-1" / "log" / "IDENTITY");
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(welcome().log_birth_id, born);
  EXPECT_EQ(pump->meta(), meta);
}

}  // namespace
}  // namespace sluice::pump
