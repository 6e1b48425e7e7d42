#include <gmock/gmock.h>

#include "tests/mysql_sink/sink_fixture.h"

namespace sluice::drainer::sinks::mysql {
namespace {

using ::testing::HasSubstr;

change::DdlChange create_t(std::string query = "create table t(id int primary key, v int)") {
  change::DdlChange ddl;
  ddl.type = 3;
  ddl.schema = "s";
  ddl.table = "t";
  ddl.query = std::move(query);
  ddl.expectations = {{.schema = "s", .table = "t", .exists = true, .columns = {"id", "v"}}};
  return ddl;
}

change::DdlChange alter_t(int type, std::string query, std::vector<std::string> columns) {
  change::DdlChange ddl = create_t(std::move(query));
  ddl.type = type;
  ddl.expectations[0].columns = std::move(columns);
  return ddl;
}

class MysqlDdlE2e : public SinkFixture {
 protected:
  absl::Status apply(const MysqlSinkOptions& made, uint64_t commit_ts, change::DdlChange ddl) {
    MysqlSink sink(made);
    if (auto opened = sink.open(CommitTs(0)); !opened.ok()) return std::move(opened).status();
    SLUICE_RETURN_IF_ERROR(sink.submit(TransactionBuilder(commit_ts).ddl(std::move(ddl)).build()));
    return sink.flush();
  }
  // Ends the sink at `step` as kill -9 would.
  MysqlSinkOptions dying_at(SinkStep wanted) {
    MysqlSinkOptions made = options();
    made.hook = [wanted](SinkStep step) {
      return step == wanted ? absl::InternalError("killed by the test") : absl::OkStatus();
    };
    return made;
  }
  std::string position() { return select("SELECT commit_ts FROM tidb_binlog.sluice_progress"); }
};

TEST_F(MysqlDdlE2e, RunsOnceWhenKilledAfterTheIntentOrAfterTheDdl) {
  for (const SinkStep step : {SinkStep::ddl_intent_written, SinkStep::ddl_ran, SinkStep::before_commit}) {
    SCOPED_TRACE(static_cast<int>(step));
    sql("DROP DATABASE IF EXISTS tidb_binlog; DROP TABLE IF EXISTS s.t");
    EXPECT_TRUE(absl::IsInternal(apply(dying_at(step), 10, create_t())));
    EXPECT_EQ(position(), "0");
    EXPECT_STATUS_OK(apply(options(), 10, create_t()));
    EXPECT_EQ(position(), "10");
    EXPECT_EQ(select("SELECT state FROM tidb_binlog.sluice_ddl"), "done");
    EXPECT_EQ(select("SELECT COUNT(*) FROM s.t"), "0");
  }
}

TEST_F(MysqlDdlE2e, ATruncateThatRanIsKnownByTheTableIdAndIsNotRunAgain) {
  sql("CREATE TABLE s.t(id INT PRIMARY KEY, v INT); INSERT INTO s.t VALUES (1,1)");
  const change::DdlChange truncate = alter_t(11, "truncate table t", {"id", "v"});
  EXPECT_TRUE(absl::IsInternal(apply(dying_at(SinkStep::ddl_ran), 10, truncate)));
  sql("INSERT INTO s.t VALUES (2,2)");  // would be lost by a second run
  EXPECT_STATUS_OK(apply(options(), 10, truncate));
  EXPECT_EQ(select("SELECT id FROM s.t"), "2");
}

TEST_F(MysqlDdlE2e, AnInterruptedDdlWhoseTableLooksNeitherOldNorNewNeedsAHuman) {
  sql("CREATE TABLE s.t(id INT PRIMARY KEY, v INT)");
  const change::DdlChange add = alter_t(5, "alter table t add column c int", {"id", "v", "c"});
  EXPECT_TRUE(absl::IsInternal(apply(dying_at(SinkStep::ddl_intent_written), 10, add)));
  sql("ALTER TABLE s.t ADD COLUMN other INT");
  const absl::Status status = apply(options(), 10, add);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("--ddl-skip 10"));
}

TEST_F(MysqlDdlE2e, AConnectionKilledInTheMiddleOfADdlIsDecidedWithoutARestart) {
  MysqlSinkOptions made = options();
  int kills = 0;
  made.hook = [&](SinkStep step) {
    if ((step == SinkStep::ddl_ran || step == SinkStep::ddl_intent_written) && kills++ < 3) kill_sink_connection();
    return absl::OkStatus();
  };
  EXPECT_STATUS_OK(apply(made, 10, create_t()));
  EXPECT_EQ(position(), "10");
  EXPECT_GT(kills, 1);
}

TEST_F(MysqlDdlE2e, ARejectedDdlNamesTsSqlAndServersWordsAndGoesOnWithDdlSkip) {
  const change::DdlChange bad = create_t("create table t(id int primary key, key e((upper(v))))");
  const absl::Status status = apply(options(), 10, bad);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  for (const char* part : {"commit_ts=10", "create table t(id int primary key, key e((upper(v))))",
                           "error in your SQL syntax", "drainer ... --ddl-skip 10"})
    EXPECT_THAT(std::string(message_of(status)), HasSubstr(part));
  EXPECT_EQ(position(), "0");
  MysqlSinkOptions skipping = options();
  skipping.ddl_skip = {CommitTs(10)};
  EXPECT_STATUS_OK(apply(skipping, 10, bad));
  EXPECT_EQ(position(), "10");
  EXPECT_EQ(select("SELECT state FROM tidb_binlog.sluice_ddl"), "skipped");
}

TEST_F(MysqlDdlE2e, ATableThatIsThereAlreadyIsNotSilentlyAccepted) {
  sql("CREATE TABLE s.t(other INT)");
  EXPECT_TRUE(absl::IsFailedPrecondition(apply(options(), 10, create_t())));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      apply(options(), 10, create_t("create table if not exists t(id int primary key, v int)"))));
}

