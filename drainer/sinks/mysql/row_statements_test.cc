#include "drainer/sinks/mysql/row_statements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "drainer/sinks/mysql/sql_text.h"
#include "drainer/sinks/mysql/transaction_builder.h"

namespace sluice::drainer::sinks::mysql {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<change::TableDef> keyed() {
  return table("s", "t", {column("id", change::MysqlType::integer), column("v", change::MysqlType::varchar)},
               {primary({0})});
}

struct Sql {
  std::vector<std::string> packets;
  std::vector<uint64_t> rows;  // expected, statement by statement
};

Sql sql_of(std::vector<std::shared_ptr<const change::Transaction>> transactions,
           RowStatementLimits limits = {1 << 20, 1 << 20}, ServerKind server = ServerKind::mariadb) {
  Sql out;
  RowStatements statements(transactions, server, limits);
  while (!statements.done()) {
    SqlPacket packet;
    const absl::Status filled = statements.fill(packet);
    EXPECT_TRUE(filled.ok()) << filled;
    if (!filled.ok()) return out;
    out.packets.push_back(packet.sql);
    for (const auto& expectation : packet.expectations) out.rows.push_back(expectation.rows);
  }
  return out;
}

std::string one(const std::shared_ptr<const change::Transaction>& transaction,
                ServerKind server = ServerKind::mariadb) {
  const Sql out = sql_of({transaction}, {1 << 20, 1 << 20}, server);
  return out.packets.empty() ? "" : out.packets[0];
}

TEST(RowStatements, JoinsInsertsOfOneTableAcrossTransactions) {
  const auto t = keyed();
  const Sql out = sql_of(
      {TransactionBuilder(1).insert(t, {1, "a"}).build(), TransactionBuilder(2).insert(t, {2, nullptr}).build()});
  EXPECT_EQ(out.packets, std::vector<std::string>{"INSERT INTO `s`.`t` (`id`, `v`) VALUES (1,'a'),(2,NULL)"});
  EXPECT_EQ(out.rows, std::vector<uint64_t>{2});
}

TEST(RowStatements, AnEnumsErrorValueGoesInAStatementOfItsOwnThatIsNotStrict) {
  const auto t =
      table("s", "t", {column("id", change::MysqlType::integer), column("e", change::MysqlType::enumeration)},
            {primary({0})});
  const auto run = TransactionBuilder(1)
                       .insert(t, {1, change::Datum::uint64(2)})
                       .insert(t, {2, change::Datum::uint64(0)})
                       .update(t, {1, change::Datum::uint64(2)}, {1, change::Datum::uint64(0)})
                       .build();
  EXPECT_EQ(one(run),
            "INSERT INTO `s`.`t` (`id`, `e`) VALUES (1,2);"
            "SET STATEMENT sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO' FOR INSERT INTO `s`.`t` (`id`, `e`) "
            "VALUES (2,0);"
            "SET STATEMENT sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO' FOR UPDATE `s`.`t` SET `e` = 0 WHERE "
            "`id` = 1");
  EXPECT_THAT(one(run, ServerKind::mysql),
              HasSubstr("INSERT /*+ SET_VAR(sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO') */ INTO `s`.`t`"));
}

TEST(RowStatements, ASetWithoutAKeyIsComparedUnsignedSoThatItsLastMemberIsFound) {
  const auto t = table("s", "t", {column("m", change::MysqlType::set)});
  EXPECT_EQ(one(TransactionBuilder(1).remove(t, {change::Datum::uint64(uint64_t{1} << 63)}).build()),
            "DELETE FROM `s`.`t` WHERE CAST(`m` AS UNSIGNED) = 9223372036854775808 LIMIT 1");
}

TEST(RowStatements, NamesARowByItsKeyAndShowsOtherValuesOnlyWhenAskedTo) {
  const auto t = keyed();
  const std::vector<std::shared_ptr<const change::Transaction>> run = {
      TransactionBuilder(1).insert(t, {1, "secret"}).build(), TransactionBuilder(2).remove(t, {2, "secret"}).build()};
  for (const bool show : {false, true}) {
    RowStatements statements(run, ServerKind::mariadb,
                             {.packet_bytes_target = 1 << 20, .packet_bytes_max = 1 << 20, .show_values = show});
    SqlPacket packet;
    ASSERT_TRUE(statements.fill(packet).ok());
    EXPECT_EQ(packet.expectations[0].what,
              show ? "INSERT INTO `s`.`t` (`id`, `v`) VALUES (1,'secret')" : "INSERT INTO `s`.`t` WHERE `id` = 1");
  }
}

TEST(RowStatements, KeepsTheOrderOfDifferentKinds) {
  const auto t = keyed();
  const Sql out = sql_of(
      {TransactionBuilder(1).remove(t, {1, "a"}).insert(t, {1, "b"}).remove(t, {1, "b"}).remove(t, {2, "c"}).build()});
  EXPECT_EQ(out.packets[0],
            "DELETE FROM `s`.`t` WHERE (`id` = 1);INSERT INTO `s`.`t` (`id`, `v`) VALUES (1,'b');"
            "DELETE FROM `s`.`t` WHERE (`id` = 1) OR (`id` = 2)");
  EXPECT_EQ(out.rows, (std::vector<uint64_t>{1, 1, 2}));
}

// While a column is being dropped, updates don't carry it: what the row holds there is unknown.
TEST(RowStatements, FindsNoRowByADefaultThatStandsForAMissingValue) {
  const change::Datum presumed = change::Datum::int64(7).as_presumed();
  const std::vector<change::ColumnDef> columns = {column("a", change::MysqlType::integer),
                                                  column("gone", change::MysqlType::integer)};
  EXPECT_EQ(one(TransactionBuilder(1).update(table("s", "keyless", columns), {1, presumed}, {2, presumed}).build()),
            "UPDATE `s`.`keyless` SET `a` = 2 WHERE `a` = 1 LIMIT 1");
  const auto keyed_by_it = table("s", "t", columns, {unique("u", {1})});
  EXPECT_EQ(one(TransactionBuilder(1).update(keyed_by_it, {1, presumed}, {2, presumed}).build()),
            "UPDATE `s`.`t` SET `a` = 2 WHERE `a` = 1 LIMIT 1");
}

TEST(RowStatements, UpdatesOnlyWhatChangedButTimesAlways) {
  const auto t = table("s", "t",
                       {column("id", change::MysqlType::integer), column("v", change::MysqlType::varchar),
                        column("u", change::MysqlType::timestamp)},
                       {primary({0})});
  EXPECT_EQ(
      one(TransactionBuilder(1).update(t, {1, "a", "2024-01-01 00:00:00"}, {1, "b", "2024-01-01 00:00:00"}).build()),
      "UPDATE `s`.`t` SET `v` = 'b', `u` = '2024-01-01 00:00:00' WHERE `id` = 1");
}

TEST(RowStatements, NamesARowByTheFirstUniqueKeyWithoutNullElseByAllValuesExactly) {
  const auto t = table("s", "t", {column("a", change::MysqlType::integer), column("b", change::MysqlType::varchar)},
                       {unique("ua", {0})});
  EXPECT_EQ(one(TransactionBuilder(1).remove(t, {1, "x"}).build()), "DELETE FROM `s`.`t` WHERE (`a` = 1)");
  EXPECT_EQ(
      one(TransactionBuilder(1).remove(t, {nullptr, "x "}).build()),
      "DELETE FROM `s`.`t` WHERE `a` IS NULL AND CAST(CONVERT(`b` USING utf8mb4) AS BINARY) = _binary'x ' LIMIT 1");
}

TEST(RowStatements, PrefersThePrimaryKeyAndNeverAKeyOnAGeneratedColumn) {
  auto t = table("s", "t",
                 {column("a", change::MysqlType::integer), column("g", change::MysqlType::integer),
                  column("id", change::MysqlType::integer)},
                 {unique("ug", {1}), unique("ua", {0}), primary({2})});
  t->columns[1].generated = true;
  EXPECT_EQ(one(TransactionBuilder(1).remove(t, {1, 2, 3}).build()), "DELETE FROM `s`.`t` WHERE (`id` = 3)");
  t->indexes.pop_back();
  EXPECT_EQ(one(TransactionBuilder(1).remove(t, {1, 2, 3}).build()), "DELETE FROM `s`.`t` WHERE (`a` = 1)");
}

TEST(RowStatements, LeavesOutGeneratedHiddenNotPublicAndAbsentColumns) {
  auto t = table("s", "t",
                 {column("a", change::MysqlType::integer), column("g", change::MysqlType::integer),
                  column("n", change::MysqlType::integer), column("x", change::MysqlType::integer)});
  t->columns[1].generated = true;
  t->columns[2].is_public = false;
  EXPECT_EQ(one(TransactionBuilder(1).insert(t, {1, 2, 3, change::Datum()}).build()),
            "INSERT INTO `s`.`t` (`a`) VALUES (1)");
}

TEST(RowStatements, WritesAFloatAsTheDoubleThatItIs) {
  const auto t = table("s", "t",
                       {column("f", change::MysqlType::float32), column("d", change::MysqlType::float64),
                        column("e", change::MysqlType::decimal)});
  EXPECT_EQ(one(TransactionBuilder(1).remove(t, {1.1f, 1.1, "1.10"}).build()),
            "DELETE FROM `s`.`t` WHERE `f` = 1.100000023841858e0 AND `d` = 1.1e0 AND `e` = 1.10 LIMIT 1");
}

TEST(RowStatements, BringsCharAndBinaryToTheFormTheyAreStoredIn) {
  auto t = table("s", "t", {column("c", change::MysqlType::string), column("b", change::MysqlType::string, "binary")});
  t->columns[1].length = 4;
  EXPECT_EQ(one(TransactionBuilder(1).remove(t, {"x  ", "y"}).build()),
            "DELETE FROM `s`.`t` WHERE CAST(CONVERT(`c` USING utf8mb4) AS BINARY) = _binary'x' AND `b` = "
            "_binary'y\\0\\0\\0' LIMIT 1");
}

TEST(RowStatements, ComparesJsonAsTextInMariadbAndAsJsonElsewhere) {
  const auto t = table("s", "t", {column("j", change::MysqlType::json, "binary")});
  const auto remove = TransactionBuilder(1).remove(t, {R"({"a": 1})"}).build();
  EXPECT_THAT(one(remove), HasSubstr("CAST(CONVERT(`j` USING utf8mb4) AS BINARY) = _binary'{\"a\": 1}'"));
  EXPECT_THAT(one(remove, ServerKind::mysql), HasSubstr("`j` = CAST('{\"a\": 1}' AS JSON)"));
}

TEST(RowStatements, EscapesNamesTextsAndBytes) {
  EXPECT_EQ(quoted_name("odd `name"), "`odd ``name`");
  EXPECT_EQ(quoted_text(std::string_view("a'\\\n\r\0\x1a\"", 8)), "'a\\'\\\\\\n\\r\\0\\Z\"'");
}

TEST(RowStatements, FillsPacketsUpToTheTargetAndSendsALargeRowAlone) {
  const auto t = keyed();
  const std::string large(500, 'x');
  const Sql out = sql_of(
      {TransactionBuilder(1).insert(t, {1, "a"}).insert(t, {2, std::string_view(large)}).insert(t, {3, "c"}).build()},
      {.packet_bytes_target = 100, .packet_bytes_max = 1000});
  ASSERT_EQ(out.packets.size(), 3u);
  EXPECT_EQ(out.packets[0], "INSERT INTO `s`.`t` (`id`, `v`) VALUES (1,'a')");
  EXPECT_EQ(out.packets[2], "INSERT INTO `s`.`t` (`id`, `v`) VALUES (3,'c')");
}

TEST(RowStatements, RefusesARowAboveTheServersPacketLimitNamingTheTable) {
  const auto t = keyed();
  const std::string large(2000, 'x');
  const std::vector<std::shared_ptr<const change::Transaction>> run = {
      TransactionBuilder(9).insert(t, {1, std::string_view(large)}).build()};
  RowStatements statements(run, ServerKind::mariadb, {.packet_bytes_target = 100, .packet_bytes_max = 1000});
  SqlPacket packet;
  const absl::Status status = statements.fill(packet);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("a row of s.t"));
  EXPECT_THAT(std::string(message_of(status)), HasSubstr("commit_ts=9"));
}

TEST(RowStatements, SkipsItsOwnSchemaInAnyCase) {
  const auto own = table("TiDB_Binlog", "checkpoint", {column("a", change::MysqlType::integer)});
  EXPECT_TRUE(sql_of({TransactionBuilder(1).insert(own, {1}).build()}).packets.empty());
}

TEST(ServerKindOf, TellsTheServersApartByTheirVersionText) {
  EXPECT_EQ(server_kind_of("10.11.14-MariaDB-0+deb12u2"), ServerKind::mariadb);
  EXPECT_EQ(server_kind_of("5.7.25-TiDB-v7.1.0"), ServerKind::tidb);
  EXPECT_EQ(server_kind_of("8.0.36"), ServerKind::mysql);
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
