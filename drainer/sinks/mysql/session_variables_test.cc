#include "drainer/sinks/mysql/session_variables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace sluice::drainer::sinks::mysql {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A server as a cloud's defaults or a DBA may leave it: everything different, but only what it has.
VariableValues server(std::initializer_list<VariableValues::value_type> own) {
  VariableValues values{{"sql_mode", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"},
                        {"time_zone", "SYSTEM"},
                        {"autocommit", "OFF"},
                        {"foreign_key_checks", "ON"},
                        {"sql_safe_updates", "ON"},
                        {"character_set_client", "latin1"},
                        {"innodb_lock_wait_timeout", "50"},
                        {"default_storage_engine", "MyISAM"}};
  for (const auto& value : own) values.insert(value);
  return values;
}
const VariableValues kMariadb10 = server({{"tx_isolation", "SERIALIZABLE"},
                                          {"tx_read_only", "ON"},
                                          {"max_statement_time", "5.000000"},
                                          {"idle_transaction_timeout", "1"},
                                          {"check_constraint_checks", "ON"},
                                          {"enforce_storage_engine", "Aria"}});
const VariableValues kMysql9 = server({{"transaction_isolation", "READ-UNCOMMITTED"},
                                       {"transaction_read_only", "ON"},
                                       {"max_execution_time", "1000"},
                                       {"sql_require_primary_key", "ON"},
                                       {"sql_generate_invisible_primary_key", "ON"}});
const VariableValues kTidb8 = server({{"tx_isolation", "READ-COMMITTED"},
                                      {"transaction_isolation", "READ-COMMITTED"},
                                      {"allow_auto_random_explicit_insert", "OFF"},
                                      {"tidb_txn_mode", "optimistic"},
                                      {"tidb_placement_mode", "STRICT"},
                                      {"tidb_dml_type", "bulk"},
                                      {"max_execution_time", "0"}});

struct Case {
  ServerKind kind;
  const VariableValues& server;
};
const Case kCases[] = {{ServerKind::mariadb, kMariadb10}, {ServerKind::mysql, kMysql9}, {ServerKind::tidb, kTidb8}};

// What the server shows after it did as `sql` says.
VariableValues after(VariableValues values, ServerKind kind) {
  for (const SessionVariable& variable : session_variables(kind))
    if (const auto found = values.find(variable.name); found != values.end()) found->second = variable.value;
  return values;
}

TEST(SessionVariables, EachKindSetsWhatItHasAndNothingElse) {
  const auto sql = [](const Case& c) { return set_variables_sql(c.kind, c.server).value(); };
  const std::string mariadb = sql(kCases[0]), mysql = sql(kCases[1]), tidb = sql(kCases[2]);
  EXPECT_THAT(mariadb, AllOf(HasSubstr("SESSION tx_isolation='REPEATABLE-READ'"), HasSubstr("max_statement_time=0.0"),
                             HasSubstr("enforce_storage_engine=NULL"), HasSubstr("default_storage_engine='InnoDB'"),
                             Not(HasSubstr("transaction_isolation")), Not(HasSubstr("max_execution_time"))));
  EXPECT_THAT(mysql, AllOf(HasSubstr("SESSION transaction_read_only=0"), HasSubstr("max_execution_time=0"),
                           HasSubstr("sql_require_primary_key=0"), HasSubstr("sql_generate_invisible_primary_key=0"),
                           Not(HasSubstr("tx_isolation=")), Not(HasSubstr("tidb_"))));
  EXPECT_THAT(tidb, AllOf(HasSubstr("allow_auto_random_explicit_insert=1"), HasSubstr("tidb_txn_mode='pessimistic'"),
                          HasSubstr("tidb_placement_mode='IGNORE'"), HasSubstr("tidb_dml_type='standard'"),
                          Not(HasSubstr("max_execution_time")), Not(HasSubstr("max_statement_time"))));
  for (const Case& c : kCases)
    EXPECT_THAT(sql(c), AllOf(HasSubstr("time_zone='+00:00'"), HasSubstr("foreign_key_checks=0"),
                              HasSubstr("autocommit=1"), HasSubstr("sql_safe_updates=0")));
}

TEST(SessionVariables, NothingIsSetThatIsRightAlready) {
  for (const Case& c : kCases) {
    const VariableValues right = after(c.server, c.kind);
    EXPECT_EQ(set_variables_sql(c.kind, right).value(), "");
    EXPECT_TRUE(check_variables(c.kind, right).ok());
  }
}

TEST(SessionVariables, TheServersSpellingOfTheSameValueIsAccepted) {
  VariableValues values = after(kMysql9, ServerKind::mysql);
  values["autocommit"] = "ON";
  values["foreign_key_checks"] = "OFF";
  values["sql_mode"] = "NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,ALLOW_INVALID_DATES";
  values["max_execution_time"] = "0.000000";
  EXPECT_TRUE(check_variables(ServerKind::mysql, values).ok());
}

TEST(SessionVariables, AServerThatKeepsItsOwnValueIsRefusedByNameAndBothValues) {
  VariableValues values = after(kMariadb10, ServerKind::mariadb);
  values["sql_mode"] = "STRICT_ALL_TABLES";
  const absl::Status status = check_variables(ServerKind::mariadb, values);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(message_of(status)),
              AllOf(HasSubstr("MariaDB"), HasSubstr("sql_mode"), HasSubstr("\"STRICT_ALL_TABLES\""),
                    HasSubstr("NO_AUTO_VALUE_ON_ZERO")));
}

TEST(SessionVariables, AServerWithoutOneThatExactnessNeedsIsRefused) {
  VariableValues values = kTidb8;
  values.erase("tidb_txn_mode");
  const auto sql = set_variables_sql(ServerKind::tidb, values);
  EXPECT_TRUE(absl::IsFailedPrecondition(sql.status()));
  EXPECT_THAT(std::string(message_of(sql.status())), HasSubstr("tidb_txn_mode"));
}

TEST(SessionVariables, NoNameStandsTwiceInAKind) {
  for (const Case& c : kCases) {
    std::map<std::string_view, int> count;
    for (const SessionVariable& variable : session_variables(c.kind)) ++count[variable.name];
    for (const auto& [name, times] : count) EXPECT_EQ(times, 1) << name;
  }
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
