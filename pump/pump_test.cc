#include "pump/pump.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "net/tidb/binlog.pb.h"
#include "pump/testing/pump_fixture.h"
#include "pump/testing/recorded_binlogs.h"

namespace sluice::pump {
namespace {

using net::TimeSource;
using testing::ElementsAre;
using testing::HasSubstr;
using PumpTest = PumpFixture;

TEST_F(PumpTest, ServesWhatIsCommittedInCommitOrder) {
  start("writer");
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  EXPECT_TRUE(writer.prewrite(10, "a").ok());
  EXPECT_TRUE(writer.prewrite(20, "b").ok());
  EXPECT_TRUE(writer.prewrite(25, "c").ok());
  EXPECT_TRUE(writer.commit(20, 40).ok());
  EXPECT_TRUE(writer.rollback(25).ok());
  EXPECT_TRUE(writer.commit(10, 30).ok());
  EXPECT_TRUE(writer.progress(50).ok());
  EXPECT_TRUE(writer.finish().ok());
  const Pulled all = pull(50);
  EXPECT_FALSE(all.timed_out);
  EXPECT_THAT(all.transactions, ElementsAre(Served{30, 10, "a"}, Served{40, 20, "b"}));
  EXPECT_THAT(pull(50, 30).transactions, ElementsAre(Served{40, 20, "b"}));
  EXPECT_EQ(pull(50, 50).resolved, 50u);
}

TEST_F(PumpTest, KeepsEverythingAckedAcrossARestart) {
  start("writer");
  {
    TestWriter writer(loop, pump->port(), TimeSource::writer);
    EXPECT_TRUE(writer.prewrite(10, "a").ok());
    EXPECT_TRUE(writer.commit(10, 30).ok());
    EXPECT_TRUE(writer.prewrite(40, "open over the restart").ok());
  }
  restart();
  EXPECT_THAT(pull(40).transactions, ElementsAre(Served{30, 10, "a"}));
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  EXPECT_TRUE(writer.commit(10, 30).ok());  // repeated
  EXPECT_TRUE(writer.commit(40, 50).ok());
  EXPECT_THAT(pull(50).transactions, ElementsAre(Served{30, 10, "a"}, Served{50, 40, "open over the restart"}));
}

TEST_F(PumpTest, TakesATransactionLargerThanARecordAndLargerThanTheCredit) {
  start("writer");
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  std::string large(20'000'000, 'x');
  for (size_t i = 0; i < large.size(); i += 997) large[i] = static_cast<char>('a' + i % 26);
  EXPECT_TRUE(writer.prewrite(10, large).ok());
  EXPECT_TRUE(writer.commit(10, 30).ok());
  const Pulled pulled = pull(30, 0, 1000);
  ASSERT_EQ(pulled.transactions.size(), 1u);
  EXPECT_TRUE(pulled.transactions[0].payload == large);
}

TEST_F(PumpTest, RefusesACommitThatIsTooLowNamingBothValues) {
  start("writer");
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  EXPECT_TRUE(writer.prewrite(50, "a").ok());
  EXPECT_TRUE(writer.prewrite(10, "b").ok());
  const absl::Status refused = writer.commit(10, 45);
  EXPECT_THAT(std::string(message_of(refused)), testing::AllOf(HasSubstr("45"), HasSubstr("50")));
  EXPECT_TRUE(writer.commit(10, 51).ok());
}

TEST_F(PumpTest, RefusesATimestampAboveItsOwnOracle) {
  start("embedded");
  TestWriter writer(loop, pump->port(), TimeSource::unspecified);
  const absl::Status refused = writer.prewrite(uint64_t{1} << 63, "a");
  EXPECT_THAT(std::string(message_of(refused)), HasSubstr("oracle"));
  const absl::Status progress = writer.progress(5);
  EXPECT_THAT(std::string(message_of(progress)), HasSubstr("embedded"));
}

TEST_F(PumpTest, PublishesNothingOfItsClockBeforeTheFirstWriterHasDeclaredItsTime) {
  start();
  TestPuller early(loop, pump->port(), 0, 30);  // comes before any writer
  {
    TestWriter writer(loop, pump->port(), TimeSource::writer);
    EXPECT_TRUE(writer.prewrite(10, "recorded long ago").ok());
    EXPECT_TRUE(writer.commit(10, 30).ok());
  }
  EXPECT_THAT(early.wait().transactions, ElementsAre(Served{30, 10, "recorded long ago"}));
  restart();
  EXPECT_EQ(pump->meta().time, TimeSource::writer);
}

TEST_F(PumpTest, LetsNoHelloDecideItsTimeSourceButTheFirstRecord) {
  start();
  EXPECT_GT(take_ts(), 0u);  // of a stranger who asks for a timestamp
  EXPECT_TRUE(TestWriter(loop, pump->port(), TimeSource::unspecified).finish().ok());
  EXPECT_TRUE(TestWriter(loop, pump->port(), TimeSource::writer).finish().ok());
  EXPECT_EQ(pump->meta().time, TimeSource::unspecified);
  restart();
  EXPECT_EQ(pump->meta().time, TimeSource::unspecified);
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  EXPECT_TRUE(writer.prewrite(10, "recorded long ago").ok());
  EXPECT_EQ(pump->meta().time, TimeSource::writer);
}

TEST_F(PumpTest, TakesEmbeddedTimeAtTheFirstRecordOfAWriterThatDeclaresNothing) {
  start();
  TestWriter late(loop, pump->port(), TimeSource::writer);
  TestWriter writer(loop, pump->port(), TimeSource::unspecified);
  EXPECT_TRUE(writer.prewrite(take_ts(), "now").ok());
  EXPECT_EQ(pump->meta().time, TimeSource::embedded);
  EXPECT_THAT(std::string(message_of(late.prewrite(10, "a"))), HasSubstr("embedded, not writer"));
}

TEST_F(PumpTest, LeavesNothingInAFreshFolderWhenItsPortIsInUse) {
  start();
  PumpOptions second = options("pump-2");
  second.addr = fmt::format("127.0.0.1:{}", pump->port());
  const auto refused = Pump::start(second, clock);
  EXPECT_THAT(std::string(message_of(refused.status())), HasSubstr("in use"));
  EXPECT_FALSE(std::filesystem::exists(second.data_dir));
}

TEST_F(PumpTest, RefusesWriterTimeOnceItKeepsItsOwn) {
  start("embedded");
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  EXPECT_THAT(std::string(message_of(writer.prewrite(10, "a"))), HasSubstr("embedded"));
}

TEST_F(PumpTest, ResolvesItsOwnTimeWhenIdleAndAboveItAfterARestart) {
  start("embedded");
  const Pulled first = pull(1);
  EXPECT_FALSE(first.timed_out);
  EXPECT_GT(first.resolved, 0u);
  restart();
  EXPECT_GT(pull(first.resolved + 1).resolved, first.resolved);  // INV-3
}

TEST_F(PumpTest, TakesTimestampsAndClusterIdFromAnotherPump) {
  start("embedded");
  PumpOptions second_options = options("pump-2");
  second_options.oracle = fmt::format("127.0.0.1:{}", pump->port());
  auto second = Pump::start(second_options, clock);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->meta().cluster_id, pump->meta().cluster_id);
  const Pulled here = pull(1);
  const Pulled there = TestPuller(loop, (*second)->port(), 0, here.resolved + 1).wait();
  EXPECT_GT(there.resolved, here.resolved);
  EXPECT_THAT(std::string(message_of(
                  TestWriter(loop, (*second)->port(), TimeSource::unspecified).prewrite(uint64_t{1} << 63, "a"))),
              HasSubstr("oracle"));
}

TEST_F(PumpTest, ReportsAPayloadDamagedOnDiskAsAGapAndHoldsThere) {
  PumpOptions o = options();
  o.time = "writer";
  start(std::move(o));
  const std::string needle = "the payload that will be damaged on the disk";
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  EXPECT_TRUE(writer.prewrite(10, "sound").ok());
  EXPECT_TRUE(writer.commit(10, 20).ok());
  EXPECT_TRUE(writer.prewrite(30, needle).ok());
  EXPECT_TRUE(writer.commit(30, 40).ok());
  bool damaged = false;
  for (const auto& entry : std::filesystem::directory_iterator(dir / "pump-1" / "log")) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const size_t at = bytes.find(needle);
    if (at == std::string::npos) continue;
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.put('T');
    damaged = true;
  }
  ASSERT_TRUE(damaged);
  const Pulled pulled = pull(50);
  EXPECT_THAT(pulled.transactions, ElementsAre(Served{20, 10, "sound"}));
  ASSERT_TRUE(pulled.gap.has_value());
  EXPECT_EQ(pulled.gap->kind, net::GapKind::data_loss);
  EXPECT_EQ(pulled.gap->first_available, CommitTs(40));
}

