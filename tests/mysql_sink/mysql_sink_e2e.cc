#include <gmock/gmock.h>

#include "tests/mysql_sink/sink_fixture.h"

namespace sluice::drainer::sinks::mysql {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<change::TableDef> keyed() {
  return table("s", "t", {column("id", change::MysqlType::integer), column("v", change::MysqlType::varchar)},
               {primary({0})});
}
std::shared_ptr<change::TableDef> keyless() {
  return table("s", "k",
               {column("a", change::MysqlType::integer), column("b", change::MysqlType::varchar),
                column("f", change::MysqlType::float32)});
}

class MysqlSinkE2e : public SinkFixture {
 protected:
  void SetUp() override {
    SinkFixture::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sql("CREATE TABLE s.t(id INT PRIMARY KEY, v VARCHAR(40))");
    sql("CREATE TABLE s.k(a INT, b VARCHAR(40) COLLATE utf8mb4_general_ci, f FLOAT)");
  }
};

TEST_F(MysqlSinkE2e, AppliesInsertUpdateAndDeleteAndKeepsThePosition) {
  MysqlSink sink(options());
  ASSERT_EQ(sink.open(CommitTs(5))->applied_through, CommitTs(5));
  const auto t = keyed();
  EXPECT_STATUS_OK(
      sink.submit(TransactionBuilder(10).insert(t, {1, "one"}).insert(t, {2, "two"}).insert(t, {3, "it's\\"}).build()));
  EXPECT_STATUS_OK(
      sink.submit(TransactionBuilder(20).update(t, {2, "two"}, {4, "zwei"}).remove(t, {1, "one"}).build()));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT * FROM s.t ORDER BY id"), "3,it's\\;4,zwei");
  EXPECT_EQ(sink.durable_through(), CommitTs(20));
  EXPECT_STATUS_OK(sink.resolve(ResolvedTs(30)));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(sink.durable_through(), CommitTs(30));
  sink.close();
  EXPECT_EQ(select("SELECT checkPoint FROM tidb_binlog.checkpoint WHERE clusterID=7"),
            R"({"consistent":true,"commitTS":30,"ts-map":{}})");
  MysqlSink next(options());
  EXPECT_EQ(next.open(CommitTs(0))->applied_through, CommitTs(30));
}

TEST_F(MysqlSinkE2e, StartsFromACheckpointOfTidbBinlogsDrainer) {
  sql("CREATE DATABASE tidb_binlog; CREATE TABLE tidb_binlog.checkpoint(clusterID bigint unsigned primary key, "
      "checkPoint MEDIUMTEXT)");
  sql(R"(INSERT INTO tidb_binlog.checkpoint VALUES(7, '{"consistent":true,"commitTS":437698769412096001,"ts-map":{}}'))");
  MysqlSink sink(options());
  EXPECT_EQ(sink.open(CommitTs(5))->applied_through, CommitTs(437698769412096001));
}

TEST_F(MysqlSinkE2e, WithoutAKeyExactlyTheNamedRowGoesThoughTheCollationCallsOthersEqual) {
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  const auto k = keyless();
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(10)
                                   .insert(k, {1, "a", 1.1f})
                                   .insert(k, {1, "A", 1.1f})
                                   .insert(k, {1, "a ", 1.1f})
                                   .insert(k, {1, "a", 1.1f})
                                   .insert(k, {1, nullptr, nullptr})
                                   .build()));
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(20)
                                   .remove(k, {1, "a ", 1.1f})
                                   .remove(k, {1, "a", 1.1f})
                                   .update(k, {1, "A", 1.1f}, {2, "A", 0.1f})
                                   .remove(k, {1, nullptr, nullptr})
                                   .build()));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT a, HEX(b), f FROM s.k ORDER BY a"), "1,61,1.1;2,41,0.1");
}

TEST_F(MysqlSinkE2e, TrailingSpacesInAKeySurviveDeleteAndInsertInOneTransaction) {
  sql("CREATE TABLE s.p(name VARCHAR(40) COLLATE utf8mb4_bin PRIMARY KEY, v INT)");
  const auto p = table("s", "p", {column("name", change::MysqlType::varchar), column("v", change::MysqlType::integer)},
                       {primary({0})});
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(10).insert(p, {"x", 1}).build()));
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(20).remove(p, {"x", 1}).insert(p, {"x  ", 2}).build()));
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(30).update(p, {"x  ", 2}, {"x ", 2}).build()));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT HEX(name), v FROM s.p"), "7820,2");
}

