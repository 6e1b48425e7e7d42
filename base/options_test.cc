#include "base/options.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

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

TEST_F(Options, TakesAShortFlagInEveryFormThatGoTakes) {
  for (const std::vector<std::string>& given : std::vector<std::vector<std::string>>{
           {"-L", "debug"}, {"-L=debug"}, {"--L", "debug"}, {"--L=debug"}, {"-Ldebug"}}) {
    level = "info";
    ASSERT_TRUE(parse(given).ok()) << given[0];
    EXPECT_EQ(level, "debug") << given[0];
  }
}

TEST_F(Options, NamesEveryWrongFlagAndKeyInOneRun) {
  const std::string path = testing::TempDir() + fmt::format("/options_errors_test.{}.toml", ::getpid());
  std::ofstream(path) << "nope-key = 1\nlog-level = 'loud'\n[syncer]\ntxn-batch = 0\nother = 2\n";
  const auto parsed = parse({"--config", path, "--nope-flag", "5", "--txn-batch", "x", "stray", "--addr"});
  std::filesystem::remove(path);
  ASSERT_FALSE(parsed.ok());
  for (const char* part : {"nope-key", "syncer.other", "loud", "syncer.txn-batch` is 0", "nope-flag",
                           "--txn-batch is `x`", "'stray'", "needs an argument: --addr"})
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(part));
  EXPECT_THAT(std::string(parsed.status().message()), testing::Not(HasSubstr("'5'")));
}

TEST_F(Options, RefusesNumbersThatDoNotFitRatherThanTakingTheLargest) {
  uint64_t id = 7;
  double share = 0.5;
  table.options.push_back({.key = "cluster-id", .flag = "cluster-id", .field = &id, .help = "id"});
  table.options.push_back({.key = "share", .flag = "share", .field = &share, .help = "share"});
  for (const char* text : {"99999999999999999999", "-1", "1x", "", "1.5", "0x1ffffffffffffffff"})
    EXPECT_FALSE(parse({fmt::format("--cluster-id={}", text)}).ok()) << text;
  for (const char* text : {"99999999999999999999", "-9223372036854775809"})
    EXPECT_FALSE(parse({fmt::format("--txn-batch={}", text)}).ok()) << text;
  for (const char* text : {"1e999", "nan", "inf"}) EXPECT_FALSE(parse({fmt::format("--share={}", text)}).ok()) << text;
  EXPECT_EQ(id, 7u);
  EXPECT_TRUE(parse({"--cluster-id=18446744073709551615"}).ok());
  EXPECT_EQ(id, UINT64_MAX);
  EXPECT_FALSE(apply_toml(table, "cluster-id = 99999999999999999999", "f.toml").ok());
}

TEST_F(Options, RefusesAConfigFileThatIsAFolder) {
  const auto parsed = parse({"--config", testing::TempDir()});
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("is a folder"));
  EXPECT_FALSE(parse({"--config", "/no/such/file"}).ok());
}

TEST_F(Options, TakesTheEnvironmentBetweenFileAndFlagOrSaysThatItDoesNot) {
  ::setenv("PROG_ADDR", "env:1", 1);
  ::setenv("PROG_TXN_BATCH", "9", 1);
  const auto ignored = parse({});
  ASSERT_TRUE(ignored.ok());
  EXPECT_THAT(ignored->warnings,
              testing::ElementsAre(testing::AllOf(HasSubstr("PROG_ADDR"), HasSubstr("PROG_TXN_BATCH"))));
  EXPECT_EQ(addr, "127.0.0.1:8250");
  table.environment = true;
  const auto taken = parse({"--txn-batch=7"});
  EXPECT_EQ(addr, "env:1");
  EXPECT_EQ(batch, 7);
  EXPECT_THAT(taken->warnings, testing::ElementsAre(HasSubstr("PROG_ADDR=env:1")));
  ::setenv("PROG_TXN_BATCH", "x", 1);
  EXPECT_FALSE(parse({}).ok());
  ::unsetenv("PROG_ADDR");
  ::unsetenv("PROG_TXN_BATCH");
}

TEST_F(Options, ReadsSizesAsGosProgramsWriteThem) {
  EXPECT_EQ(parse_bytes("10 gib"), 10ull << 30);
  EXPECT_EQ(parse_bytes("512MB"), 512'000'000u);
  EXPECT_EQ(parse_bytes("1.5 KiB"), 1536u);
  EXPECT_EQ(parse_bytes("42"), 42u);
  for (const char* text : {"", "gib", "10 gibs", "-1 kb", "1e30 gb"})
    EXPECT_FALSE(parse_bytes(text).has_value()) << text;
  uint64_t space = 0;
  table.options.push_back({.key = "space", .flag = "space", .field = &space, .help = "", .unit = "bytes"});
  ASSERT_TRUE(apply_toml(table, "space = '10 gib'", "f.toml").ok());
  EXPECT_EQ(space, 10ull << 30);
  ASSERT_TRUE(parse({"--space=1kib"}).ok());
  EXPECT_EQ(space, 1024u);
}

TEST_F(Options, TakesAnyValueOfWhatHasNoEffectAndSaysWhy) {
  std::string gc;
  table.options.push_back({.key = "gc", .flag = "gc", .field = &gc, .help = "", .no_effect = "nothing is deleted"});
  StringList warnings;
  ASSERT_TRUE(apply_toml(table, "gc = 7", "f.toml", &warnings).ok());
  EXPECT_THAT(warnings, testing::ElementsAre(testing::AllOf(HasSubstr("gc"), HasSubstr("nothing is deleted"))));
  EXPECT_THAT(parse({"--gc=7"})->warnings, testing::SizeIs(1));
}

TEST_F(Options, TellsWhatAReloadMayChangeFromWhatNeedsARestart) {
  std::string other_addr = "b:1", other_level = "debug", same = "x";
  const auto table_of = [](std::string* a, std::string* l, std::string* s) {
    return OptionTable{.program = "prog",
                       .options = {{.key = "addr", .flag = "addr", .field = a, .help = ""},
                                   {.key = "log-level", .flag = "L", .field = l, .help = "", .reloadable = true},
                                   {.key = "same", .flag = "same", .field = s, .help = ""}}};
  };
  const ChangedOptions changed =
      changed_options(table_of(&addr, &level, &same), table_of(&other_addr, &other_level, &same));
  EXPECT_EQ(changed.reloadable, StringList{"log-level"});
  EXPECT_EQ(changed.need_restart, StringList{"addr"});
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
