// Pulls from a log on a simulated disk by peers that take what they are sent when the test says so.
#include "pump/service/pull_service.h"

#include <filesystem>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/status.h"
#include "net/loop/event_loop.h"
#include "storage/testing/log_fixture.h"
#include "storage/testing/simulated_disk.h"

namespace sluice::pump {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kMiB = 1u << 20;
constexpr ByteUse kPulls{0};
constexpr ByteUse kOthers{1};
// What one puller can have of the budget at most: its connection's queue, and a job's data on both sides of it.
constexpr uint64_t kPullerBytesMax = PullService::kQueuedBytesMax + 2 * PullService::kJobBytes;

class SlowPeer final : public net::Peer {
 public:
  explicit SlowPeer(uint64_t id)
      : id_(id), hello_{.role = net::PeerRole::puller, .name = fmt::format("puller-{}", id)} {}

  std::string got;
  std::vector<net::Gap> gaps;
  uint64_t resolved = 0;
  uint64_t queued = 0;
  absl::Status closed;

  uint64_t id() const override { return id_; }
  const net::Hello& hello() const override { return hello_; }
  const std::string& address() const override { return address_; }
  void send_ack(uint64_t) override {}
  void send_nack(const net::Nack&) override {}
  void send_tso(uint64_t, Tso, uint32_t) override {}
  void send_data(std::string run) override {
    queued += run.size();
    got += run;
  }
  void send_resolved(ResolvedTs ts) override { resolved = ts.value; }
  void send_gap(const net::Gap& gap) override { gaps.push_back(gap); }
  void send_end(CommitTs) override {}
  void send_goodbye() override {}
  uint64_t queued_bytes() const override { return queued; }
  void set_reading(bool) override {}
  void close(const absl::Status& why) override { closed = why; }

 private:
  const uint64_t id_;
  const net::Hello hello_;
  const std::string address_ = "test";
};

struct PullServiceTest : testing::Test {
  std::filesystem::path dir =
      testing::TempDir() +
      fmt::format("pull_service_test.{}.{}", ::getpid(), testing::UnitTest::GetInstance()->current_test_info()->name());
  SystemClock clock;
  storage::SimulatedDisk disk{{.seed = 1}};
  storage::LogFixture log{disk, storage::small_log_options("/sim/log")};
  ByteBudget budget{64 * kMiB, {{.name = "pulls", .bytes_min = 2 * PullService::kPullerBytesMin}, {.name = "others"}}};
  net::EventLoop loop{"pull-test"};
  host::Worker reader{"pull-test-read"};
  std::unique_ptr<DataFolder> folder;
  std::unique_ptr<Timekeeper> time;
  std::unique_ptr<CommitOrder> order;
  std::unique_ptr<PullService> pulls;
  std::vector<std::shared_ptr<SlowPeer>> peers;

  PullServiceTest() {
    std::filesystem::remove_all(dir);
    EXPECT_TRUE(log.open().ok());
  }
  ~PullServiceTest() override {
    for (const auto& peer : peers) leave(peer);
    settle();
    loop.stop();
    std::filesystem::remove_all(dir);
  }

  // What was written so far, in order.
  void serve() {
    folder = DataFolder::open({.dir = dir, .time = net::TimeSource::writer, .node_id = "pump-1"}).value();
    time = std::make_unique<Timekeeper>(*folder, nullptr);
    order = std::make_unique<CommitOrder>(*time, clock);
    log.close();
    auto opened = storage::Log::open(log.options(), disk, again,
                                     [&](const storage::DurableRun& run) { return order->replay(run); });
    ASSERT_TRUE(opened.ok()) << opened.status();
    reopened = *std::move(opened);
    pulls = std::make_unique<PullService>(
        *order, *reopened, reader, [this](std::function<void()> work) { loop.post(std::move(work)); }, &budget, kPulls);
    pulls->open();
  }
  std::shared_ptr<SlowPeer> pull(uint64_t credit = 1u << 30) {
    auto peer = peers.emplace_back(std::make_shared<SlowPeer>(peers.size() + 1));
    loop.run_and_wait([&] { pulls->on_pull(peer, {.after = CommitTs(0), .credit_bytes = credit}); });
    return peer;
  }
  void leave(const std::shared_ptr<SlowPeer>& peer) {
    loop.run_and_wait([&] { pulls->on_closed(peer); });
  }
  // Until nothing is being read any more: a job ends on the loop, where the next one begins.
  void settle() {
    for (int i = 0; i < 3; ++i) {
      std::promise<void> read;
      reader.run([&] { read.set_value(); });
      read.get_future().wait();
      loop.run_and_wait([] {});
    }
  }
  void drain(const std::shared_ptr<SlowPeer>& peer) {
    loop.run_and_wait([&] {
      peer->queued = 0;
      pulls->on_drained(peer);
    });
    settle();
  }
  void drain_to_the_end(const std::shared_ptr<SlowPeer>& peer, uint64_t resolved) {
    for (int i = 0; i < 1000 && peer->resolved < resolved; ++i) drain(peer);
    EXPECT_EQ(peer->resolved, resolved);
  }