TEST_F(MysqlSinkE2e, KeepsWhatTidbStoredZeroDatesZeroYearsBitsSetsAndBinary) {
  sql("CREATE TABLE s.z(id INT AUTO_INCREMENT PRIMARY KEY, d DATE, y YEAR, dt DATETIME(3), b BIT(13), s "
      "SET('x','y','z'), "
      "e ENUM('p','q'), bi BINARY(4), js JSON, de DECIMAL(65,30), up TIMESTAMP NULL DEFAULT NULL ON UPDATE "
      "CURRENT_TIMESTAMP)");
  const auto z =
      table("s", "z",
            {column("id", change::MysqlType::integer), column("d", change::MysqlType::date),
             column("y", change::MysqlType::year), column("dt", change::MysqlType::datetime),
             column("b", change::MysqlType::bit), column("s", change::MysqlType::set),
             column("e", change::MysqlType::enumeration), column("bi", change::MysqlType::string, "binary"),
             column("js", change::MysqlType::json, "binary"), column("de", change::MysqlType::decimal, "binary"),
             column("up", change::MysqlType::timestamp, "binary")},
            {primary({0})});
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  const std::string_view bytes("\xff\0'\\", 4);
  const char* decimal = "-12345678901234567890123456789012345.123456789012345678901234567890";
  EXPECT_STATUS_OK(
      sink.submit(TransactionBuilder(10)
                      .insert(z, {0, "0000-00-00", 0, "2024-02-31 01:02:03.004", change::Datum::uint64(5259),
                                  change::Datum::uint64(5), change::Datum::uint64(2), bytes, "{\"a\": \"'\"}", decimal,
                                  "2001-02-03 04:05:06"})
                      .build()));
  EXPECT_STATUS_OK(sink.submit(
      TransactionBuilder(20)
          .update(z,
                  {0, "0000-00-00", 0, "2024-02-31 01:02:03.004", change::Datum::uint64(5259), change::Datum::uint64(5),
                   change::Datum::uint64(2), bytes, "{\"a\": \"'\"}", decimal, "2001-02-03 04:05:06"},
                  {0, "0000-00-00", 0, "2024-02-31 01:02:03.004", change::Datum::uint64(1), change::Datum::uint64(5),
                   change::Datum::uint64(2), bytes, "{\"a\": \"'\"}", decimal, "2001-02-03 04:05:06"})
          .build()));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT id, d, y, dt, b+0, s, e, HEX(bi), js, de, up FROM s.z"),
            std::string("0,0000-00-00,0000,2024-02-31 01:02:03.004,1,x,z,q,FF00275C,{\"a\": \"'\"},") + decimal +
                ",2001-02-03 04:05:06");
}

TEST_F(MysqlSinkE2e, TakesEffectOnceThoughTheConnectionIsKilledAtEveryStep) {
  int steps = 0;
  MysqlSinkOptions made = options();
  made.pack_rows_max = 3;
  made.packet_bytes_target = 200;
  made.hook = [&](SinkStep step) {
    if (++steps % 3 == 0) kill_sink_connection();
    // The commit landed, its answer didn't arrive.
    if (step == SinkStep::commit_done && steps % 2 == 0) return absl::UnavailableError("cut by the test");
    return absl::OkStatus();
  };
  MysqlSink sink(made);
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  const auto k = keyless();
  for (int i = 1; i <= 60; ++i)
    EXPECT_STATUS_OK(sink.submit(TransactionBuilder(static_cast<uint64_t>(i))
                                     .insert(k, {i, "r", nullptr})
                                     .insert(k, {i, "s", nullptr})
                                     .build()));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT COUNT(*), COUNT(DISTINCT a, b) FROM s.k"), "120,120");
  EXPECT_GT(sink.counters().reconnects, 10u);
}

TEST_F(MysqlSinkE2e, AZombiesLateCommitHasNoEffect) {
  const auto k = keyless();
  bool replaced = false;
  MysqlSinkOptions made = options();
  made.hook = [&](SinkStep step) {
    if (step == SinkStep::before_commit && !std::exchange(replaced, true)) {
      // The first is frozen with its transaction open while a second takes over and applies the same transaction.
      MysqlSink successor(options());
      EXPECT_EQ(successor.open(CommitTs(0))->applied_through, CommitTs(0));
      EXPECT_STATUS_OK(successor.submit(TransactionBuilder(10).insert(k, {1, "x", nullptr}).build()));
      EXPECT_STATUS_OK(successor.flush());
    }
    return absl::OkStatus();
  };
  MysqlSink zombie(made);
  ASSERT_TRUE(zombie.open(CommitTs(0)).ok());
  EXPECT_STATUS_OK(zombie.submit(TransactionBuilder(10).insert(k, {1, "x", nullptr}).build()));
  const absl::Status status = zombie.flush();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("took over"));
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.k"), "1");
}