TEST_F(MysqlDdlE2e, RowNeutralDdlIsSkippedAndCounted) {
  sql("CREATE TABLE s.t(id INT PRIMARY KEY, v INT, KEY kv(v))");
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  EXPECT_STATUS_OK(sink.submit(
      TransactionBuilder(10).ddl(alter_t(41, "alter table t alter index kv invisible", {"id", "v"})).build()));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(sink.counters().ddl.skipped_row_neutral, 1u);
  EXPECT_EQ(sink.durable_through(), CommitTs(10));
}

TEST_F(MysqlDdlE2e, ADropOfTwoTablesThatArrivesTwiceRunsOnce) {
  sql("CREATE TABLE s.t(id INT); CREATE TABLE s.u(id INT)");
  change::DdlChange drop;
  drop.type = 4;
  drop.schema = "s";
  drop.query = "drop table t, u";
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  uint64_t commit_ts = 10;
  for (const char* name : {"t", "u"}) {
    drop.table = name;
    drop.expectations = {{.schema = "s", .table = name, .exists = false, .columns = {}}};
    EXPECT_STATUS_OK(sink.submit(TransactionBuilder(commit_ts++).ddl(drop).build()));
  }
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SHOW TABLES FROM s"), "");
}

TEST_F(MysqlDdlE2e, ADropOfTablesOfTwoDatabasesRunsOnce) {
  sql("DROP DATABASE IF EXISTS s2; CREATE DATABASE s2; CREATE TABLE s.t(id INT); CREATE TABLE s2.u(id INT)");
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  uint64_t commit_ts = 10;
  for (const auto& [schema, table] : {std::pair("s", "t"), std::pair("s2", "u")}) {
    change::DdlChange drop;
    drop.type = 4;
    drop.schema = schema;
    drop.table = table;
    drop.query = "drop table s.t, s2.u";
    drop.expectations = {{.schema = schema, .table = table, .exists = false, .columns = {}}};
    EXPECT_STATUS_OK(sink.submit(TransactionBuilder(commit_ts++).ddl(drop).build()));
  }
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ('s','s2')"), "0");
  sql("DROP DATABASE s2");
}

TEST_F(MysqlDdlE2e, AReplicatedDatabaseTellsKeysApartAsTidbDoes) {
  change::DdlChange create;
  create.type = 1;
  create.schema = "s2";
  create.query = "create database s2";
  create.creates_schema = true;
  create.expectations = {{.schema = "s2", .table = "", .exists = true, .columns = {}}};
  sql("DROP DATABASE IF EXISTS s2");
  EXPECT_STATUS_OK(apply(options(), 10, create));
  EXPECT_EQ(select("SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='s2'"),
            "utf8mb4_bin");
  sql("DROP DATABASE s2");
}