  storage::RecordingListener again;
  std::unique_ptr<storage::Log> reopened;
};

TEST_F(PullServiceTest, ALargeTransactionCostsEachPullerPiecesOfItHoweverSlowlyItReads) {
  const std::string large = storage::prewrite(10, std::string(24 * kMiB, 'x'));
  log.write(large);
  log.write(storage::commit(10, 30));
  log.write(storage::prewrite(40, "small") + storage::commit(40, 50));
  serve();
  for (int i = 0; i < 4; ++i) pull();
  settle();
  for (const auto& peer : peers) EXPECT_LE(peer->queued, PullService::kQueuedBytesMax + PullService::kJobBytes);
  for (const auto& peer : peers) drain_to_the_end(peer, 50);
  for (const auto& peer : peers)
    EXPECT_TRUE(peer->got ==
                storage::commit(10, 30) + large + storage::commit(40, 50) + storage::prewrite(40, "small"));
  EXPECT_LE(budget.stats(kPulls).bytes_top, 4 * kPullerBytesMax);
}

TEST_F(PullServiceTest, APullersOwnBytesCarryItThroughWhenAllElseIsTakenAndWhoFindsNoneIsRefused) {
  const std::string large = storage::prewrite(10, std::string(12 * kMiB, 'x'));
  log.write(large);
  log.write(storage::commit(10, 30));
  serve();
  const auto others = std::make_shared<ByteHolder>(budget, kOthers, 0);
  ByteReservation rest = others->try_reserve(64 * kMiB - 2 * PullService::kPullerBytesMin);
  ASSERT_TRUE(rest);
  pull();
  pull();
  const auto refused = pull();
  EXPECT_TRUE(absl::IsResourceExhausted(refused->closed)) << refused->closed;
  EXPECT_THAT(std::string(refused->closed.message()), HasSubstr("--memory-budget"));
  EXPECT_EQ(pulls->counters().refused, 1u);
  for (int i = 0; i < 2; ++i) {
    drain_to_the_end(peers[i], 30);
    EXPECT_TRUE(peers[i]->got == storage::commit(10, 30) + large);
  }
  EXPECT_LE(budget.bytes_top(), budget.total());
  leave(peers[0]);
  settle();
  const auto next = pull();
  EXPECT_TRUE(next->closed.ok()) << next->closed;
  drain_to_the_end(next, 30);
}

TEST_F(PullServiceTest, ALaterPartThatIsDamagedCutsTheTransactionOffWithAGapAndNothingFollows) {
  log.write(storage::prewrite(10, std::string(12 * kMiB, 'x')));
  const LogPosition end = log.log().durable_end();
  log.write(storage::commit(10, 30));
  serve();
  const auto peer = pull();
  settle();
  EXPECT_THAT(peer->gaps, IsEmpty());
  disk.flip_bit(std::filesystem::path("/sim/log") / fmt::format("segment-{:08}.log", end.segment()),
                end.offset() - 8192, 3);
  for (int i = 0; i < 20; ++i) drain(peer);
  ASSERT_THAT(peer->gaps, SizeIs(1));
  EXPECT_EQ(peer->gaps[0].kind, net::GapKind::data_loss);
  EXPECT_EQ(peer->gaps[0].after, CommitTs(0));
  EXPECT_EQ(peer->gaps[0].first_available, CommitTs(30));
  EXPECT_LT(peer->got.size(), 12 * kMiB);
  EXPECT_EQ(peer->resolved, 0u);
}

}  // namespace
}  // namespace sluice::pump