TEST_F(MysqlSinkE2e, StopsAsDivergedNamingTheRowAndKeepsNothingOfTheTransaction) {
  const auto t = keyed();
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(10).insert(t, {1, "x"}).update(t, {42, "x"}, {42, "y"}).build()));
  const absl::Status status = sink.flush();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("commit_ts=10 table=s.t"));
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("`id` = 42"));
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.t"), "0");
  EXPECT_EQ(sink.durable_through(), CommitTs(0));
}

TEST_F(MysqlSinkE2e, RefusesATableWithoutTransactions) {
  sql("CREATE TABLE s.m(id INT PRIMARY KEY, v VARCHAR(40)) ENGINE=MyISAM");
  const auto m = table("s", "m", {column("id", change::MysqlType::integer), column("v", change::MysqlType::varchar)},
                       {primary({0})});
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(10).insert(m, {1, "x"}).build()));
  const absl::Status status = sink.flush();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("s.m has engine MyISAM"));
}

TEST_F(MysqlSinkE2e, WaitsForAServerThatIsKilledAndStartedAgainInTheMiddle) {
  bool killed = false;
  MysqlSinkOptions made = options();
  made.hook = [&](SinkStep step) {
    if (step == SinkStep::before_commit && !std::exchange(killed, true)) {
      server_->kill_hard();
      EXPECT_STATUS_OK(server_->start());
    }
    return absl::OkStatus();
  };
  MysqlSink sink(made);
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  const auto k = keyless();
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(10).insert(k, {1, "x", nullptr}).build()));
  EXPECT_STATUS_OK(sink.flush());
  reconnect_admin();
  EXPECT_EQ(select("SELECT COUNT(*) FROM s.k"), "1");
  EXPECT_TRUE(killed);
}

TEST_F(MysqlSinkE2e, ARowOf20MbPassesAndOneAboveThePacketLimitIsRefusedWithBothSizes) {
  sql("CREATE TABLE s.big(id INT PRIMARY KEY, w LONGBLOB)");
  const auto big =
      table("s", "big", {column("id", change::MysqlType::integer), column("w", change::MysqlType::long_blob, "binary")},
            {primary({0})});
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  const std::string blob(20 << 20, '\xfe');
  EXPECT_STATUS_OK(
      sink.submit(TransactionBuilder(10).insert(big, {1, std::string_view(blob)}).insert(big, {2, "x"}).build()));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT id, LENGTH(w) FROM s.big ORDER BY id"), "1,20971520;2,1");
  const std::string quotes(40 << 20, '\'');  // doubled by escaping: above the server's 64 MiB
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(20).insert(big, {3, std::string_view(quotes)}).build()));
  const absl::Status status = sink.flush();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("max_allowed_packet"));
}

TEST_F(MysqlSinkE2e, AWrongPasswordIsWrongUsageAndAMissingPrivilegeIsNamed) {
  sql("CREATE OR REPLACE USER u@'127.0.0.1' IDENTIFIED BY 'right'");
  MysqlSinkOptions made = options();
  made.endpoint.user = "u";
  made.endpoint.password = "secret-guess";
  const auto wrong = MysqlSink(made).open(CommitTs(0));
  EXPECT_TRUE(absl::IsInvalidArgument(wrong.status())) << wrong.status();
  EXPECT_THAT(std::string(message_of(wrong.status())), ::testing::Not(HasSubstr("secret-guess")));
  made.endpoint.password = "right";
  const auto denied = MysqlSink(made).open(CommitTs(0));
  EXPECT_TRUE(absl::IsPermissionDenied(denied.status())) << denied.status();
  EXPECT_THAT(std::string(message_of(denied.status())), HasSubstr("tidb_binlog"));
}

TEST_F(MysqlSinkE2e, NeverWritesIntoItsOwnSchema) {
  const auto own = table(
      "tidb_binlog", "checkpoint",
      {column("clusterID", change::MysqlType::big_int), column("checkPoint", change::MysqlType::blob)}, {primary({0})});
  MysqlSink sink(options());
  ASSERT_TRUE(sink.open(CommitTs(0)).ok());
  EXPECT_STATUS_OK(sink.submit(TransactionBuilder(10).insert(own, {99, "{}"}).build()));
  EXPECT_STATUS_OK(sink.flush());
  EXPECT_EQ(select("SELECT clusterID FROM tidb_binlog.checkpoint"), "7");
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
