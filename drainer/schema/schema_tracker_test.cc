#include "drainer/schema/schema_tracker.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "drainer/schema/compression.h"
#include "drainer/schema/rename_targets.h"

namespace sluice::drainer::schema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kColumn =
    R"({"id":1,"name":{"O":"id","L":"id"},"offset":0,"origin_default":null,"generated_expr_string":"","type":{"Tp":3,"Flag":4099,"Flen":11,"Decimal":0,"Charset":"binary","Collate":"binary","Elems":null},"state":5,"hidden":false})";

std::string table_info(int64_t id, std::string_view name, std::string_view partition = "null") {
  return fmt::format(
      R"({{"id":{},"name":{{"O":"{}","L":"{}"}},"cols":[{}],"index_info":null,"pk_is_handle":true,"is_common_handle":false,"partition":{}}})",
      id, name, name, kColumn, partition);
}

struct Job {
  int64_t id = 0;
  DdlType type{};
  int64_t version = 0;
  int64_t schema = 10;
  int64_t table = 0;
  std::string info = "null";
  std::string several = "null";
  std::string query{};
  int state = 6;
};

std::string to_json(const Job& job) {
  const std::string database =
      job.type == DdlType::create_schema
          ? fmt::format(R"({{"id":{},"db_name":{{"O":"db{}","L":"db{}"}}}})", job.schema, job.schema, job.schema)
          : "null";
  return fmt::format(
      R"({{"id":{},"type":{},"state":{},"schema_id":{},"table_id":{},"query":"{}","binlog":{{"SchemaVersion":{},"DBInfo":{},"TableInfo":{},"MultipleTableInfos":{}}}}})",
      job.id, static_cast<int>(job.type), job.state, job.schema, job.table, job.query, job.version, database, job.info,
      job.several);
}

class SchemaTrackerTest : public ::testing::Test {
 protected:
  SchemaTrackerTest() { add({.id = 1, .type = DdlType::create_schema, .version = 1}); }

  void add(const Job& job) {
    auto jobs = parse_ddl_history("[" + to_json(job) + "]");
    ASSERT_TRUE(jobs.ok()) << jobs.status();
    ASSERT_TRUE(tracker_.load(*std::move(jobs)).ok());
  }
  void create(int64_t job, int64_t version, int64_t table, std::string_view name, int64_t schema = 10) {
    add({.id = job,
         .type = DdlType::create_table,
         .version = version,
         .schema = schema,
         .table = table,
         .info = table_info(table, name)});
  }
  // "db.table", "gone", or the error's code.
  std::string name_at(int64_t table, int64_t version) {
    const auto at = tracker_.table(table, version);
    if (!at.ok()) return absl::StatusCodeToString(at.status().code());
    if (at->schema == nullptr) return "gone";
    return at->schema->def.schema + "." + at->schema->def.name;
  }

  SchemaTracker tracker_;
};

TEST_F(SchemaTrackerTest, AnswersWithTheVersionAskedFor) {
  create(2, 5, 100, "a");
  add({.id = 3, .type = DdlType::rename_table, .version = 9, .table = 100, .info = table_info(100, "b")});
  EXPECT_EQ(name_at(100, 5), "db10.a");
  EXPECT_EQ(name_at(100, 8), "db10.a");
  EXPECT_EQ(name_at(100, 9), "db10.b");
  EXPECT_EQ(name_at(100, 99), "db10.b");
  EXPECT_EQ(name_at(100, 4), "FAILED_PRECONDITION");
}

TEST_F(SchemaTrackerTest, SortsJobsBySchemaVersionNotById) {
  auto jobs = parse_ddl_history(
      "[" +
      to_json({.id = 3, .type = DdlType::rename_table, .version = 9, .table = 100, .info = table_info(100, "b")}) +
      "," +
      to_json({.id = 4, .type = DdlType::create_table, .version = 5, .table = 100, .info = table_info(100, "a")}) +
      "]");
  ASSERT_TRUE(tracker_.load(*std::move(jobs)).ok());
  EXPECT_EQ(name_at(100, 9), "db10.b");
  EXPECT_EQ(tracker_.last_schema_version(), 9);
}

TEST_F(SchemaTrackerTest, IgnoresJobsThatWereRolledBack) {
  create(2, 5, 100, "a");
  add({.id = 3, .type = DdlType::add_column, .version = 9, .table = 100, .info = table_info(100, "wrong"), .state = 3});
  EXPECT_EQ(name_at(100, 9), "db10.a");
}

TEST_F(SchemaTrackerTest, TruncateEndsTheOldIdAndBeginsTheNew) {
  create(2, 5, 100, "a");
  add({.id = 3, .type = DdlType::truncate_table, .version = 6, .table = 100, .info = table_info(101, "a")});
  EXPECT_EQ(name_at(100, 5), "db10.a");
  EXPECT_EQ(name_at(100, 6), "gone");
  EXPECT_EQ(name_at(101, 6), "db10.a");
}