TEST_F(MysqlDdlE2e, FingerprintsReachNamesOutsideAscii) {
  change::DdlChange ddl = create_t("create table `表 x`(id int primary key, v int)");
  ddl.table = "表 x";
  ddl.expectations[0].table = "表 x";
  EXPECT_STATUS_OK(apply(options(), 10, ddl));
  ddl.type = 11;
  ddl.query = "truncate table `表 x`";
  EXPECT_TRUE(absl::IsInternal(apply(dying_at(SinkStep::ddl_ran), 20, ddl)));
  sql("INSERT INTO s.`表 x` VALUES (1,1)");
  EXPECT_STATUS_OK(apply(options(), 20, ddl));
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.`表 x`"), "1");
}

TEST_F(MysqlDdlE2e, ADefaultOfAnyBytesDoesNotStopTheNextDdl) {
  sql("CREATE TABLE s.t(id INT PRIMARY KEY, v VARBINARY(4) DEFAULT x'00ff')");
  EXPECT_STATUS_OK(apply(options(), 10, alter_t(5, "alter table t add column c int", {"id", "v", "c"})));
  EXPECT_EQ(position(), "10");
}

TEST_F(MysqlDdlE2e, RowsThatAreThereGetTheMomentAtWhichUpstreamRanIt) {
  sql("CREATE TABLE s.t(id INT PRIMARY KEY, v INT); INSERT INTO s.t VALUES (1,1)");
  change::DdlChange add = alter_t(
      5, "alter table t add column a datetime(3) default now(3), add column b timestamp default current_timestamp",
      {"id", "v", "a", "b"});
  add.clock = "1000000000.459";
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(10).ddl(add).build()));
  // The clock goes on afterwards.
  EXPECT_STATUS_OK(
      sink.submit(TransactionBuilder(11)
                      .ddl(alter_t(5, "alter table t add column c datetime default now()", {"id", "v", "a", "b", "c"}))
                      .build()));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT a, b, c > '2020-01-01' FROM s.t"), "2001-09-09 01:46:40.459,2001-09-09 01:46:40,1");
}

change::DdlElement index_of(std::string name, std::vector<std::string> parts, bool added = true) {
  return {.kind = change::DdlElement::Kind::index,
          .name = std::move(name),
          .existed = !added,
          .exists = added,
          .parts = std::move(parts)};
}

TEST_F(MysqlDdlE2e, ATruncateThatDidNotRunRunsThoughSomeoneInsertedMeanwhile) {
  sql("CREATE TABLE s.t(id INT AUTO_INCREMENT PRIMARY KEY, v INT); INSERT INTO s.t VALUES (1,1)");
  const change::DdlChange truncate = alter_t(11, "truncate table t", {"id", "v"});
  EXPECT_TRUE(absl::IsInternal(apply(dying_at(SinkStep::ddl_intent_written), 10, truncate)));
  sql("INSERT INTO s.t VALUES (9,9)");
  EXPECT_STATUS_OK(apply(options(), 10, truncate));
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.t"), "0");
}

TEST_F(MysqlDdlE2e, AnIndexIsAddedAndDroppedOnceWhateverElseHappensToTheTable) {
  for (const SinkStep step : {SinkStep::ddl_intent_written, SinkStep::ddl_ran}) {
    SCOPED_TRACE(static_cast<int>(step));
    sql("DROP DATABASE IF EXISTS tidb_binlog; DROP TABLE IF EXISTS s.t; CREATE TABLE s.t(id INT PRIMARY KEY, v INT)");
    change::DdlChange add = alter_t(7, "alter table t add unique index iv(v)", {"id", "v"});
    add.expectations[0].changes = {index_of("iv", {"v"})};
    EXPECT_TRUE(absl::IsInternal(apply(dying_at(step), 10, add)));
    sql("ALTER TABLE s.t COMMENT='by hand'; INSERT INTO s.t VALUES (1,1); ALTER TABLE s.t ADD COLUMN other INT");
    EXPECT_STATUS_OK(apply(options(), 10, add));
    EXPECT_EQ(select("SELECT INDEX_NAME, NON_UNIQUE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='s' AND "
                     "INDEX_NAME<>'PRIMARY'"),
              "iv,0");
    change::DdlChange drop = alter_t(8, "alter table t drop index iv", {"id", "v"});
    drop.expectations[0].changes = {index_of("iv", {}, false)};
    EXPECT_TRUE(absl::IsInternal(apply(dying_at(step), 20, drop)));
    sql("ALTER TABLE s.t COMMENT='again'");
    EXPECT_STATUS_OK(apply(options(), 20, drop));
    EXPECT_EQ(select("SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='s'"), "1");
  }
}

