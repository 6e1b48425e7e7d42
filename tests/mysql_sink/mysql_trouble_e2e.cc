// What a downstream does that no session expects: it loses commits, turns read-only, loses its progress, answers late.
#include <condition_variable>
#include <mutex>

#include <gmock/gmock.h>

#include "tests/mysql_sink/sink_fixture.h"

namespace sluice::drainer::sinks::mysql {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::shared_ptr<change::TableDef> keyed() {
  return table("s", "t", {column("id", change::MysqlType::integer), column("v", change::MysqlType::varchar)},
               {primary({0})});
}

class MysqlTroubleE2e : public SinkFixture {
 protected:
  void SetUp() override {
    SinkFixture::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sql("CREATE TABLE s.t(id INT PRIMARY KEY, v VARCHAR(40))");
  }
  void TearDown() override {
    if (admin_) sql("SET GLOBAL read_only=0");
  }
  static std::shared_ptr<const change::Transaction> row(int ts) {
    return TransactionBuilder(static_cast<uint64_t>(ts)).insert(keyed(), {ts, "x"}).build();
  }
  // Waits, by asking, until the sink says that this holds it up.
  static SinkHold await_hold(const MysqlSink& sink, std::string_view part = "") {
    for (;;)
      if (const auto hold = sink.hold(); hold && hold->what.find(part) != std::string::npos) return *hold;
  }
};

TEST_F(MysqlTroubleE2e, AServerThatLostCommitsAsksForARewindWithBothPositions) {
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  for (const int ts : {10, 20, 30}) {
    EXPECT_STATUS_OK(sink.submit(row(ts)));
    EXPECT_STATUS_OK(sink.flush());
  }
  // As after a crash with innodb_flush_log_at_trx_commit=0: the last commits are gone, a prefix is there.
  kill_sink_connection();
  sql("DELETE FROM s.t WHERE id > 10; UPDATE tidb_binlog.sluice_progress SET seq=1, commit_ts=10");
  EXPECT_STATUS_OK(sink.submit(row(40)));
  const absl::Status status = sink.flush();
  EXPECT_TRUE(asks_for_rewind(status)) << status;
  EXPECT_THAT(std::string(message_of(status)), AllOf(HasSubstr("commit ts 30"), HasSubstr("commit ts 10")));
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.t"), "1") << "nothing may be applied above the hole";
  sink.close();
  MysqlSink next(options());
  EXPECT_EQ(next.open(CommitTs(0))->applied_through, CommitTs(10));
}

TEST_F(MysqlTroubleE2e, ATakeOverThatTheServerLostIsNotAnotherDrainer) {
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  EXPECT_STATUS_OK(sink.submit(row(10)));
  EXPECT_STATUS_OK(sink.flush());
  kill_sink_connection();
  sql("UPDATE tidb_binlog.sluice_progress SET epoch=0, owner='the one before us'");
  EXPECT_STATUS_OK(sink.submit(row(20)));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.t"), "2");
}

TEST_F(MysqlTroubleE2e, ATakeOverWhoseAnswerWasLostIsOurs) {
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  EXPECT_STATUS_OK(sink.submit(row(10)));
  EXPECT_STATUS_OK(sink.flush());
  kill_sink_connection();
  // The epoch is one higher than this process knows, the token is its own.
  sql("UPDATE tidb_binlog.sluice_progress SET epoch=epoch+1");
  EXPECT_STATUS_OK(sink.submit(row(20)));
  EXPECT_STATUS_OK(sink.flush());
}

TEST_F(MysqlTroubleE2e, AProgressThatIsGoneIsNotANewDownstream) {
  CommitTs kept;
  MysqlSinkOptions made = options();
  made.keep_confirmed = [&](CommitTs commit_ts) { kept = commit_ts; };
  {
    MysqlSink sink(made);
    ASSERT_TRUE(sink.open(CommitTs(0)).ok());
    EXPECT_STATUS_OK(sink.submit(row(10)));
    EXPECT_STATUS_OK(sink.flush());
  }
  EXPECT_EQ(kept, CommitTs(10));
  sql("DROP DATABASE tidb_binlog");
  made.progress.confirmed_before = kept;
  made.progress.confirmed_place = "/data/downstream-position";
  const auto opened = MysqlSink(made).open(CommitTs(0));
  EXPECT_TRUE(absl::IsFailedPrecondition(opened.status())) << opened.status();
  EXPECT_THAT(std::string(message_of(opened.status())),
              AllOf(HasSubstr("progress is gone"), HasSubstr("/data/downstream-position"), HasSubstr("commit ts 10")));
}

TEST_F(MysqlTroubleE2e, APositionThatIsTextOrOfAnotherClusterIsRefusedAsAPosition) {
  sql("CREATE DATABASE tidb_binlog; CREATE TABLE tidb_binlog.checkpoint(clusterID bigint unsigned primary key, "
      "checkPoint MEDIUMTEXT)");
  for (const char* text : {"not json", R"({"consistent":true,"commitTS":"soon"})", R"({"consistent":true})"}) {
    sql(std::string("REPLACE INTO tidb_binlog.checkpoint VALUES(7, '") + text + "')");
    const auto opened = MysqlSink(options()).open(CommitTs(0));
    EXPECT_TRUE(absl::IsFailedPrecondition(opened.status())) << opened.status();
    EXPECT_THAT(std::string(message_of(opened.status())),
                AllOf(HasSubstr("tidb_binlog.checkpoint.checkPoint where clusterID=7"), Not(HasSubstr("--ddl-skip"))));
  }
  sql(R"(UPDATE tidb_binlog.checkpoint SET clusterID=8, checkPoint='{"consistent":true,"commitTS":5,"ts-map":{}}')");
  const auto foreign = MysqlSink(options()).open(CommitTs(0));
  EXPECT_TRUE(absl::IsFailedPrecondition(foreign.status())) << foreign.status();
  EXPECT_THAT(std::string(message_of(foreign.status())),
              AllOf(HasSubstr("another cluster"), HasSubstr("cluster_id=8"), HasSubstr("cluster_id=7")));
  EXPECT_EQ(MysqlSink(options()).open(CommitTs(3))->applied_through, CommitTs(3)) << "asked for by --initial-commit-ts";
}

TEST_F(MysqlTroubleE2e, AReadOnlyServerIsWaitedForThoughRootCouldWriteToIt) {
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  sql("SET GLOBAL read_only=1");
  kill_sink_connection();
  EXPECT_STATUS_OK(sink.submit(row(10)));
  (void)await_hold(sink, "read_only=ON");
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.t"), "0");
  sql("SET GLOBAL read_only=0");
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_FALSE(sink.hold().has_value());
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.t"), "1");
}

TEST_F(MysqlTroubleE2e, AStopIsPromptWhileTheDownstreamDoesNotAnswer) {
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  sql("SET GLOBAL read_only=1");
  kill_sink_connection();
  EXPECT_STATUS_OK(sink.submit(row(10)));
  (void)await_hold(sink);
  sink.request_stop();
  EXPECT_TRUE(absl::IsCancelled(sink.flush()));
}

TEST_F(MysqlTroubleE2e, ALockedTableIsShownWithItsSessionAndAppliedWhenItIsFree) {
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  sql("LOCK TABLES s.t WRITE");
  EXPECT_STATUS_OK(sink.submit(row(10)));
  EXPECT_THAT(await_hold(sink, "on session").what, HasSubstr("commit_ts=10"));
  sql("UNLOCK TABLES");
  EXPECT_STATUS_OK(sink.flush());
}

TEST_F(MysqlTroubleE2e, ADdlBehindAReadersLockLetsOthersReadInBetweenAndRunsOnceItIsFree) {
  change::DdlChange add;
  add.type = 5;
  add.schema = "s";
  add.table = "t";
  add.query = "alter table t add column c int";
  add.expectations = {{.schema = "s", .table = "t", .exists = true, .columns = {"id", "v", "c"}}};
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  sql("START TRANSACTION");
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.t"), "0");
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(10).ddl(add).build()));
  EXPECT_EQ(await_hold(sink, "Lock wait timeout").error, 1205u);  // given up, to be tried again
  auto reader = MysqlConnection::connect(server_->endpoint());
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE((*reader)->query("SELECT COUNT(*) FROM s.t").ok());
  sql("COMMIT");
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(sink.counters().ddl.run, 1u);
  EXPECT_EQ(select("SELECT COUNT(c) FROM s.t"), "0");
}

