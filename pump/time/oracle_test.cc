#include "pump/time/oracle.h"

#include <filesystem>
#include <fstream>

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/status.h"

namespace sluice::pump {
namespace {

using testing::HasSubstr;

TEST(TsoAllocator, GivesOutNothingAboveTheDurableBound) {
  TsoAllocator allocator(0);
  EXPECT_FALSE(allocator.allocate(1, 1000).has_value());
  ASSERT_EQ(allocator.wanted_bound(1000), 4'000u);
  allocator.bound_is_durable(11'000);
  EXPECT_EQ(allocator.allocate(1, 1000), compose_tso(1000, 0));
  EXPECT_FALSE(allocator.allocate(1, 11'000).has_value());
}

TEST(TsoAllocator, AscendsWhileTheClockStandsOrStepsBack) {
  TsoAllocator allocator(0);
  allocator.bound_is_durable(11'000);
  EXPECT_EQ(allocator.allocate(3, 1000), compose_tso(1000, 0));
  EXPECT_EQ(allocator.allocate(1, 1000), compose_tso(1000, 3));
  EXPECT_EQ(allocator.allocate(1, 500), compose_tso(1000, 4));
}

TEST(TsoAllocator, StartsAboveEverythingThatItGaveOutBefore) {
  TsoAllocator before(0);
  before.bound_is_durable(11'000);
  const Tso last = *before.allocate(1, 10'999);
  TsoAllocator after(11'000);
  after.bound_is_durable(30'000);
  EXPECT_GT(*after.allocate(1, 500), last);
}

TEST(TsoAllocator, AsksForTheNextBoundBeforeThisOneIsUsedUp) {
  TsoAllocator allocator(0);
  allocator.bound_is_durable(11'000);
  EXPECT_FALSE(allocator.wanted_bound(9'499).has_value());
  EXPECT_EQ(allocator.wanted_bound(9'500), 12'500u);
}

// Each life takes one timestamp and is killed; the clock stands.
TEST(TsoAllocator, DoesNotRunAwayFromTheClockThoughItIsKilledAgainAndAgain) {
  uint64_t bound_ms = 0;
  for (int life = 0; life < 50; ++life) {
    TsoAllocator allocator(bound_ms);
    if (const auto wanted = allocator.wanted_bound(1'000'000)) allocator.bound_is_durable(bound_ms = *wanted);
    ASSERT_TRUE(allocator.allocate(1, 1'000'000).has_value());
    EXPECT_LE(allocator.last_ms(), 1'000'000 + TsoAllocator::kBoundAheadMs + life * TsoAllocator::kStepMs);
  }
}

TEST(BelievedClock, DoesNotFollowALeapOfADayAndSaysHowFarItWent) {
  const std::chrono::steady_clock::time_point start{};
  BelievedClock clock(1'000, start);
  const uint64_t years = 10ull * 366 * 24 * 3600 * 1000;
  EXPECT_EQ(clock.read(2'000, start + std::chrono::seconds(1)), 2'000u);
  EXPECT_EQ(clock.read(3'000 + years, start + std::chrono::seconds(2)), 3'000u);
  EXPECT_EQ(clock.leapt_ms(), years);
  EXPECT_EQ(clock.read(4'000, start + std::chrono::seconds(3)), 4'000u);
  EXPECT_EQ(clock.leapt_ms(), 0u);
  EXPECT_EQ(clock.read(3'604'000, start + std::chrono::seconds(4)), 3'604'000u);  // an hour: a suspended machine
  EXPECT_EQ(clock.read(10, start + std::chrono::seconds(5)), 10u);
}

class FakeClock final : public Clock {
 public:
  std::chrono::system_clock::time_point wall_now() const override {
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(wall_ms));
  }
  std::chrono::steady_clock::time_point now() const override { return {}; }
  int64_t wall_ms = 1000;
};

struct EmbeddedOracleFixture : testing::Test {
  std::filesystem::path dir = testing::TempDir() + fmt::format("oracle_test.{}", ::getpid());
  FakeClock clock;
  host::Worker worker{"test-bound"};

  EmbeddedOracleFixture() { std::filesystem::create_directories(dir); }
  ~EmbeddedOracleFixture() override { std::filesystem::remove_all(dir); }

  [[nodiscard]] absl::StatusOr<std::unique_ptr<EmbeddedOracle>> open() {
    return EmbeddedOracle::open(dir / "oracle", clock, worker, [](const std::function<void()>&) {});
  }
  [[nodiscard]] uint64_t bound_on_disk() const {
    const auto file = BoundFile::open(dir / "oracle");
    return file.ok() ? (*file)->bound_ms() : 0;
  }
  static Tso take(Oracle& oracle) {
    Tso taken;
    oracle.take(1, [&](const absl::StatusOr<Tso>& first) { taken = first.value_or(Tso()); });
    return taken;
  }
};
using EmbeddedOracleTest = EmbeddedOracleFixture;

TEST_F(EmbeddedOracleTest, NeverRepeatsATimestampThoughTheClockWentBackBetweenTwoLives) {
  auto first = open();
  ASSERT_TRUE(first.ok());
  clock.wall_ms = 3000;
  const Tso last = take(**first);
  ASSERT_GE(last, compose_tso(3000, 0));
  first->reset();
  clock.wall_ms = 10;
  auto second = open();
  ASSERT_TRUE(second.ok());
  EXPECT_GT(take(**second), last);
}

TEST_F(EmbeddedOracleTest, GoesOnWhenTheClockLeapsBeyondTheBound) {
  auto oracle = open();
  ASSERT_TRUE(oracle.ok());
  clock.wall_ms = 1'000'000;
  EXPECT_EQ(take(**oracle), compose_tso(1'000'000, 0));
  EXPECT_EQ(bound_on_disk(), 1'003'000u);
}

TEST_F(EmbeddedOracleTest, LeavesTheExactBoundAtACleanStop) {
  auto oracle = open();
  ASSERT_TRUE(oracle.ok());
  const Tso last = take(**oracle);
  ASSERT_TRUE((*oracle)->close().ok());
  oracle->reset();
  EXPECT_EQ(bound_on_disk(), last.physical_ms() + 1);
  auto again = open();
  ASSERT_TRUE(again.ok());
  EXPECT_GT(take(**again), last);
}

// A limit of 0 bytes a file, which root obeys too, refuses what a full disk refuses: bytes that a file doesn't have.
TEST_F(EmbeddedOracleTest, GoesOnWhileTheDiskTakesNoNewBytes) {
  auto oracle = open();
  ASSERT_TRUE(oracle.ok());
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit limit{.rlim_cur = 2 * kBoundBlockBytes, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::ofstream(dir / "other") << std::string(3 * kBoundBlockBytes, 'x');
  std::filesystem::remove(dir / "oracle");  // its name is gone: replacing it would need a new file
  clock.wall_ms = 1'000'000;
  EXPECT_EQ(take(**oracle), compose_tso(1'000'000, 0));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_LE(std::filesystem::file_size(dir / "other"), 2 * kBoundBlockBytes);
  EXPECT_FALSE(std::filesystem::exists(dir / "oracle"));
}

TEST_F(EmbeddedOracleTest, TakesOverTheBoundOfTheFirstVersion) {
  std::ofstream(dir / "oracle") << "70000\n";
  auto oracle = open();
  ASSERT_TRUE(oracle.ok()) << oracle.status();
  EXPECT_GT(take(**oracle), compose_tso(70'000, 0));
  EXPECT_EQ(std::filesystem::file_size(dir / "oracle"), 2 * kBoundBlockBytes);
}

TEST_F(EmbeddedOracleTest, RefusesAClockThatIsMoreThanAYearAhead) {
  ASSERT_TRUE(open().ok());
  clock.wall_ms += int64_t{400} * 24 * 3600 * 1000;
  const auto refused = open();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(std::string(message_of(refused.status())), HasSubstr("remove"));
}

TEST(BoundFile, WritesABlockAsItsPageShows) {
  const std::string block = encode_bound({.sequence = 7, .bound_ms = 1795494066016});
  EXPECT_EQ(block.substr(0, block.find('\n') + 1), "oracle 2 7 1795494066016 2c3186849d40fe9b\n");
  EXPECT_EQ(decode_bound(block).value_or(BoundEntry{}), (BoundEntry{.sequence = 7, .bound_ms = 1795494066016}));
}

TEST_F(EmbeddedOracleTest, TakesTheOtherBoundWhenOneIsTornAndTheLaterOfTwo) {
  std::ofstream(dir / "oracle") << encode_bound({.sequence = 4, .bound_ms = 9'000})
                                << encode_bound({.sequence = 5, .bound_ms = 2'000});
  EXPECT_EQ(bound_on_disk(), 2'000u);
  std::fstream(dir / "oracle", std::ios::in | std::ios::out).seekp(kBoundBlockBytes + 12) << 'x';
  EXPECT_EQ(bound_on_disk(), 9'000u);
}

TEST_F(EmbeddedOracleTest, RefusesADamagedBound) {
  std::ofstream(dir / "oracle") << "12x\n";
  const auto oracle = open();
  ASSERT_FALSE(oracle.ok());
  EXPECT_TRUE(absl::IsDataLoss(oracle.status()));
  EXPECT_THAT(std::string(message_of(oracle.status())), HasSubstr("oracle"));
}

}  // namespace
}  // namespace sluice::pump
