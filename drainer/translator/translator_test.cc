#include "drainer/translator/translator.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "net/tidb/binlog.pb.h"

namespace sluice::drainer::translator {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

// Table shop.t (id 50, made at version 2): id int unsigned clustered, a varchar, ts timestamp(3), e enum not null, n
// int not null default 7. Table shop.noise (id 60) is made alike at version 3. Version 5 truncates it to id 51; job 4
// was rolled back; job 6 caches a table.
std::string column(int id, std::string_view name, std::string_view type, std::string_view origin = "null") {
  return fmt::format(
      R"({{"id":{},"name":{{"O":"{}","L":"{}"}},"offset":{},"origin_default":{},"generated_expr_string":"","type":{{{}}},"state":5,"hidden":false}})",
      id, name, name, id - 1, origin, type);
}

std::string table_info(int id, std::string_view name = "t") {
  const std::string binary = R"("Charset":"binary","Collate":"binary","Elems":null)";
  return fmt::format(
      R"({{"id":{},"name":{{"O":"{}","L":"{}"}},"cols":[{},{},{},{},{}],"index_info":null,"pk_is_handle":true,"is_common_handle":false}})",
      id, name, name, column(1, "id", R"("Tp":3,"Flag":4131,"Flen":10,"Decimal":0,)" + binary),
      column(2, "a",
             R"("Tp":15,"Flag":0,"Flen":20,"Decimal":0,"Charset":"utf8mb4","Collate":"utf8mb4_bin","Elems":null)"),
      column(3, "ts", R"("Tp":7,"Flag":128,"Flen":23,"Decimal":3,)" + binary, R"("2020-01-02 23:04:05.678")"),
      column(4, "e",
             R"("Tp":247,"Flag":1,"Flen":1,"Decimal":0,"Charset":"utf8mb4","Collate":"utf8mb4_bin","Elems":["x","y"])"),
      column(5, "n", R"("Tp":3,"Flag":1,"Flen":11,"Decimal":0,)" + binary, R"("7")"));
}

std::string job(int id, int type, int version, int table_id, const std::string& info, int state = 6) {
  return fmt::format(
      R"({{"id":{},"type":{},"state":{},"schema_id":10,"schema_name":"shop","table_id":{},"query":"q","binlog":{{"SchemaVersion":{},"FinishedTS":{},"TableInfo":{}}}}})",
      id, type, state, table_id, version, version * 10, info);
}

class TranslatorTest : public ::testing::Test {
 protected:
  TranslatorTest() {
    const std::string history =
        std::string("[") +
        R"({"id":1,"type":1,"state":6,"schema_id":10,"table_id":0,"binlog":{"SchemaVersion":1,"DBInfo":{"id":10,"db_name":{"O":"shop","L":"shop"}}}},)" +
        job(2, 3, 2, 50, table_info(50)) + "," + job(3, 3, 3, 60, table_info(60, "noise")) + "," +
        job(4, 5, 4, 50, "null", 3) + "," + job(5, 11, 5, 50, table_info(51)) + "," +
        job(6, 57, 6, 51, table_info(51)) + "]";
    auto jobs = schema::parse_ddl_history(history);
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    EXPECT_TRUE(schema_.load(*std::move(jobs)).ok());
  }

