#include "drainer/sinks/mysql/sql_tokenizer.h"

#include <gtest/gtest.h>

namespace sluice::drainer::sinks::mysql {
namespace {

// "ALTER TABLE `t` 'x' ;": words as they are, names and texts quoted again.
std::string shown(std::string_view sql) {
  std::string out;
  for (const SqlToken& token : tokenize_sql(sql)) {
    if (!out.empty()) out += ' ';
    const char* quote = token.kind == SqlToken::Kind::name ? "`" : token.kind == SqlToken::Kind::text ? "'" : "";
    out += quote + token.text + quote;
  }
  return out;
}

TEST(SqlTokenizer, UpperCasesWordsAndKeepsQuotedOnesAsTheyAre) {
  EXPECT_EQ(shown("alter table `Odd ``name` comment 'it''s' \"q\\\"x\""),
            "ALTER TABLE `Odd `name` COMMENT 'it's' 'q\"x'");
}

TEST(SqlTokenizer, DropsCommentsOfEveryKind) {
  EXPECT_EQ(shown("drop /* add */ table -- rename\n t # modify\n;"), "DROP TABLE T ;");
  EXPECT_EQ(shown("a --"), "A");
}

TEST(SqlTokenizer, ReadsTheInsideOfExecutableComments) {
  EXPECT_EQ(shown("create table t(id int /*T![clustered_index] CLUSTERED */ /*!40000 primary key */)"),
            "CREATE TABLE T ( ID INT CLUSTERED PRIMARY KEY )");
}

TEST(SqlTokenizer, AcceptsTextThatEndsInTheMiddle) {
  for (const char* sql : {"'abc", "`abc", "/* abc", "/*T![x", "'a\\", "/*!", ""}) (void)tokenize_sql(sql);
  EXPECT_EQ(shown("`abc"), "`abc`");
}

TEST(SqlTokenizer, KeepsWordsOutsideAsciiWhole) {
  EXPECT_EQ(shown("drop table 表"), "DROP TABLE 表");
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
