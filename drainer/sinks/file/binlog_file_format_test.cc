#include "drainer/sinks/file/binlog_file_format.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "drainer/sinks/file/binlog_payload.h"

namespace sluice::drainer::sinks::file {
namespace {

TEST(BinlogFileFormat, CrcIsCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
}

TEST(BinlogFileFormat, FramesAPayloadAsTheGoProgramsDo) {
  std::string record;
  append_binlog_record("binlogtest", record);
  EXPECT_EQ(to_hex(record), "04051b1c0a0000000000000062696e6c6f67746573741e0b0549");
}

TEST(BinlogFileFormat, NamesSortByIndexAndCarryTheTime) {
  const std::string name = binlog_file_name(12, std::chrono::system_clock::now());
  EXPECT_EQ(name.substr(0, 24), "binlog-0000000000000012-");
  EXPECT_EQ(name.size(), 38u);
  EXPECT_EQ(binlog_file_index(name), 12u);
}

TEST(BinlogFileFormat, KnowsTheNamesOfOtherVersionsAndNoOthers) {
  EXPECT_EQ(binlog_file_index("binlog-0000000000000003"), 3u);
  EXPECT_EQ(binlog_file_index("binlog-0000000000000003-20190101010101-412518831548007863.pb"), 3u);
  for (const char* name :
       {"binlog-", "binlog-x-20190101010101", "savepoint", ".lock", "binlog-0000000000000003.tmp", "binlog-1-2-3-4"})
    EXPECT_FALSE(binlog_file_index(name)) << name;
}

class BinlogPayload : public ::testing::Test {
 protected:
  BinlogPayload() {
    table_.schema = "test";
    table_.name = "t";
    table_.columns.push_back({.id = 1,
                              .name = "id",
                              .type = change::MysqlType::integer,
                              .charset = "binary",
                              .collation = {},
                              .elements = {}});
    table_.columns.push_back({.id = 2,
                              .name = "name",
                              .type = change::MysqlType::varchar,
                              .charset = "utf8mb4",
                              .collation = {},
                              .elements = {}});
    transaction_.commit_ts = CommitTs(412518831548007863);
  }
  std::string encode() {
    std::string payload;
    EXPECT_TRUE(encode_binlog_payload(transaction_, payload).ok());
    EXPECT_EQ(binlog_commit_ts(payload).value(), transaction_.commit_ts);
    return to_hex(payload);
  }

  change::TableDef table_;
  change::Transaction transaction_;
  const change::Datum old_[2] = {change::Datum::int64(1), change::Datum::bytes("abc")};
  const change::Datum new_[2] = {change::Datum::int64(1), change::Datum::null()};
};

TEST_F(BinlogPayload, OfAnInsertIsTheGoldenOne) {
  transaction_.rows.push_back({.kind = change::RowChangeKind::insert, .table = &table_, .before = {}, .after = old_});
  const std::string payload = encode();
  EXPECT_EQ(payload,
            "080010b78bd08c91f6e3dc051a3a0a380a0474657374120174180022100a0269641201031a03696e742202080222190a046e616d65"
            "12010f1a077661726368617222"
            "050206616263");
}

TEST_F(BinlogPayload, OfAnUpdateHasBothValues) {
  transaction_.rows.push_back({.kind = change::RowChangeKind::update, .table = &table_, .before = old_, .after = new_});
  const std::string payload = encode();
  EXPECT_NE(payload.find("22050206616263"
                         "2a0100"),
            std::string::npos)
      << payload;
}

TEST_F(BinlogPayload, LeavesOutColumnsThatTheRowHasNot) {
  const change::Datum row[2] = {change::Datum(), change::Datum::bytes("abc")};
  transaction_.rows.push_back({.kind = change::RowChangeKind::remove, .table = &table_, .before = row, .after = {}});
  EXPECT_EQ(encode().find(to_hex("id")), std::string::npos);
}

TEST_F(BinlogPayload, OfADdlNamesItsDatabase) {
  transaction_.ddl = change::DdlChange{.schema = "test",
                                       .table = {},
                                       .query = "create table t(id int primary key, name varchar(10))",
                                       .job_query = {},
                                       .expectations = {}};
  EXPECT_EQ(encode(), "080110b78bd08c91f6e3dc052241" +
                          to_hex("use `test`; create table t(id int primary key, name varchar(10));"));
  transaction_.ddl->creates_schema = true;
  EXPECT_EQ(encode().substr(28), to_hex("create table t(id int primary key, name varchar(10));"));
}

}  // namespace
}  // namespace sluice::drainer::sinks::file