  struct Rows {
    std::vector<std::string> inserted{};
    std::vector<std::string> updated{};
    std::vector<std::string> deleted{};
    std::vector<int> sequence{};
  };
  static void add(binlog::PrewriteValue& value, int64_t table, const Rows& rows) {
    binlog::TableMutation& mutation = *value.add_mutations();
    mutation.set_table_id(table);
    for (const std::string& row : rows.inserted) mutation.add_inserted_rows(row);
    for (const std::string& row : rows.updated) mutation.add_updated_rows(row);
    for (const std::string& row : rows.deleted) mutation.add_deleted_rows(row);
    for (const int kind : rows.sequence) mutation.add_sequence(static_cast<binlog::MutationType>(kind));
  }
  static std::string payload_of(const binlog::PrewriteValue& value) {
    binlog::Binlog message;
    message.set_start_ts(100);
    message.set_prewrite_value(value.SerializeAsString());
    return message.SerializeAsString();
  }
  absl::StatusOr<Translation> translate(const std::string& payload, TranslatorOptions options = {}) {
    if (!translator_) translator_.emplace(schema_, std::move(options));
    return translator_->translate(StartTs(100), CommitTs(200), std::make_shared<const std::string>(payload));
  }
  absl::StatusOr<Translation> translate(int64_t table, int64_t version, const Rows& rows) {
    binlog::PrewriteValue value;
    value.set_schema_version(version);
    add(value, table, rows);
    return translate(payload_of(value));
  }
  absl::StatusOr<Translation> ddl(int64_t id, const std::string& query, int schema_state = 0) {
    binlog::Binlog message;
    message.set_start_ts(100);
    message.set_ddl_job_id(id);
    message.set_ddl_query(query);
    message.set_ddl_schema_state(schema_state);
    return translate(message.SerializeAsString());
  }

  schema::SchemaTracker schema_;
  std::optional<Translator> translator_;
};

// Handle 1, then a = "A".
const std::string kInsertRow =
    "\x08\x02"
    "\x08\x04\x02\x02"
    "A"s;

TEST_F(TranslatorTest, RowsOfATruncatedTableAreMootAfterARestartToo) {
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    translator_.emplace(schema_, TranslatorOptions{});
    if (restarted)
      translator_->start_at(CommitTs(50));
    else
      ASSERT_TRUE(ddl(5, "truncate table t").ok());
    const auto got = translate(50, 2, {.inserted = {kInsertRow}, .sequence = {0}});
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->skipped, SkipReason::dropped_table);
  }
  translator_.emplace(schema_, TranslatorOptions{});
  translator_->start_at(CommitTs(49));
  EXPECT_EQ(translate(50, 2, {.inserted = {kInsertRow}, .sequence = {0}})->skipped, SkipReason::none);
}

TEST_F(TranslatorTest, ColumnsAddedWithTheCurrentTimeCarryTheMomentTheyWereAddedAt) {
  const std::string binary = R"("Charset":"binary","Collate":"binary","Elems":null)";
  const auto now = [&](int id, std::string_view name, int type, std::string_view origin) {
    std::string text =
        column(id, name, fmt::format(R"("Tp":{},"Flag":0,"Flen":23,"Decimal":3,{})", type, binary), origin);
    return text.insert(1, R"("default":"CURRENT_TIMESTAMP",)");
  };
  const auto info = [&](const std::string& added) {
    std::string text = table_info(51);
    return text.insert(text.find(R"(],"index_info")"), added);
  };
  const std::string first =
      "," + now(6, "d", 12, R"("2001-09-09 01:46:40.459")") + "," + now(7, "s", 7, R"("2001-09-09 01:46:40")");
  const std::string later = first + "," + now(8, "l", 12, R"("2001-09-09 01:46:41")");
  const std::string apart =
      later + "," + now(9, "m", 12, R"("2024-01-01 01:00:00")") + "," + now(10, "n", 7, R"("2024-01-01 00:00:00")");
  auto jobs = schema::parse_ddl_history("[" + job(7, 61, 7, 51, info(first)) + "," + job(8, 5, 8, 51, info(later)) +
                                        "," + job(9, 61, 9, 51, info(apart)) + "]");
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  ASSERT_TRUE(schema_.load(*std::move(jobs)).ok());
  const auto clock = [&](int64_t id) {
    const auto got = ddl(id, "alter");
    return got.ok() ? got->transaction->ddl->clock : std::string(absl::StatusCodeToString(got.status().code()));
  };
  EXPECT_EQ(clock(5), "");
  EXPECT_EQ(clock(7), "1000000000.459");
  EXPECT_EQ(clock(8), "1000000001");
  EXPECT_EQ(clock(9), "FAILED_PRECONDITION");
}