TEST_F(MysqlTroubleE2e, AfterAFailingTransactionTheOnesBeforeItAreInAndTheErrorNamesIt) {
  sql("INSERT INTO s.t VALUES (30, 'in the way')");
  bool all_there = false;
  MysqlSinkOptions made = options();
  std::mutex mutex;
  std::condition_variable changed;
  made.hook = [&](SinkStep step) {
    // The first, alone, waits until the other three are queued: they make one pack.
    std::unique_lock lock(mutex);
    if (step == SinkStep::before_commit) changed.wait(lock, [&] { return all_there; });
    return absl::OkStatus();
  };
  MysqlSink sink(made);
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  for (const int ts : {10, 20, 30, 40}) EXPECT_STATUS_OK(sink.submit(row(ts)));
  {
    const std::lock_guard lock(mutex);
    all_there = true;
    changed.notify_all();
  }
  const absl::Status status = sink.flush();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("commit_ts=30"));
  EXPECT_EQ(select("SELECT id FROM s.t ORDER BY id"), "10;20;30");
  EXPECT_EQ(sink.durable_through(), CommitTs(20));
}

TEST_F(MysqlTroubleE2e, APrivilegeLostWhileRunningIsWaitedForAndAMissingOneIsToldAtTheStart) {
  sql("CREATE OR REPLACE USER u@'127.0.0.1'; GRANT ALL ON s.* TO u@'127.0.0.1'; GRANT ALL ON tidb_binlog.* TO "
      "u@'127.0.0.1'");
  MysqlSinkOptions made = options();
  made.endpoint.user = "u";
  const auto without = MysqlSink(made).open(CommitTs(0));
  EXPECT_TRUE(absl::IsPermissionDenied(without.status())) << without.status();
  EXPECT_THAT(std::string(message_of(without.status())), HasSubstr("PROCESS on *.*"));
  sql("GRANT PROCESS ON *.* TO u@'127.0.0.1'");
  MysqlSink sink(made);
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  sql("REVOKE INSERT ON s.* FROM u@'127.0.0.1'");
  EXPECT_STATUS_OK(sink.submit(row(10)));
  EXPECT_EQ(await_hold(sink).error, 1142u);
  sql("GRANT INSERT ON s.* TO u@'127.0.0.1'");
  EXPECT_STATUS_OK(sink.flush());
}

TEST_F(MysqlTroubleE2e, ASleepingOwnerIsEndedThoughItsDdlIntentSaysRunning) {
  MysqlSinkOptions made = options();
  made.progress.takeover_grace = std::chrono::seconds(0);
  MysqlSink frozen(made);
  ASSERT_TRUE(frozen.open(CommitTs(0)).ok());
  sql("INSERT INTO tidb_binlog.sluice_ddl VALUES (7, 10, 'running', 's', 'create table x(id int)', '')");
  MysqlSink successor(made);
  EXPECT_EQ(successor.open(CommitTs(0))->applied_through, CommitTs(0));
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
