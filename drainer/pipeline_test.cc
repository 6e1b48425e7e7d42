#include "drainer/pipeline.h"

#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "drainer/testing/recording_sink.h"

namespace sluice::drainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Fixture : testing::Test {
  std::string folder =
      testing::TempDir() + "/pipeline_" + testing::UnitTest::GetInstance()->current_test_info()->name();
  RecordingSink sink;
  merge::MergeInbox inbox{2};
  PipelineOptions options{.pumps = {"a", "b"}, .saved = CommitTs(), .saved_in = "savepoint", .initial = CommitTs()};
  std::optional<position::Checkpoint> checkpoint;
  std::unique_ptr<Pipeline> pipeline;
  CommitTs started;
  std::vector<uint64_t> consumed = {0, 0};
  std::vector<std::pair<size_t, uint64_t>> wants;
  std::mutex mutex;
  std::condition_variable changed;
  CommitTs undecodable;
  std::vector<SourceProgress> remembered;

  Fixture() {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  ~Fixture() override { std::filesystem::remove_all(folder); }

  void data(size_t source, uint64_t commit) {
    inbox.push(source, {.start_ts = StartTs(commit - 1),
                        .commit_ts = CommitTs(commit),
                        .format = PayloadFormat::tidb,
                        .payload = std::make_shared<std::string>("payload"),
                        .wire_bytes = 100});
  }
  void resolved_all(uint64_t ts) {
    inbox.resolve(0, ResolvedTs(ts));
    inbox.resolve(1, ResolvedTs(ts));
  }
  absl::StatusOr<std::shared_ptr<const change::Transaction>> translate(const merge::PulledTransaction& pulled) {
    if (pulled.commit_ts == undecodable) return absl::DataLossError("payload doesn't decode");
    if (pulled.commit_ts.value % 10 == 9) return nullptr;  // nothing of it is for the sink
    auto transaction = std::make_shared<change::Transaction>();
    transaction->start_ts = pulled.start_ts;
    transaction->commit_ts = pulled.commit_ts;
    transaction->schema_version = static_cast<int64_t>(pulled.commit_ts.value / 100);
    transaction->rows.resize(2);
    return transaction;
  }
  void make() {
    checkpoint = position::Checkpoint::open(folder).value();
    pipeline = std::make_unique<Pipeline>(
        options, PipelinePorts{.inbox = inbox,
                               .sink = sink,
                               .checkpoint = &*checkpoint,
                               .translate = [this](const auto& pulled) { return translate(pulled); },
                               .started =
                                   [this](CommitTs start) {
                                     started = start;
                                     return absl::OkStatus();
                                   },
                               .consumed = [this](size_t s, uint64_t bytes) { consumed[s] += bytes; },
                               .want = [this](size_t s, CommitTs ts) { asked(s, ts); },
                               .remember =
                                   [this](const std::vector<SourceProgress>& progress) {
                                     remembered = progress;
                                     return absl::OkStatus();
                                   }});
  }
  void asked(size_t source, CommitTs ts) {
    const std::lock_guard lock(mutex);
    wants.emplace_back(source, ts.value);
    changed.notify_all();
  }
  bool await_wants(size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] { return wants.size() >= count; });
  }
  // Everything it will ever hear is in the inbox; runs to its end.
  absl::Status run() {
    make();
    return pipeline->run();
  }
  position::Savepoint saved() { return position::Checkpoint::open(folder)->saved(); }
};
using PipelineTest = Fixture;

TEST_F(PipelineTest, AppliesTheMergedOrderAndEndsAtUntil) {
  data(0, 10);
  data(1, 20);
  data(0, 30);
  data(1, 55);
  resolved_all(60);
  options.until = CommitTs(50);
  ASSERT_TRUE(run().ok());
  EXPECT_THAT(sink.submitted(), ElementsAre(10, 20, 30));
  EXPECT_EQ(sink.resolved(), CommitTs(50));
  EXPECT_EQ(saved(), (position::Savepoint{.consistent = true, .commit_ts = CommitTs(50), .schema_version = 0}));
  EXPECT_EQ(pipeline->status().transactions, 3u);
  EXPECT_EQ(pipeline->status().rows(), 6u);
  EXPECT_TRUE(sink.closed);
}