TEST_F(TranslatorTest, ADdlSaysWhatItChangesOfATable) {
  const auto info = [&](const std::string& index, const std::string& partitions, const std::string& a_type) {
    std::string text = table_info(51);
    text.replace(text.find(R"("index_info":null)"), 17,
                 fmt::format(R"("index_info":[{}],"partition":{{"definitions":[{}]}})", index, partitions));
    const std::string plain = R"("Tp":15,"Flag":0,"Flen":20)";
    return text.replace(text.find(plain), plain.size(), a_type);
  };
  const std::string index =
      R"({"idx_name":{"O":"ia","L":"ia"},"is_unique":true,"state":5,"idx_cols":[{"offset":1,"length":-1}]})";
  const std::string p0 = R"({"id":70,"name":{"O":"p0","L":"p0"}})";
  const std::string p1 = R"({"id":71,"name":{"O":"p1","L":"p1"}})";
  const std::string p1_anew = R"({"id":72,"name":{"O":"p1","L":"p1"}})";
  // A column's part in keys is no change of the column.
  const std::string keyed = R"("Tp":15,"Flag":4,"Flen":20)";
  const std::string longer = R"("Tp":15,"Flag":4,"Flen":30)";
  auto jobs = schema::parse_ddl_history(
      "[" + job(7, 61, 7, 51, info(index, p0 + "," + p1, keyed)) + "," +
      job(8, 12, 8, 51, info(index, p0 + "," + p1, longer)) + "," + job(9, 20, 9, 51, info(index, p1, longer)) + "," +
      job(10, 23, 10, 51, info(index, p1_anew, longer)) + "," + job(11, 8, 11, 51, info("", p1_anew, longer)) + "]");
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  ASSERT_TRUE(schema_.load(*std::move(jobs)).ok());
  const auto changes = [&](int64_t id) {
    const auto got = ddl(id, "alter");
    EXPECT_TRUE(got.ok()) << got.status();
    std::string text;
    for (const change::DdlElement& change : got->transaction->ddl->expectations.at(0).changes)
      text += fmt::format("{}{}{}{}({}) ", static_cast<int>(change.kind), change.name, change.existed ? "-" : "",
                          change.exists ? "+" : "", fmt::join(change.parts, ","));
    return text;
  };
  EXPECT_EQ(changes(5), "3+() ");  // TRUNCATE: contents
  EXPECT_EQ(changes(7), "1ia+(a) 2+(p0,p1) ");
  EXPECT_EQ(changes(8), "0a-+() ");
  EXPECT_EQ(changes(9), "2-+(p1) ");
  EXPECT_EQ(changes(10), "3+() ");
  EXPECT_EQ(changes(11), "1ia-() ");
}

TEST_F(TranslatorTest, FillsWhatAnInsertLeavesOut) {
  const auto got = translate(50, 2, {.inserted = {kInsertRow}, .sequence = {0}});
  ASSERT_TRUE(got.ok()) << got.status();
  const change::RowChange& row = got->transaction->rows.at(0);
  EXPECT_EQ(row.after[0].as_uint64(), 1u);
  EXPECT_EQ(row.after[1].as_bytes(), "A");
  EXPECT_EQ(row.after[2].as_bytes(), "2020-01-02 23:04:05.678");  // its origin default, UTC
  EXPECT_EQ(row.after[3].as_uint64(), 1u);                        // NOT NULL enum: the first element
  EXPECT_EQ(row.after[4].as_int64(), 7);
}

TEST_F(TranslatorTest, KeepsStringsInThePayload) {
  const auto got = translate(50, 2, {.inserted = {kInsertRow}, .sequence = {0}});
  const std::string& payload = *got->transaction->payload;
  const char* at = got->transaction->rows.at(0).after[1].as_bytes().data();
  EXPECT_TRUE(at >= payload.data() && at < payload.data() + payload.size());
  EXPECT_GE(got->transaction->memory_bytes, payload.size());
}

TEST_F(TranslatorTest, RendersTimestampsAtTheOffsetGiven) {
  translator_.emplace(schema_, TranslatorOptions{.filter = {}, .time_zone_offset = std::chrono::hours(2)});
  const auto got = translate(50, 2, {.inserted = {kInsertRow}, .sequence = {0}});
  EXPECT_EQ(got->transaction->rows.at(0).after[2].as_bytes(), "2020-01-03 01:04:05.678");
}