TEST_F(SchemaTrackerTest, RecoverBringsADroppedTableBack) {
  create(2, 5, 100, "a");
  add({.id = 3, .type = DdlType::drop_table, .version = 6, .table = 100, .info = table_info(100, "a")});
  add({.id = 4, .type = DdlType::recover_table, .version = 7, .table = 100, .info = table_info(100, "c")});
  EXPECT_EQ(name_at(100, 6), "gone");
  EXPECT_EQ(name_at(100, 7), "db10.c");
}

TEST_F(SchemaTrackerTest, DropSchemaDropsItsTablesOnly) {
  add({.id = 2, .type = DdlType::create_schema, .version = 2, .schema = 11});
  create(3, 3, 100, "a");
  add({.id = 4, .type = DdlType::create_table, .version = 4, .schema = 11, .table = 101, .info = table_info(101, "b")});
  add({.id = 5, .type = DdlType::drop_schema, .version = 5});
  EXPECT_EQ(name_at(100, 5), "gone");
  EXPECT_EQ(name_at(101, 5), "db11.b");
}

TEST_F(SchemaTrackerTest, ARenameOfSeveralTablesFollowsChainsAndDatabases) {
  add({.id = 2, .type = DdlType::create_schema, .version = 2, .schema = 11});
  create(3, 3, 100, "x1");
  create(4, 4, 101, "x2");
  add({.id = 5,
       .type = DdlType::rename_tables,
       .version = 5,
       .table = 100,
       .several = "[" + table_info(100, "xt") + "," + table_info(101, "x1") + "," + table_info(100, "x2") + "]",
       .query = "rename table x1 to xt, x2 to x1, xt to db11.x2"});
  EXPECT_EQ(name_at(100, 5), "db11.x2");
  EXPECT_EQ(name_at(101, 5), "db10.x1");
}

TEST_F(SchemaTrackerTest, ARenameOfSeveralTablesMayLeadIntoAnOlderDatabase) {
  add({.id = 2, .type = DdlType::create_schema, .version = 2, .schema = 11});
  create(3, 3, 100, "t", 11);
  create(4, 4, 101, "u", 11);
  add({.id = 5,
       .type = DdlType::rename_tables,
       .version = 5,
       .table = 101,
       .several = "[" + table_info(100, "t") + "," + table_info(101, "u") + "]",
       .query = "rename table db11.t to DB10.t, db11.u to db10.u"});
  EXPECT_EQ(name_at(100, 5), "db10.t");
  EXPECT_EQ(name_at(101, 5), "db10.u");
}

TEST_F(SchemaTrackerTest, ATargetWithoutADatabaseIsInTheSessionsOwn) {
  add({.id = 2, .type = DdlType::create_schema, .version = 2, .schema = 11});
  create(3, 3, 100, "t", 11);
  create(4, 4, 101, "u", 11);
  add({.id = 5,
       .type = DdlType::rename_tables,
       .version = 5,
       .schema = 10,
       .table = 101,
       .several = "[" + table_info(100, "t") + "," + table_info(101, "u") + "]",
       .query = "rename table db11.t to t, db11.u to u"});
  EXPECT_EQ(name_at(100, 5), "db10.t");
  EXPECT_EQ(name_at(101, 5), "db10.u");
}

TEST_F(SchemaTrackerTest, TellsTheVersionThatWasInForceAtATime) {
  auto jobs = parse_ddl_history(R"([{"id":5,"type":11,"state":6,"binlog":{"SchemaVersion":5,"FinishedTS":500}},)"
                                R"({"id":6,"type":11,"state":3,"binlog":{"SchemaVersion":6,"FinishedTS":600}},)"
                                R"({"id":7,"type":11,"state":6,"binlog":{"SchemaVersion":7,"FinishedTS":700}}])");
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  ASSERT_TRUE(tracker_.load(*std::move(jobs)).ok());
  EXPECT_EQ(tracker_.schema_version_at(Tso(499)), 0);
  EXPECT_EQ(tracker_.schema_version_at(Tso(500)), 5);
  EXPECT_EQ(tracker_.schema_version_at(Tso(699)), 5);
  EXPECT_EQ(tracker_.schema_version_at(Tso(700)), 7);
}

TEST_F(SchemaTrackerTest, CreateTablesMakesEachOfThem) {
  add({.id = 5,
       .type = DdlType::create_tables,
       .version = 5,
       .several = "[" + table_info(100, "a") + "," + table_info(101, "b") + "]"});
  EXPECT_EQ(name_at(100, 5), "db10.a");
  EXPECT_EQ(name_at(101, 5), "db10.b");
}