TEST_F(PipelineTest, StartsAtThePositionBesideTheRowsWhateverElseWasGiven) {
  sink.position = CommitTs(15);
  sink.kept_with_the_rows = true;
  options.saved = CommitTs(25);
  options.until = CommitTs(40);
  for (const uint64_t ts : {10, 20, 30}) data(0, ts);
  resolved_all(40);
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(started, CommitTs(15));
  EXPECT_THAT(sink.submitted(), ElementsAre(20, 30));
}

TEST_F(PipelineTest, EndsWithTheSinksErrorThoughNothingIsSubmittedAnyMore) {
  options.checkpoint_interval = std::chrono::milliseconds(10);
  data(0, 10);
  resolved_all(20);
  make();
  absl::Status outcome;
  std::thread running([&] { outcome = pipeline->run(); });
  EXPECT_TRUE(sink.await_submitted(1));
  sink.break_with(absl::FailedPreconditionError("downstream apply stopped"));
  running.join();
  EXPECT_TRUE(absl::IsFailedPrecondition(outcome)) << outcome;
  EXPECT_TRUE(sink.closed);
}

TEST_F(PipelineTest, StartsAtTheLargestOfCheckpointAndSinkAndDropsWhatLiesBelow) {
  options.saved = CommitTs(15);
  options.until = CommitTs(40);
  sink.position = CommitTs(20);
  data(0, 10);
  data(0, 20);
  data(0, 30);
  resolved_all(40);
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(sink.opened_at_least, CommitTs(15));
  EXPECT_EQ(started, CommitTs(20));
  EXPECT_THAT(sink.submitted(), ElementsAre(30));
  EXPECT_EQ(pipeline->status().repeated, 2u);
}

TEST_F(PipelineTest, PassesOverTheInitialCommitTsWhereThereIsACheckpoint) {
  options.initial = CommitTs(30);
  options.until = CommitTs(40);
  sink.position = CommitTs(20);
  data(0, 30);
  resolved_all(40);
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(started, CommitTs(20));
  EXPECT_THAT(sink.submitted(), ElementsAre(30));
}

TEST_F(PipelineTest, PassesOverTheInitialCommitTsWhereTheFileHasACheckpoint) {
  options.saved = CommitTs(10);
  options.initial = CommitTs(30);
  options.until = CommitTs(40);
  resolved_all(40);
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(sink.opened_at_least, CommitTs(10));
  EXPECT_EQ(started, CommitTs(10));
}

TEST_F(PipelineTest, StartsAtTheInitialCommitTsWhereThereIsNone) {
  options.initial = CommitTs(30);
  options.until = CommitTs(40);
  data(0, 30);
  resolved_all(40);
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(started, CommitTs(30));
  EXPECT_THAT(sink.submitted(), IsEmpty());
}

TEST_F(PipelineTest, EndsWhenTheSinkFailsWhileNothingComes) {
  sink.fail_while_idle = absl::FailedPreconditionError("apply stopped");
  EXPECT_THAT(std::string(message_of(run())), HasSubstr("apply stopped"));
  EXPECT_EQ(sink.flushes, 0);
  EXPECT_TRUE(sink.closed);
}

TEST_F(PipelineTest, RemembersHowFarEachPumpHasCome) {
  options.until = CommitTs(50);
  data(0, 10);
  data(1, 20);
  inbox.resolve(0, ResolvedTs(60));
  inbox.resolve(1, ResolvedTs(50));
  ASSERT_TRUE(run().ok());
  ASSERT_EQ(remembered.size(), 2u);
  EXPECT_EQ(remembered[0].seen, CommitTs(10));
  EXPECT_EQ(remembered[0].resolved, ResolvedTs(60));
  EXPECT_EQ(remembered[1].seen, CommitTs(20));
}

TEST_F(PipelineTest, IsDoneAtOnceWhenItStartsAtOrAboveUntil) {
  options.saved = CommitTs(50);
  options.until = CommitTs(50);
  ASSERT_TRUE(run().ok());
  EXPECT_TRUE(sink.closed);
  EXPECT_EQ(pipeline->status().state, PipelineState::done);
}

TEST_F(PipelineTest, GivesBackTheCreditOfAllItTookSkippedAndRepeatedToo) {
  options.until = CommitTs(50);
  sink.position = CommitTs(10);
  data(0, 10);
  data(0, 19);
  data(0, 20);
  data(1, 20);
  data(1, 60);
  resolved_all(60);
  ASSERT_TRUE(run().ok());
  EXPECT_THAT(sink.submitted(), ElementsAre(20));
  EXPECT_EQ(consumed[0], 300u);
  EXPECT_EQ(consumed[1], 200u);
  EXPECT_EQ(pipeline->status().skipped, 1u);
  EXPECT_EQ(pipeline->status().duplicates, 1u);
}