TEST_F(PumpTest, CountsIndexAndLogInItsBudgetAsTheyAre) {
  start("writer");
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  EXPECT_TRUE(writer.prewrite(10, "a").ok());
  EXPECT_TRUE(writer.commit(10, 20).ok());
  EXPECT_EQ(pull(20).transactions.size(), 1u);  // it is in the index, and the log keeps what it read
  pump->run_tick_for_test();
  const std::string page = http("GET /metrics");
  const auto held = [&](std::string_view use) {
    const std::string name = fmt::format("sluice_pump_memory_bytes{{use=\"{}\"}} ", use);
    const size_t at = page.find(name);
    return at == std::string::npos ? -1 : std::stod(page.substr(at + name.size()));
  };
  EXPECT_GE(held("bookkeeping"), 16384 * 32);      // the index grows by chunks
  EXPECT_LT(held("bookkeeping"), 2 * 16384 * 32);  // of which there is one
  EXPECT_GT(held("log"), 4 << 20);                 // a batch, and the block that was read
  EXPECT_LT(held("log"), 16 << 20);
  EXPECT_EQ(held("ingest"), 0);
}

TEST_F(PumpTest, AnswersOverHttpWhatTheGoPumpsToolsAsk) {
  start("embedded");
  EXPECT_THAT(http("GET /status"), HasSubstr(R"({"status":{"pump-1":{"nodeId":"pump-1","host":"127.0.0.1:)"));
  EXPECT_THAT(http("GET /metrics"), HasSubstr("binlog_pump_storage_max_commit_ts"));
  EXPECT_THAT(http("GET /readyz"), HasSubstr("200 OK"));
  EXPECT_THAT(http("GET /api/v1/status"), HasSubstr(R"("waiting_for":"nothing is open")"));
  EXPECT_THAT(http("PUT /state/other/pause"), HasSubstr("invalide nodeID other, this pump's nodeID is pump-1"));
  EXPECT_THAT(http("PUT /state/pump-1/dance"), HasSubstr("invalide action dance"));
  EXPECT_THAT(http("PUT /state/pump-1/pause"), HasSubstr("apply action pause success!"));
  pump->wait();
  EXPECT_TRUE(pump->stop().ok());
}

TEST_F(PumpTest, ClosesOnlyWhenNothingIsOpenAndEachPullerHasTheEnd) {
  start("writer");
  TestWriter writer(loop, pump->port(), TimeSource::writer);
  EXPECT_TRUE(writer.prewrite(10, "a").ok());
  TestPuller puller(loop, pump->port(), 0, UINT64_MAX);
  EXPECT_THAT(http("PUT /state/pump-1/close"), HasSubstr("success"));
  EXPECT_THAT(http("PUT /state/pump-1/pause"), HasSubstr("this pump's state is closing, apply pause failed!"));
  EXPECT_THAT(http("GET /api/v1/status"), HasSubstr("resolved ts held by txn 10"));
  EXPECT_TRUE(writer.commit(10, 30).ok());  // commits are taken in every state
  const Pulled pulled = puller.wait();
  EXPECT_THAT(pulled.transactions, ElementsAre(Served{30, 10, "a"}));
  EXPECT_EQ(pulled.end, 30u);
  pump->wait();
  EXPECT_TRUE(pump->stop().ok());
}

TEST_F(PumpTest, RefusesASecondPumpOnItsFolderAndAnotherClustersFolder) {
  start();
  const auto second = Pump::start(options(), clock);
  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  ASSERT_TRUE(pump->stop().ok());
  pump.reset();
  PumpOptions other = options();
  other.cluster_id = 1;
  EXPECT_TRUE(absl::IsFailedPrecondition(Pump::start(other, clock).status()));
}

// Sends a recording in its order, restarting the pump once in the middle, and compares with what the Go Pump served.
class RecordedCluster : public PumpFixture, public testing::WithParamInterface<int> {};

TEST_P(RecordedCluster, IsServedAsItsGoPumpServedIt) {
  const RecordedBinlogs recorded{.dir = SLUICE_SOURCE_DIR "/tests/data/ddl"};
  ASSERT_TRUE(recorded.exists(GetParam())) << recorded.dir;
  start();
  const std::vector<net::RecordedBinlog> binlogs = recorded.written(GetParam());
  ASSERT_GT(binlogs.size(), 100u);
  uint64_t largest = 0;
  auto writer = std::make_unique<TestWriter>(loop, pump->port(), TimeSource::writer);
  for (size_t i = 0; i < binlogs.size(); ++i) {
    if (i == binlogs.size() / 2) {
      writer.reset();
      restart();
      writer = std::make_unique<TestWriter>(loop, pump->port(), TimeSource::writer);
    }
    const net::RecordedBinlog& binlog = binlogs[i];
    absl::Status status;
    if (binlog.step == net::BinlogStep::prewrite)
      status = writer->prewrite(binlog.start.value, binlog.payload);
    else if (binlog.step == net::BinlogStep::commit)
      status = writer->commit(binlog.start.value, binlog.commit.value);
    else
      status = writer->rollback(binlog.start.value);
    ASSERT_TRUE(status.ok()) << status;
    largest = std::max({largest, binlog.start.value, binlog.commit.value});
  }
  ASSERT_TRUE(writer->progress(largest + 1).ok());

  const std::vector<std::string> expected = recorded.served(GetParam());
  const std::vector<Served> served = pull(largest + 1).transactions;
  ASSERT_EQ(served.size(), expected.size());
  for (size_t i = 0; i < served.size(); ++i) {
    binlog::Binlog message;
    ASSERT_TRUE(message.ParseFromString(served[i].payload));
    ASSERT_THAT(expected[i], testing::StartsWith(fmt::format(R"({{"commit_ts":{},"start_ts":{},"ddl_job_id":{},)",
                                                             served[i].commit, served[i].start, message.ddl_job_id())));
    ASSERT_THAT(expected[i], HasSubstr(fmt::format(R"("prewrite_bytes":{},)", message.prewrite_value().size())));
  }
}
INSTANTIATE_TEST_SUITE_P(Pumps, RecordedCluster, testing::Values(1, 2));

}  // namespace
}  // namespace sluice::pump
