#include "pump/oracle.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "pump/durable_file.h"

namespace sluice::pump {
namespace {

using testing::HasSubstr;

TEST(TsoAllocator, GivesOutNothingAboveTheDurableBound) {
  TsoAllocator allocator(0);
  EXPECT_FALSE(allocator.allocate(1, 1000).has_value());
  ASSERT_EQ(allocator.wanted_bound(1000), 11'000u);
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
  EXPECT_FALSE(allocator.wanted_bound(5'999).has_value());
  EXPECT_EQ(allocator.wanted_bound(6'000), 16'000u);
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
  Worker worker{"test-bound"};

  EmbeddedOracleFixture() { std::filesystem::create_directories(dir); }
  ~EmbeddedOracleFixture() override { std::filesystem::remove_all(dir); }

  [[nodiscard]] absl::StatusOr<std::unique_ptr<EmbeddedOracle>> open() {
    return EmbeddedOracle::open(dir / "oracle", clock, worker, [](const std::function<void()>&) {});
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
  EXPECT_EQ(read_small_file(dir / "oracle").value_or(""), "1010000\n");
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