TEST_F(PipelineTest, EndsWhenEveryPumpHasEnded) {
  data(0, 10);
  inbox.end(0, CommitTs(10));
  inbox.end(1, CommitTs(7));
  ASSERT_TRUE(run().ok());
  EXPECT_THAT(sink.submitted(), ElementsAre(10));
  EXPECT_EQ(saved().commit_ts, CommitTs(10));
}

TEST_F(PipelineTest, LetsThroughWhatCameBeforeAFailureAndThenFails) {
  data(0, 10);
  inbox.resolve(1, ResolvedTs(10));
  inbox.fail(1, absl::DataLossError("gap at 11"));
  const absl::Status status = run();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(sink.submitted(), ElementsAre(10));
  EXPECT_EQ(sink.flushes, 1);
  EXPECT_EQ(saved(), (position::Savepoint{.consistent = false, .commit_ts = CommitTs(10), .schema_version = 0}));
}

TEST_F(PipelineTest, StopsAtATransactionThatDoesNotDecodeAndKeepsThePositionBelowIt) {
  undecodable = CommitTs(20);
  data(0, 10);
  data(0, 20);
  resolved_all(100);
  EXPECT_EQ(run().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(sink.submitted(), ElementsAre(10));
  EXPECT_EQ(saved().commit_ts, CommitTs(10));
}

TEST_F(PipelineTest, NeverFlushesNorSavesAfterTheSinkHasFailed) {
  sink.refuse = absl::FailedPreconditionError("diverged at 20");
  sink.refuse_at = CommitTs(20);
  data(0, 10);
  data(0, 20);
  resolved_all(100);
  EXPECT_THAT(std::string(message_of(run())), HasSubstr("diverged"));
  EXPECT_EQ(sink.flushes, 0);
  EXPECT_TRUE(sink.closed);
}

TEST_F(PipelineTest, KeepsTheCheckpointBehindWhatTheSinkHasMadeDurable) {
  sink.durable_at_once = false;
  data(0, 10);
  inbox.resolve(1, ResolvedTs(10));
  options.checkpoint_interval = std::chrono::milliseconds(0);
  make();
  std::thread merge([this] { EXPECT_TRUE(pipeline->run().ok()); });
  ASSERT_TRUE(sink.await_submitted(1));
  EXPECT_EQ(saved().commit_ts, CommitTs(0));  // INV-7: submitted, not durable
  pipeline->request_stop();
  merge.join();
  EXPECT_EQ(saved(), (position::Savepoint{.consistent = true, .commit_ts = CommitTs(10), .schema_version = 0}));
}

TEST_F(PipelineTest, SavesTheSchemaVersionThatWasInForceAtTheCheckpoint) {
  options.until = CommitTs(1000);
  data(0, 100);
  data(0, 250);
  resolved_all(1000);
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(saved().schema_version, 2);
}

TEST_F(PipelineTest, AsksOnlyThePumpsThatHoldTheOrderUpAndOnlyOnce) {
  make();
  std::thread merge([this] { EXPECT_TRUE(pipeline->run().ok()); });
  data(0, 10);
  inbox.resolve(1, ResolvedTs(5));
  ASSERT_TRUE(await_wants(1));
  inbox.resolve(1, ResolvedTs(6));
  data(1, 11);
  ASSERT_TRUE(await_wants(2));
  pipeline->request_stop();
  merge.join();
  EXPECT_THAT(wants, ElementsAre(std::pair(1, 10), std::pair(0, 11)));
}

TEST_F(PipelineTest, FlushesAndSavesACleanCheckpointWhenAskedToStop) {
  make();
  std::thread merge([this] { EXPECT_TRUE(pipeline->run().ok()); });
  data(0, 10);
  inbox.resolve(1, ResolvedTs(10));
  ASSERT_TRUE(sink.await_submitted(1));
  pipeline->request_stop();
  merge.join();
  EXPECT_EQ(sink.flushes, 1);
  EXPECT_TRUE(saved().consistent);
  EXPECT_EQ(consumed[0] + consumed[1], 100u);
  EXPECT_EQ(pipeline->status().state, PipelineState::done);
}

}  // namespace
}  // namespace sluice::drainer
