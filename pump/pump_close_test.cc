// How a pump leaves: what it waits for, what it says, and in which state it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "pump/testing/gated_disk.h"
#include "pump/testing/pump_fixture.h"

namespace sluice::pump {
namespace {

using net::TimeSource;
using testing::ElementsAre;
using testing::HasSubstr;

struct PumpClose : PumpFixture {
  GatedDisk disk;
  ~PumpClose() override {
    disk.gate.open();
    pump.reset();
  }
  void start_on_gated_disk() {
    PumpOptions o = options();
    o.time = "writer";
    auto started = Pump::start(std::move(o), clock, {.disk = &disk});
    ASSERT_TRUE(started.ok()) << started.status();
    pump = *std::move(started);
  }
  [[nodiscard]] std::string status() const { return http("GET /api/v1/status"); }
  [[nodiscard]] bool ends() { return pump->wait_for(kPatience); }
  [[nodiscard]] NodeState end_state() {
    EXPECT_TRUE(pump->stop().ok());
    return pump->state();
  }
};

TEST_F(PumpClose, SendsNoEndWhileAnAdmittedPrewriteIsNotDurable) {
  start_on_gated_disk();
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  ASSERT_TRUE(writer.prewrite(10, "a").ok());
  ASSERT_TRUE(writer.commit(10, 20).ok());
  TestPuller puller(loop, pump->port(), 0, UINT64_MAX);
  disk.gate.shut();
  auto prewrite = writer.prewrite_later(30, "the one");
  disk.gate.wait_for_arrival();
  EXPECT_THAT(http("PUT /state/pump-1/close"), HasSubstr("success"));
  EXPECT_THAT(status(), HasSubstr("aren't durable yet"));
  pump->run_tick_for_test();
  disk.gate.open();
  ASSERT_TRUE(prewrite.get().ok());
  ASSERT_TRUE(writer.commit(30, 40).ok());
  const Pulled pulled = puller.wait();
  EXPECT_THAT(pulled.transactions, ElementsAre(Served{20, 10, "a"}, Served{40, 30, "the one"}));
  EXPECT_EQ(pulled.end, 40u);
  ASSERT_TRUE(ends());
  EXPECT_EQ(end_state(), NodeState::offline);
}

TEST_F(PumpClose, TellsAFailedLogInReadinessStatusAndMetrics) {
  start_on_gated_disk();
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  ASSERT_TRUE(writer.prewrite(10, "a").ok());
  disk.gate.shut();
  auto prewrite = writer.prewrite_later(30, "in flight");
  disk.gate.wait_for_arrival();
  disk.disk.inject(storage::SimulatedDisk::Call::write_durable, 0,
                   {.effect = storage::SimulatedDisk::Effect::io_error, .sticky = true});
  disk.gate.open();
  while (http("GET /readyz").find("the log is read-only") == std::string::npos) pump->run_tick_for_test();
  EXPECT_THAT(http("GET /status"), HasSubstr(R"("ErrMsg":"the log is read-only)"));
  EXPECT_THAT(http("GET /metrics"), HasSubstr("binlog_pump_storage_error_count{type=\"write_binlog\"} 1"));
}

TEST_F(PumpClose, GoesOfflineAtOnceWhenNothingWasEverWritten) {
  start("writer");
  EXPECT_THAT(http("PUT /state/pump-1/close"), HasSubstr("success"));
  ASSERT_TRUE(ends());
  EXPECT_EQ(end_state(), NodeState::offline);
}

TEST_F(PumpClose, WaitsForADrainerToTakeWhatNobodyHasPulled) {
  start("writer");
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  ASSERT_TRUE(writer.prewrite(10, "a").ok());
  ASSERT_TRUE(writer.commit(10, 20).ok());
  EXPECT_THAT(http("PUT /state/pump-1/close"), HasSubstr("success"));
  pump->run_tick_for_test();
  EXPECT_THAT(status(), HasSubstr("a drainer to take the 1 transactions"));
  EXPECT_EQ(state(), NodeState::closing);
  EXPECT_THAT(pull(UINT64_MAX).transactions, ElementsAre(Served{20, 10, "a"}));
  ASSERT_TRUE(ends());
  EXPECT_EQ(end_state(), NodeState::offline);
}

TEST_F(PumpClose, WaitsForADrainerThatPulledAndLeft) {
  start("writer");
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  ASSERT_TRUE(writer.prewrite(10, "a").ok());
  ASSERT_TRUE(writer.commit(10, 20).ok());
  EXPECT_EQ(pull(20).resolved, 20u);
  EXPECT_THAT(http("PUT /state/pump-1/close"), HasSubstr("success"));
  // The pump hears of the drainer's leaving in its own time.
  while (status().find("drainer drainer, which left at commit ts 20, to come back") == std::string::npos)
    pump->run_tick_for_test();
  EXPECT_EQ(pull(UINT64_MAX, 20).end, 20u);
  ASSERT_TRUE(ends());
  EXPECT_EQ(end_state(), NodeState::offline);
}

TEST_F(PumpClose, ASignalWhileClosingPausesIt) {
  start("writer");
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  ASSERT_TRUE(writer.prewrite(10, "open").ok());
  EXPECT_THAT(http("PUT /state/pump-1/close"), HasSubstr("success"));
  pump->request_stop();
  ASSERT_TRUE(ends());
  EXPECT_EQ(end_state(), NodeState::paused);
}

}  // namespace
}  // namespace sluice::pump