TEST_F(MysqlDdlE2e, AColumnIsModifiedOnceWhateverElseHappensToTheTable) {
  for (const SinkStep step : {SinkStep::ddl_intent_written, SinkStep::ddl_ran}) {
    SCOPED_TRACE(static_cast<int>(step));
    sql("DROP DATABASE IF EXISTS tidb_binlog; DROP TABLE IF EXISTS s.t; CREATE TABLE s.t(id INT PRIMARY KEY, v INT)");
    change::DdlChange modify = alter_t(12, "alter table t modify v bigint", {"id", "v"});
    modify.expectations[0].changes = {
        {.kind = change::DdlElement::Kind::column, .name = "v", .existed = true, .type = change::MysqlType::big_int}};
    EXPECT_TRUE(absl::IsInternal(apply(dying_at(step), 10, modify)));
    sql("ALTER TABLE s.t COMMENT='by hand', ADD INDEX other(v)");
    EXPECT_STATUS_OK(apply(options(), 10, modify));
    EXPECT_EQ(select("SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='s' AND COLUMN_NAME='v'"),
              "bigint");
  }
}

TEST_F(MysqlDdlE2e, AnIndexOfOtherColumnsUnderItsNameNeedsAHuman) {
  sql("CREATE TABLE s.t(id INT PRIMARY KEY, v INT)");
  change::DdlChange add = alter_t(7, "alter table t add index iv(v)", {"id", "v"});
  add.expectations[0].changes = {index_of("iv", {"v"})};
  EXPECT_TRUE(absl::IsInternal(apply(dying_at(SinkStep::ddl_intent_written), 10, add)));
  sql("ALTER TABLE s.t ADD INDEX iv(id)");
  EXPECT_TRUE(absl::IsFailedPrecondition(apply(options(), 10, add)));
}

TEST_F(MysqlDdlE2e, APartitionIsDroppedOnce) {
  for (const SinkStep step : {SinkStep::ddl_intent_written, SinkStep::ddl_ran}) {
    SCOPED_TRACE(static_cast<int>(step));
    sql("DROP DATABASE IF EXISTS tidb_binlog; DROP TABLE IF EXISTS s.t; CREATE TABLE s.t(id INT PRIMARY KEY, v INT) "
        "PARTITION BY RANGE(id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))");
    change::DdlChange drop = alter_t(20, "alter table t drop partition p0", {"id", "v"});
    drop.expectations[0].changes = {{.kind = change::DdlElement::Kind::partitions, .existed = true, .parts = {"p1"}}};
    EXPECT_TRUE(absl::IsInternal(apply(dying_at(step), 10, drop)));
    sql("ALTER TABLE s.t COMMENT='by hand'");
    EXPECT_STATUS_OK(apply(options(), 10, drop));
    EXPECT_EQ(select("SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA='s'"), "p1");
  }
}

TEST_F(MysqlDdlE2e, TablesThatChangeNamesDoSoOnce) {
  for (const SinkStep step : {SinkStep::ddl_intent_written, SinkStep::ddl_ran}) {
    SCOPED_TRACE(static_cast<int>(step));
    sql("DROP DATABASE IF EXISTS tidb_binlog; DROP TABLE IF EXISTS s.t, s.u; CREATE TABLE s.t(id INT); "
        "CREATE TABLE s.u(id INT); INSERT INTO s.t VALUES (1); INSERT INTO s.u VALUES (2)");
    change::DdlChange swap = alter_t(47, "rename table t to x, u to t, x to u", {"id"});
    swap.expectations.push_back({.schema = "s", .table = "u", .exists = true, .columns = {"id"}});
    EXPECT_TRUE(absl::IsInternal(apply(dying_at(step), 10, swap)));
    EXPECT_STATUS_OK(apply(options(), 10, swap));
    EXPECT_EQ(select("SELECT id FROM s.t"), "2");
  }
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
