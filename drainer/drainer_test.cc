#include "drainer/drainer.h"

#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/exit_code.h"
#include "base/status.h"
#include "drainer/pull/testing/fake_pump.h"
#include "drainer/schema/compression.h"
#include "drainer/testing/recording_sink.h"
#include "net/tidb/binlog.pb.h"
#include "net/tidb/pump.pb.h"

namespace sluice::drainer {
namespace {

using testing::AllOf;
using testing::ElementsAreArray;
using testing::HasSubstr;

const std::string kRecorded = SLUICE_SOURCE_DIR "/tests/data/";

std::string recorded(const std::string& name) {
  std::ifstream file(kRecorded + name, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  auto text = schema::decompress(bytes);
  EXPECT_TRUE(text.ok()) << name << ": " << text.status();
  return text.ok() ? *text : "";
}

// What one pump of a recorded cluster serves: committed transactions by commit ts.
struct Recording {
  struct Transaction {
    uint64_t start_ts = 0;
    std::string payload;
  };
  std::map<uint64_t, Transaction> committed;

  explicit Recording(const std::string& name) {
    const std::string frames = recorded(name);
    std::map<uint64_t, std::string> prewritten;
    for (size_t at = 0; at + 4 <= frames.size();) {
      const auto bytes = load_le<uint32_t>(as_bytes(frames).data() + at);
      binlog::WriteBinlogReq request;
      EXPECT_TRUE(request.ParseFromArray(frames.data() + at + 4, static_cast<int>(bytes)));
      at += 4 + bytes;
      binlog::Binlog binlog;
      EXPECT_TRUE(binlog.ParseFromString(request.payload()));
      const auto start = static_cast<uint64_t>(binlog.start_ts());
      if (binlog.tp() == binlog::Prewrite) prewritten[start] = request.payload();
      if (binlog.tp() == binlog::Commit)
        committed[static_cast<uint64_t>(binlog.commit_ts())] = {start, prewritten.at(start)};
    }
  }
};

// The commit ts that Go pumps served, all pumps together, ascending.
std::vector<uint64_t> served(const std::string& corpus, int pumps) {
  std::vector<uint64_t> all;
  const std::regex commit_ts("\"commit_ts\": ?([0-9]+)");
  for (int pump = 1; pump <= pumps; ++pump) {
    const std::string lines = recorded(fmt::format("{}/pump-{}.pulled.jsonl.zst", corpus, pump));
    for (std::sregex_iterator match(lines.begin(), lines.end(), commit_ts), end; match != end; ++match)
      all.push_back(std::stoull((*match)[1]));
  }
  std::sort(all.begin(), all.end());
  return all;
}

struct Fixture : testing::Test {
  std::string folder = testing::TempDir() + "/drainer_" + testing::UnitTest::GetInstance()->current_test_info()->name();
  std::vector<std::unique_ptr<pull::FakePump>> pumps;
  DrainerConfig config;
  RecordingSink* sink = nullptr;  // the current drainer's
  CommitTs sink_position;
  std::unique_ptr<Drainer> drainer;

  Fixture() {
    std::filesystem::remove_all(folder);
    config.addr = "127.0.0.1:0";
    config.data_dir = folder;
    config.node_id = "drainer-1";
    config.dest_db_type = "file";
    config.schema_history = kRecorded + "ddl/ddl_history.json.zst";
  }
  ~Fixture() override {
    drainer.reset();
    std::filesystem::remove_all(folder);
  }

  void start_pumps(size_t count) {
    for (size_t p = 1; p <= count; ++p) pumps.push_back(std::make_unique<pull::FakePump>(fmt::format("pump-{}", p)));
    config.pumps.clear();
    for (const auto& pump : pumps) config.pumps.push_back(pump->address());
  }
  void resolve_all(uint64_t ts) {
    for (const auto& pump : pumps) pump->resolved(ts);
  }
  absl::Status create() {
    drainer.reset();
    auto created = Drainer::create(
        config, [this](const DrainerConfig&, const SinkFacts&) -> absl::StatusOr<std::unique_ptr<sinks::Sink>> {
          auto made = std::make_unique<RecordingSink>();
          made->position = sink_position;
          sink = made.get();
          return made;
        });
    if (created.ok()) drainer = std::move(*created);
    return created.status();
  }
  absl::Status run() {
    const absl::Status created = create();
    return created.ok() ? drainer->run().status : created;
  }
  std::string error() {
    const absl::Status status = run();
    EXPECT_FALSE(status.ok());
    return std::string(message_of(status));
  }
};
using DrainerTest = Fixture;

TEST_F(DrainerTest, TakesEveryTransactionThatTheRecordedPumpsServedInTheirGlobalOrder) {
  start_pumps(2);
  for (size_t p = 0; p < 2; ++p)
    for (const auto& [commit, transaction] : Recording(fmt::format("ddl/pump-{}.writebinlog.zst", p + 1)).committed)
      pumps[p]->data(commit, transaction.payload, transaction.start_ts);
  const std::vector<uint64_t> expected = served("ddl", 2);
  ASSERT_FALSE(expected.empty());
  resolve_all(expected.back());
  config.until = expected.back();
  ASSERT_TRUE(run().ok());
  const DrainerSnapshot snapshot = drainer->snapshot();
  const PipelineStatus& status = snapshot.pipeline;
  EXPECT_EQ(status.transactions, expected.size());
  EXPECT_EQ(snapshot.ddls_left_out, 3u);  // CREATE and DROP PLACEMENT POLICY, and ALTER TABLE … PLACEMENT POLICY
  std::vector<uint64_t> submitted = sink->submitted();
  EXPECT_EQ(submitted.size(), expected.size() - status.skipped);
  EXPECT_TRUE(std::includes(expected.begin(), expected.end(), submitted.begin(), submitted.end()));
  EXPECT_EQ(position::Checkpoint::open(folder)->saved().commit_ts, CommitTs(expected.back()));
}

TEST_F(DrainerTest, GoesOnFromItsCheckpointAfterARestart) {
  const Recording recording("ddl/pump-1.writebinlog.zst");
  start_pumps(1);
  for (const auto& [commit, transaction] : recording.committed)
    pumps[0]->data(commit, transaction.payload, transaction.start_ts);
  const uint64_t last = recording.committed.rbegin()->first;
  const uint64_t middle =
      std::next(recording.committed.begin(), static_cast<std::ptrdiff_t>(recording.committed.size() / 2))->first;
  pumps[0]->resolved(last);
  config.until = middle;
  ASSERT_TRUE(run().ok());
  const std::vector<uint64_t> first = sink->submitted();
  config.until = last;
  ASSERT_TRUE(run().ok());
  const std::vector<uint64_t> second = sink->submitted();
  ASSERT_FALSE(first.empty());
  ASSERT_FALSE(second.empty());
  EXPECT_LE(first.back(), middle);
  EXPECT_GT(second.front(), middle);
  EXPECT_EQ(pumps[0]->pulls().back(), CommitTs(middle));
}

TEST_F(DrainerTest, RefusesToStartWithoutAPumpItHasPulledFrom) {
  start_pumps(2);
  resolve_all(10);
  config.until = 10;
  ASSERT_TRUE(run().ok());
  config.pumps.pop_back();
  const absl::Status status = run();
  EXPECT_EQ(exit_code(status.code()), ExitCode::needs_human);
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("BEHIND/pump-2"));
}

TEST_F(DrainerTest, RefusesAJoiningPumpThatHoldsWhatItHasPassed) {
  start_pumps(1);
  resolve_all(100);
  config.until = 100;
  ASSERT_TRUE(run().ok());
  pull::FakePump late("pump-late");
  late.data(50, "never pulled");
  config.pumps.push_back(late.address());
  config.until = 200;
  EXPECT_THAT(error(), HasSubstr("BEHIND/pump-late: it holds commit ts 50"));
  // The refusal is remembered by not being accepted: the next try says the same.
  EXPECT_THAT(error(), HasSubstr("BEHIND/pump-late: it holds commit ts 50"));
}

TEST_F(DrainerTest, RefusesAKnownPumpWhoseLogWasWipedOrRestoredFromAnOlderCopy) {
  const Recording recording("ddl/pump-1.writebinlog.zst");
  start_pumps(1);
  for (const auto& [commit, transaction] : recording.committed)
    pumps[0]->data(commit, transaction.payload, transaction.start_ts);
  const uint64_t last = recording.committed.rbegin()->first;
  pumps[0]->resolved(last);
  config.until = last;
  ASSERT_TRUE(run().ok());
  config.until = last + 10;
  pumps[0]->lose_log_and_return(0xb2);
  EXPECT_THAT(error(), AllOf(HasSubstr("pump-1"), HasSubstr("new or rewound log"), HasSubstr("00000000000000b2"),
                             HasSubstr("00000000000000b1")));
  pumps[0]->lose_log_and_return(0xb1);
  pumps[0]->resolved(last - 1);
  EXPECT_THAT(error(), AllOf(HasSubstr("new or rewound log"), HasSubstr(fmt::format("{}", last - 1)),
                             HasSubstr(fmt::format("commit ts {}", last))));
  pumps[0]->resolved(last + 10);  // an older copy that was written to since
  EXPECT_THAT(error(), HasSubstr(fmt::format("no longer has commit ts {}", last)));
}

TEST_F(DrainerTest, RefusesAnInitialCommitTsAboveEverythingBeforeItTouchesTheDownstream) {
  start_pumps(2);
  resolve_all(100);
  config.initial_commit_ts = 101;
  const absl::Status status = run();
  EXPECT_EQ(exit_code(status.code()), ExitCode::wrong_usage);
  EXPECT_THAT(std::string(message_of(status)),
              AllOf(HasSubstr("--initial-commit-ts 101"), HasSubstr("100"), HasSubstr("nothing was changed")));
  EXPECT_FALSE(sink->opened);
  config.initial_commit_ts = 100;
  config.until = 100;
  EXPECT_TRUE(run().ok());
}

TEST_F(DrainerTest, RefusesAPositionAboveEverythingWhereverItIsKept) {
  start_pumps(1);
  resolve_all(100);
  config.until = 1000;
  sink_position = CommitTs(200);
  absl::Status status = run();
  EXPECT_EQ(exit_code(status.code()), ExitCode::needs_human);
  EXPECT_THAT(std::string(message_of(status)), AllOf(HasSubstr("position 200"), HasSubstr("the test's downstream")));
  sink_position = CommitTs();
  ASSERT_TRUE(position::Checkpoint::open(folder)->save({.consistent = true, .commit_ts = CommitTs(300)}).ok());
  status = run();
  EXPECT_EQ(exit_code(status.code()), ExitCode::needs_human);
  EXPECT_THAT(std::string(message_of(status)), AllOf(HasSubstr("position 300"), HasSubstr(folder + "/savepoint")));
  EXPECT_EQ(position::Checkpoint::open(folder)->saved().commit_ts, CommitTs(300));  // left for whoever looks into it
}

TEST_F(DrainerTest, NamesThePayloadThatDoesNotDecodeAndKeepsThePositionBelowIt) {
  start_pumps(1);
  pumps[0]->data(50, "\xff\xff not a binlog");
  pumps[0]->resolved(60);
  EXPECT_THAT(error(), HasSubstr("50"));
  EXPECT_LT(position::Checkpoint::open(folder)->saved().commit_ts, CommitTs(50));
}

TEST_F(DrainerTest, LeavesOutANamedTransactionThatDoesNotDecodeAndMovesThePositionOverIt) {
  start_pumps(1);
  pumps[0]->data(50, "\xff\xff not a binlog");
  pumps[0]->resolved(60);
  config.until = 50;
  config.ignore_txns = {"50", "55"};
  const absl::Status status = run();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(sink->submitted().empty());
  EXPECT_EQ(drainer->snapshot().pipeline.skipped, 1u);
  EXPECT_GE(position::Checkpoint::open(folder)->saved().commit_ts, CommitTs(50));
}

TEST_F(DrainerTest, RefusesToLeaveOutADdlAsATransaction) {
  start_pumps(1);
  binlog::Binlog ddl;
  ddl.set_tp(binlog::Prewrite);
  ddl.set_start_ts(49);
  ddl.set_ddl_job_id(7);
  ddl.set_ddl_query("CREATE TABLE t (a INT)");
  pumps[0]->data(50, ddl.SerializeAsString());
  pumps[0]->resolved(60);
  config.until = 60;
  config.ignore_txns = {"50"};
  EXPECT_THAT(error(), AllOf(HasSubstr("commit ts 50"), HasSubstr("is a DDL"), HasSubstr("--ddl-skip")));
  EXPECT_LT(position::Checkpoint::open(folder)->saved().commit_ts, CommitTs(50));
}

TEST_F(DrainerTest, RefusesAFolderThatAnotherDrainerUses) {
  start_pumps(1);
  ASSERT_TRUE(create().ok());
  const auto second = Drainer::create(config);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(message_of(second.status())), HasSubstr("in use by another drainer"));
}

TEST_F(DrainerTest, ChecksTheSchemaHistoryBeforeItTouchesAnything) {
  start_pumps(1);
  config.schema_history = folder + "/nowhere.json";
  EXPECT_EQ(exit_code(create().code()), ExitCode::wrong_usage);
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(DrainerTest, TellsBeforeItsStartWhichPumpItWaitsForAndStartsOnceItIsThere) {
  start_pumps(2);
  resolve_all(70);
  pumps[1]->crash();
  ASSERT_TRUE(create().ok());
  std::thread running([&] { (void)drainer->run(); });
  const auto waits_for = [&] { return drainer->snapshot().waits_for(); };
  while (waits_for().find("refused") == std::string::npos) std::this_thread::yield();
  EXPECT_THAT(waits_for(), AllOf(HasSubstr(pumps[1]->address()), testing::Not(HasSubstr(pumps[0]->address()))));
  EXPECT_FALSE(drainer->snapshot().ready());
  pumps[1]->come_back();
  while (!drainer->snapshot().ready()) std::this_thread::yield();
  drainer->request_stop();
  running.join();
}

TEST_F(DrainerTest, IsNotReadyAndNamesTheDownstreamWhileThatHoldsItUp) {
  start_pumps(1);
  resolve_all(70);
  ASSERT_TRUE(create().ok());
  std::thread running([&] { (void)drainer->run(); });
  while (!drainer->snapshot().ready()) std::this_thread::yield();
  sink->hold_up(sinks::SinkHold{.what = "root@db:3306: read only",
                                .since = std::chrono::steady_clock::now() - std::chrono::seconds(12),
                                .error = 1290});
  EXPECT_FALSE(drainer->snapshot().ready());
  EXPECT_THAT(drainer->snapshot().waits_for(),
              AllOf(HasSubstr("the downstream"), HasSubstr("root@db:3306: read only")));
  sink->hold_up(std::nullopt);
  EXPECT_TRUE(drainer->snapshot().ready());
  drainer->request_stop();
  running.join();
}

TEST_F(DrainerTest, StopsWhenAskedToAndSavesACleanCheckpoint) {
  start_pumps(1);
  resolve_all(70);
  ASSERT_TRUE(create().ok());
  Drainer::Outcome outcome;
  std::thread running([&] { outcome = drainer->run(); });
  while (drainer->snapshot().pipeline.resolved < ResolvedTs(70)) std::this_thread::yield();
  EXPECT_TRUE(drainer->snapshot().ready());
  EXPECT_THAT(drainer->snapshot().waits_for(), AllOf(HasSubstr("pump-1"), HasSubstr("resolved 70")));
  drainer->request_stop();
  running.join();
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_FALSE(outcome.abandoned);
  EXPECT_EQ(position::Checkpoint::open(folder)->saved(),
            (position::Savepoint{.consistent = true, .commit_ts = CommitTs(70), .schema_version = 0}));
}

}  // namespace
}  // namespace sluice::drainer
