#include "base/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::HasSubstr;

struct Fixture : testing::Test {
  std::string addr = "127.0.0.1:8250";
  int64_t batch = 20;
  bool safe_mode = false;
  std::string level = "info";
  StringList pumps;
  OptionTable table{
      .program = "prog",
      .summary = "A program.",
      .options = {
          {.key = "addr", .flag = "addr", .field = &addr, .help = "where to listen"},
          {.key = "syncer.txn-batch", .flag = "txn-batch", .field = &batch, .help = "rows", .min = 1, .max = 100},
          {.key = "syncer.safe-mode", .flag = "safe-mode", .field = &safe_mode, .help = "replace"},
          {.key = "log-level",
           .flag = "log-level",
           .field = &level,
           .help = "level",
           .choices = {"info", "debug"},
           .short_flag = "L"},
          {.key = "", .flag = "pumps", .field = &pumps, .help = "static list"}}};

  absl::StatusOr<ParsedOptions> parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "prog");
    std::vector<char*> pointers;
    for (std::string& a : arguments) pointers.push_back(a.data());
    return parse_options(table, pointers);
  }
};
using Options = Fixture;

TEST_F(Options, TakesOneDashOrTwoEqualsOrASpace) {
  ASSERT_TRUE(parse({"-addr", "a:1", "--txn-batch=7", "-pumps=x:1,y:2", "-L", "debug"}).ok());
  EXPECT_EQ(addr, "a:1");
  EXPECT_EQ(batch, 7);
  EXPECT_EQ(pumps, (StringList{"x:1", "y:2"}));
  EXPECT_EQ(level, "debug");
}

TEST_F(Options, TakesABareBooleanAndOneWithAValue) {
  ASSERT_TRUE(parse({"-safe-mode"}).ok());
  EXPECT_TRUE(safe_mode);
  ASSERT_TRUE(parse({"--safe-mode=false"}).ok());
  EXPECT_FALSE(safe_mode);
}

TEST_F(Options, RefusesAnUnknownFlagAnUnknownKeyAndAStrayArgument) {
  EXPECT_FALSE(parse({"--nope"}).ok());
  EXPECT_FALSE(parse({"stray"}).ok());
  const auto status = apply_toml(table, "addr = 'x'\n[syncer]\nnope = 1\n", "f.toml");
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("syncer.nope"));
}

TEST_F(Options, NamesTheValueAndTheRangeOfARefusal) {
  const auto out_of_range = parse({"--txn-batch=1000"});
  ASSERT_FALSE(out_of_range.ok());
  EXPECT_THAT(std::string(out_of_range.status().message()), testing::AllOf(HasSubstr("1000"), HasSubstr("1 to 100")));
  EXPECT_FALSE(parse({"--txn-batch=x"}).ok());
  EXPECT_FALSE(parse({"--log-level=loud"}).ok());
}

TEST_F(Options, LetsAFlagWinOverTheFile) {
  const std::string path = testing::TempDir() + "/options_test.toml";
  FILE* file = std::fopen(path.c_str(), "w");
  std::fputs("addr = 'file:1'\n[syncer]\ntxn-batch = 9\n", file);
  std::fclose(file);
  ASSERT_TRUE(parse({"--config", path, "--addr", "flag:1"}).ok());
  EXPECT_EQ(addr, "flag:1");
  EXPECT_EQ(batch, 9);
}

TEST_F(Options, RefusesWhatHasNoFunctionYetUnlessItIsTheDefault) {
  std::string mode = "plain";
  TableRows routes;
  table.options.push_back({.key = "mode", .flag = "mode", .field = &mode, .help = "how", .supported = false});
  table.options.push_back({.key = "route", .flag = "", .field = &routes, .help = "where to", .supported = false});
  EXPECT_TRUE(parse({"--mode=plain"}).ok());
  const auto other = parse({"--mode=fancy"});
  EXPECT_THAT(std::string(other.status().message()),
              testing::AllOf(HasSubstr("--mode is not supported yet"), HasSubstr("`plain`")));
  mode = "plain";
  EXPECT_FALSE(apply_toml(table, "mode = 'fancy'", "f.toml").ok());
  EXPECT_TRUE(apply_toml(table, "route = []", "f.toml").ok());
  EXPECT_FALSE(apply_toml(table, "[[route]]\nany = [1, {shape = 2}]", "f.toml").ok());
  EXPECT_FALSE(apply_toml(table, "[route.x]\na = 1", "f.toml").ok());
}

TEST_F(Options, ReadsArraysOfTables) {
  TableRows tables;
  table.options.push_back({.key = "syncer.ignore-table", .flag = "", .field = &tables, .help = "left out"});
  ASSERT_TRUE(
      apply_toml(table,
                 "[[syncer.ignore-table]]\ndb-name = 'a'\ntbl-name = 'b'\n[[syncer.ignore-table]]\ndb-name = 'c'\n",
                 "f.toml")
          .ok());
  EXPECT_EQ(tables, (TableRows{{{"db-name", "a"}, {"tbl-name", "b"}}, {{"db-name", "c"}}}));
  EXPECT_FALSE(apply_toml(table, "[[syncer.ignore-table]]\ndb-name = 1\n", "f.toml").ok());
  EXPECT_FALSE(apply_toml(table, "[syncer]\nignore-table = 'a'\n", "f.toml").ok());
}

TEST_F(Options, WarnsOfDeprecatedKeysAndFlags) {
  std::string rotate;
  table.options.push_back(
      {.key = "log-rotate", .flag = "log-rotate", .field = &rotate, .help = "", .deprecated = true});
  const auto parsed = parse({"--log-rotate=hour"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->warnings.size(), 1u);
  StringList warnings;
  ASSERT_TRUE(apply_toml(table, "log-rotate = 'hour'", "f.toml", &warnings).ok());
  EXPECT_EQ(warnings.size(), 1u);
  EXPECT_EQ(rotate, "");
}

TEST_F(Options, ShowsHelpAndVersionAndExits) {
  const auto help = parse({"--help"});
  ASSERT_TRUE(help.ok());
  EXPECT_TRUE(help->exit_now);
  EXPECT_THAT(help->text, HasSubstr("--txn-batch"));
  const auto version = parse({"-V"});
  ASSERT_TRUE(version.ok());
  EXPECT_THAT(version->text, HasSubstr("prog"));
}

}  // namespace
}  // namespace sluice