TEST_F(TranslatorTest, ReadsAnUnsignedHandleAboveInt64) {
  const std::string minus_one = "\x08\x01"s;
  const auto got = translate(50, 2, {.inserted = {minus_one + "\0"s}, .sequence = {0}});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->transaction->rows.at(0).after[0].as_uint64(), UINT64_MAX);
}

TEST_F(TranslatorTest, FollowsTheSequenceAcrossTheKindsOfRows) {
  const std::string id = "\x08\x02\x08\x02"s;  // column id 1, value 1
  const auto update = [&](char old_value, char new_value) {
    std::string row;
    for (const char value : {old_value, new_value})
      row += id + "\x08\x04\x02\x02"s + value + "\x08\x06\x00\x08\x08\x09\x01\x08\x0a\x08\x0e"s;
    return row;
  };
  const auto got = translate(
      50, 2, {.inserted = {kInsertRow}, .updated = {update('A', 'B')}, .deleted = {id}, .sequence = {4, 1, 0}});
  ASSERT_TRUE(got.ok()) << got.status();
  const auto& rows = got->transaction->rows;
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].kind, change::RowChangeKind::remove);
  EXPECT_TRUE(rows[0].before[1].is_absent());
  EXPECT_EQ(rows[1].kind, change::RowChangeKind::update);
  EXPECT_EQ(rows[1].before[1].as_bytes(), "A");
  EXPECT_EQ(rows[1].after[1].as_bytes(), "B");
  EXPECT_EQ(rows[2].kind, change::RowChangeKind::insert);
}

// Column n is being dropped at version 5's time: the update of version 4 no longer carries it.
TEST_F(TranslatorTest, MarksWhatAnUpdateDuringDropColumnDoesNotCarry) {
  std::string image;
  for (const char value : {'A', 'B'})
    image += "\x08\x02\x08\x02"s + "\x08\x04\x02\x02"s + value + "\x08\x06\x00"s + "\x08\x08\x08\x02"s;
  const auto got = translate(50, 4, {.updated = {image}, .sequence = {1}});
  ASSERT_TRUE(got.ok()) << got.status();
  const change::RowChange& row = got->transaction->rows.at(0);
  EXPECT_FALSE(row.before[1].is_presumed());
  EXPECT_TRUE(row.before[4].is_presumed());
  EXPECT_EQ(row.before[4].as_int64(), 7);  // as TiDB-Binlog's files have it
  EXPECT_TRUE(row.after[4].is_presumed());
}

TEST_F(TranslatorTest, CountsOrdinalsBeforeFilters) {
  translator_.emplace(
      schema_, TranslatorOptions{
                   .filter = *TableFilter::make(
                       {.ignore_schemas = {}, .ignore_tables = {{"shop", "noise"}}, .do_schemas = {}, .do_tables = {}}),
                   .time_zone_offset = {}});
  binlog::PrewriteValue value;
  value.set_schema_version(3);
  add(value, 60, {.inserted = {kInsertRow}, .sequence = {0}});
  add(value, 50, {.inserted = {kInsertRow, kInsertRow}, .sequence = {0, 0}});
  const auto got = translate(payload_of(value));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->rows_filtered, 1u);
  ASSERT_EQ(got->transaction->rows.size(), 2u);
  EXPECT_EQ(got->transaction->rows[0].ordinal, 1u);
  EXPECT_EQ(got->transaction->rows[1].ordinal, 2u);
}

TEST_F(TranslatorTest, SaysWhenTheFilterLeavesNothing) {
  translator_.emplace(
      schema_,
      TranslatorOptions{.filter = *TableFilter::make(
                            {.ignore_schemas = {"shop"}, .ignore_tables = {}, .do_schemas = {}, .do_tables = {}}),
                        .time_zone_offset = {}});
  const auto rows = translate(50, 2, {.inserted = {kInsertRow}, .sequence = {0}});
  EXPECT_EQ(rows->skipped, SkipReason::filtered);
  EXPECT_EQ(rows->rows_filtered, 1u);
  EXPECT_TRUE(rows->transaction->rows.empty());
  EXPECT_EQ(ddl(2, "create table t")->skipped, SkipReason::filtered);
}