TEST_F(SchemaTrackerTest, ExchangePartitionSwapsTheIds) {
  add({.id = 2,
       .type = DdlType::create_table,
       .version = 2,
       .table = 100,
       .info = table_info(100, "pt", R"({"definitions":[{"id":201},{"id":202}]})")});
  create(3, 3, 101, "ex");
  add({.id = 4,
       .type = DdlType::exchange_partition,
       .version = 4,
       .table = 101,
       .info = table_info(100, "pt", R"({"definitions":[{"id":101},{"id":202}]})")});
  EXPECT_EQ(name_at(201, 4), "db10.ex");
  EXPECT_EQ(tracker_.table(201, 4)->schema->def.id, 201);
  EXPECT_EQ(name_at(101, 4), "gone");
  EXPECT_EQ(name_at(100, 4), "db10.pt");
}

TEST_F(SchemaTrackerTest, SaysWhatIsMissingAndWhatToDo) {
  const auto table = tracker_.table(77, 12);
  EXPECT_EQ(table.status().code(), absl::StatusCode::kFailedPrecondition);
  for (const char* part : {"table id 77", "schema version 12", "fetch /ddl/history again"})
    EXPECT_THAT(std::string(message_of(table.status())), HasSubstr(part));
  EXPECT_THAT(std::string(message_of(tracker_.job(55).status())), HasSubstr("job id 55"));
}

TEST_F(SchemaTrackerTest, TakesAHistoryFetchedAgainAsAnAddition) {
  create(2, 5, 100, "a");
  create(2, 5, 100, "a");
  create(3, 6, 101, "b");
  EXPECT_EQ(name_at(100, 6), "db10.a");
  EXPECT_EQ(name_at(101, 6), "db10.b");
  EXPECT_EQ(tracker_.load({}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(name_at(101, 6), "db10.b");
}

TEST(DdlHistory, CutOffAnywhereIsAnError) {
  const std::string text = "[" + to_json({.id = 1, .type = DdlType::create_schema, .version = 1}) + "]";
  ASSERT_TRUE(parse_ddl_history(text).ok());
  for (size_t bytes = 0; bytes < text.size(); ++bytes) {
    const auto jobs = parse_ddl_history(text.substr(0, bytes));
    ASSERT_EQ(jobs.status().code(), absl::StatusCode::kDataLoss) << bytes;
    EXPECT_THAT(std::string(message_of(jobs.status())), HasSubstr("/ddl/history"));
  }
}

TEST(DdlHistory, KeepsNumbersOf64Bits) {
  const auto jobs =
      parse_ddl_history(R"([{"id":9007199254740993,"type":3,"state":6,"binlog":{"SchemaVersion":9007199254740995}}])");
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  EXPECT_EQ(jobs->at(0).id, 9007199254740993);
  EXPECT_EQ(jobs->at(0).schema_version, 9007199254740995);
}

TEST(DdlHistory, ReadsTheRecordedOnesAndRefusesACutOffFile) {
  const std::string path = std::string(SLUICE_SOURCE_DIR) + "/tests/data/ddl/ddl_history.json.zst";
  const auto jobs = read_ddl_history(path);
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  EXPECT_EQ(jobs->size(), 115u);
  EXPECT_EQ(read_ddl_history("/nonexistent").status().code(), absl::StatusCode::kNotFound);
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  bytes.resize(bytes.size() / 2);
  EXPECT_EQ(decompress(bytes).status().code(), absl::StatusCode::kDataLoss);
}

TEST(RenameTargets, AreReadAsMysqlReadsThem) {
  using Step = RenameStep;
  EXPECT_THAT(rename_steps("RENAME TABLE `a` TO `d``b`.`x`, e.b to c /* to z.y */, to1 TO d.to2;"),
              ElementsAre(Step{"", "d`b"}, Step{"e", ""}, Step{"", "d"}));
  EXPECT_THAT(rename_steps("rename table a to"), ElementsAre());
  EXPECT_THAT(rename_steps("rename table a to `unclosed"), ElementsAre(Step{"", ""}));
}

TEST(RenameTargets, AnAlterNamesOneStep) {
  using Step = RenameStep;
  EXPECT_THAT(rename_steps("ALTER TABLE `a`.`t` RENAME AS `u`"), ElementsAre(Step{"a", ""}));
  EXPECT_THAT(rename_steps("alter table t rename to b.u"), ElementsAre(Step{"", "b"}));
  EXPECT_THAT(rename_steps("alter table t rename b.u"), ElementsAre(Step{"", "b"}));
  EXPECT_THAT(rename_steps("alter table t rename ="), ElementsAre());
}

}  // namespace
}  // namespace sluice::drainer::schema
