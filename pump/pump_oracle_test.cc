// A pump whose oracle doesn't answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "pump/testing/pump_fixture.h"

namespace sluice::pump {
namespace {

using net::TimeSource;
using testing::ElementsAre;
using testing::HasSubstr;

// An oracle that can be stopped: asks fail then, as they do when a peer's answer has timed out. The pump's loop calls
// it, the test's thread stops it.
class StoppableOracle final : public Oracle {
 public:
  void take(uint32_t count, Answer answer) override {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      ++answered_;
      changed_.notify_all();
      return answer(Tso(std::exchange(next_, next_ + count)));
    }
    ++refused_;
    changed_.notify_all();
    answer(absl::DeadlineExceededError("no timestamp within 5000 ms"));
  }
  Tso next() {
    const std::lock_guard lock(mutex_);
    return Tso(next_++);
  }
  void stop(bool stopped) {
    const std::lock_guard lock(mutex_);
    stopped_ = stopped;
    refused_ = answered_ = 0;
  }
  [[nodiscard]] bool wait_until_answered() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return answered_ > 0; });
  }
  [[nodiscard]] bool wait_until_refused(int times) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return refused_ >= times; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_ = 1000;
  bool stopped_ = false;
  int refused_ = 0, answered_ = 0;
};

struct PumpOracle : PumpFixture {
  StoppableOracle oracle;
  void start_with_oracle() {
    PumpOptions o = options();
    o.time = "embedded";
    auto started = Pump::start(std::move(o), clock, {.oracle = &oracle});
    ASSERT_TRUE(started.ok()) << started.status();
    pump = *std::move(started);
  }
};

TEST_F(PumpOracle, TakesACommitOnceTheOracleAnswersAgainRatherThanRefusingItForGood) {
  start_with_oracle();
  TestWriter writer(loop, pump->port(), TimeSource::unspecified);
  const uint64_t start = oracle.next().value;
  ASSERT_TRUE(writer.prewrite(start, "pay 100").ok());
  const uint64_t commit = oracle.next().value;
  oracle.stop(true);
  auto outcome = writer.commit_later(start, commit);
  ASSERT_TRUE(oracle.wait_until_refused(3));
  oracle.stop(false);
  ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(outcome.get().ok());
  EXPECT_THAT(pull(commit).transactions, ElementsAre(Served{commit, start, "pay 100"}));
}

TEST_F(PumpOracle, IsNotReadyWhileTheOracleGivesNoTimestamps) {
  start_with_oracle();
  EXPECT_THAT(http("GET /readyz"), HasSubstr("200 OK"));
  oracle.stop(true);
  ASSERT_TRUE(oracle.wait_until_refused(1));  // the pump looks once a second
  pump->run_tick_for_test();
  EXPECT_THAT(http("GET /readyz"),
              testing::AllOf(HasSubstr("503"), HasSubstr("no timestamp within 5000 ms, since 0 s")));
  EXPECT_THAT(http("GET /status"), HasSubstr(R"("ErrMsg":"the oracle gives no timestamps)"));
  oracle.stop(false);
  ASSERT_TRUE(oracle.wait_until_answered());
  pump->run_tick_for_test();
  EXPECT_THAT(http("GET /readyz"), HasSubstr("200 OK"));
}

TEST_F(PumpOracle, StillRefusesForGoodWhatLiesAboveAFreshAnswer) {
  start_with_oracle();
  TestWriter writer(loop, pump->port(), TimeSource::unspecified);
  const uint64_t start = oracle.next().value;
  ASSERT_TRUE(writer.prewrite(start, "x").ok());
  EXPECT_THAT(std::string(message_of(writer.commit(start, 999'999))), HasSubstr("999999 is above the oracle's"));
  EXPECT_THAT(std::string(message_of(writer.prewrite(999'999, "x"))), HasSubstr("999999 is above the oracle's"));
}

// The peer's oracle over loopback: the pump that serves time stops between prewrite and commit, and comes back.
TEST_F(PumpOracle, TakesACommitOnceThePeerThatServesTimeIsBack) {
  start("embedded");
  PumpOptions second_options = options("pump-2");
  const uint16_t port = pump->port();
  second_options.oracle = fmt::format("127.0.0.1:{}", port);
  auto second = Pump::start(second_options, clock);
  ASSERT_TRUE(second.ok()) << second.status();
  TestWriter writer(loop, (*second)->port(), TimeSource::unspecified);
  const uint64_t start_ts = take_ts();
  ASSERT_TRUE(writer.prewrite(start_ts, "pay 100").ok());
  const uint64_t commit_ts = take_ts();
  ASSERT_TRUE(pump->stop().ok());
  pump.reset();
  auto outcome = writer.commit_later(start_ts, commit_ts);
  EXPECT_EQ(outcome.wait_for(std::chrono::milliseconds(6500)), std::future_status::timeout);  // an ask times out at 5 s
  PumpOptions again = options();
  again.addr = fmt::format("127.0.0.1:{}", port);
  start(again);
  ASSERT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(outcome.get().ok());
}

}  // namespace
}  // namespace sluice::pump