TEST_F(TranslatorTest, DropsRowsOfATruncatedTable) {
  EXPECT_EQ(translate(50, 5, {.inserted = {kInsertRow}, .sequence = {0}})->skipped, SkipReason::dropped_table);
  EXPECT_EQ(translate(50, 4, {.inserted = {kInsertRow}, .sequence = {0}})->skipped, SkipReason::none);
  ASSERT_TRUE(ddl(5, "truncate table t")->transaction->ddl);
  // Written with an older schema, committed after the truncate: lost upstream too.
  EXPECT_EQ(translate(50, 4, {.inserted = {kInsertRow}, .sequence = {0}})->skipped, SkipReason::dropped_table);
}

TEST_F(TranslatorTest, RefusesASequenceThatLeavesRowsOut) {
  for (const Rows& rows :
       {Rows{.inserted = {kInsertRow, kInsertRow}, .sequence = {0}}, Rows{.inserted = {kInsertRow}, .sequence = {0, 0}},
        Rows{.inserted = {kInsertRow}, .sequence = {1}}}) {
    const auto got = translate(50, 2, rows);
    EXPECT_EQ(got.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(message_of(got.status())), HasSubstr("sequence"));
  }
}

TEST_F(TranslatorTest, WantsTheHistoryAgainForATableItLacks) {
  const auto got = translate(61, 9, {.inserted = {kInsertRow}, .sequence = {0}});
  EXPECT_EQ(got.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(message_of(got.status())), HasSubstr("table id 61"));
}

TEST_F(TranslatorTest, WantsTheHistoryAgainForAColumnBeyondItsEnd) {
  const std::string row =
      "\x08\x02"
      "\x08\x12\x08\x02"s;  // column id 9
  EXPECT_EQ(translate(51, 9, {.inserted = {row}, .sequence = {0}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(translate(51, 6, {.inserted = {row}, .sequence = {0}}).ok());  // a column of a DDL that was rolled back
}

TEST_F(TranslatorTest, RefusesThePayloadOfAnotherTransaction) {
  binlog::Binlog message;
  message.set_start_ts(101);
  EXPECT_EQ(translate(message.SerializeAsString()).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(TranslatorTest, SkipsWhatNeverGoesDownstream) {
  EXPECT_EQ(ddl(999, "Select SETVAL(`s`, 5)")->skipped, SkipReason::sequence_value);
  EXPECT_EQ(ddl(4, "alter table t add column x int")->skipped, SkipReason::ddl_unfinished);
  EXPECT_EQ(ddl(2, "alter table t drop column x", 1)->skipped, SkipReason::ddl_unfinished);
  EXPECT_EQ(ddl(6, "alter table t cache")->skipped, SkipReason::ddl_unsupported);
  EXPECT_EQ(translate(payload_of({}))->skipped, SkipReason::no_rows);
}

TEST_F(TranslatorTest, SaysWhatADdlLeavesBehind) {
  const auto got = ddl(2, "create table t");
  ASSERT_TRUE(got->transaction->ddl);
  const change::DdlChange& change = *got->transaction->ddl;
  EXPECT_EQ(change.schema, "shop");
  EXPECT_EQ(change.table, "t");
  ASSERT_EQ(change.expectations.size(), 1u);
  EXPECT_TRUE(change.expectations[0].exists);
  EXPECT_THAT(change.expectations[0].columns, testing::ElementsAre("id", "a", "ts", "e", "n"));
  EXPECT_TRUE(ddl(1, "create database shop")->transaction->ddl->creates_schema);
}

TEST_F(TranslatorTest, WantsTheHistoryAgainForAJobItLacks) {
  const auto got = ddl(77, "create table u");
  EXPECT_EQ(got.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(message_of(got.status())), HasSubstr("job id 77"));
}

}  // namespace
}  // namespace sluice::drainer::translator
