#include "drainer/drainer_options.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace sluice::drainer {
namespace {

using testing::HasSubstr;

struct Fixture : testing::Test {
  DrainerConfig config;

  absl::Status parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "drainer");
    std::vector<char*> pointers;
    for (std::string& a : arguments) pointers.push_back(a.data());
    const auto parsed = parse_options(drainer_options(config), pointers);
    return parsed.ok() ? complete(config) : parsed.status();
  }
  std::string error(std::vector<std::string> arguments) {
    const absl::Status status = parse(std::move(arguments));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(message_of(status));
  }
  absl::Status toml(std::string_view text) { return apply_toml(drainer_options(config), text, "drainer.toml"); }
};
using DrainerOptions = Fixture;

TEST_F(DrainerOptions, TakesTheCommandLineOfTheContract) {
  ASSERT_TRUE(parse({"-pumps=a:1,b:2", "--dest-db-type", "file", "-schema-history", "h.json.zst", "--until=9",
                     "--ddl-skip=1,2", "-initial-commit-ts", "7", "-L", "debug"})
                  .ok());
  EXPECT_EQ(config.pumps, (StringList{"a:1", "b:2"}));
  EXPECT_EQ(config.until, 9u);
  EXPECT_EQ(config.to.dir, "data.drainer");
  EXPECT_THAT(config.node_id, HasSubstr(":8249"));
}

TEST_F(DrainerOptions, RefusesAListOfPumpsThatCannotBeRight) {
  EXPECT_THAT(error({"--schema-history=h"}), HasSubstr("--pumps is missing"));
  EXPECT_THAT(error({"--pumps=a:1,a:1", "--schema-history=h"}), HasSubstr("twice"));
  for (const char* bad : {"--pumps=a", "--pumps=:1", "--pumps=a:0", "--pumps=a:70000", "--pumps=a:1x"})
    EXPECT_THAT(error({bad}), HasSubstr("host:port")) << bad;
}

TEST_F(DrainerOptions, RefusesWhatIsNotBuiltYetByName) {
  EXPECT_THAT(error({"--pumps=a:1", "--pd-urls=http://x:2379"}), HasSubstr("--pd-urls is not supported yet"));
  EXPECT_THAT(error({"--pumps=a:1", "--safe-mode"}), HasSubstr("--safe-mode is not supported yet"));
  EXPECT_THAT(error({"--pumps=a:1", "--dest-db-type=kafka", "--schema-history=h"}),
              HasSubstr("kafka is not supported yet"));
  EXPECT_THAT(std::string(message_of(toml("[syncer.to.params]\ntime_zone = 'UTC'"))), HasSubstr("syncer.to.params"));
}

TEST_F(DrainerOptions, TakesAConfigFileOfTheGoDrainerWithItsDefaults) {
  const absl::Status status = toml(R"(
addr = "127.0.0.1:8249"
detect-interval = 5
data-dir = "data.drainer"
[syncer]
txn-batch = 20
worker-count = 16
safe-mode = false
db-type = "file"
ignore-schemas = "INFORMATION_SCHEMA,PERFORMANCE_SCHEMA,mysql"
[[syncer.ignore-table]]
db-name = "test"
tbl-name = "log"
[syncer.to]
dir = "files"
[syncer.to.checkpoint]
schema = "tidb_binlog"
)");
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.dest_db_type, "file");
  ASSERT_EQ(config.ignore_tables.size(), 1u);
  EXPECT_EQ(config.ignore_tables[0].at("tbl-name"), "log");
  EXPECT_FALSE(toml("[syncer]\nno-such-key = 1").ok());
}

TEST_F(DrainerOptions, NamesMissingHistoryAndHowToGetIt) {
  EXPECT_THAT(error({"--pumps=a:1"}), HasSubstr("/ddl/history"));
  EXPECT_THAT(error({"--pumps=a:1", "--schema-history=h", "--ddl-skip=12,x"}), HasSubstr("`x`"));
}

TEST_F(DrainerOptions, WarnsOfWhatHasNoEffectAndRefusesAllThatChangesTheDataInOneRun) {
  StringList warnings;
  const absl::Status tuned = apply_toml(drainer_options(config), "detect-interval = 10\n[syncer]\nworker-count = 8\n",
                                        "drainer.toml", &warnings);
  ASSERT_TRUE(tuned.ok()) << tuned;
  EXPECT_THAT(warnings, testing::UnorderedElementsAre(HasSubstr("`detect-interval` has no effect: "),
                                                      HasSubstr("`syncer.worker-count` has no effect: ")));
  EXPECT_TRUE(parse({"--pumps=a:1", "--schema-history=h", "-c", "8", "--txn-batch=100"}).ok());
  EXPECT_TRUE(parse({"--pumps=a:1", "--schema-history=h", "-c=16", "--disable-detect"}).ok());
  EXPECT_THAT(error({"--safe-mode", "--sync-ddl=false", "--loopback-control", "-c=8"}),
              testing::AllOf(HasSubstr("--safe-mode"), HasSubstr("--sync-ddl"), HasSubstr("--loopback-control")));
}

TEST_F(DrainerOptions, TakesTheEnvironmentBelowFlags) {
  ASSERT_EQ(setenv("DRAINER_DATA_DIR", "from-environment", 1), 0);
  const absl::Status without = parse({"--pumps=a:1", "--schema-history=h"});
  const std::string taken = config.data_dir;
  const absl::Status with = parse({"--pumps=a:1", "--schema-history=h", "--data-dir=from-flag"});
  unsetenv("DRAINER_DATA_DIR");
  EXPECT_TRUE(without.ok() && with.ok());
  EXPECT_EQ(taken, "from-environment");
  EXPECT_EQ(config.data_dir, "from-flag");
}

TEST_F(DrainerOptions, TakesTransactionsToLeaveOutAsFlagAndInAConfigFile) {
  ASSERT_TRUE(parse({"--pumps=a:1", "--schema-history=h", "--ignore-txn-commit-ts=5,7"}).ok());
  EXPECT_EQ(config.ignore_txns, (StringList{"5", "7"}));
  const absl::Status status = toml("[syncer]\nignore-txn-commit-ts = [8, 9]");
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.ignore_txns, (StringList{"8", "9"}));
  for (const char* bad : {"x", "0", "7x", "99999999999999999999"})
    EXPECT_THAT(error({"--pumps=a:1", "--schema-history=h", fmt::format("--ignore-txn-commit-ts={}", bad)}),
                HasSubstr("--ignore-txn-commit-ts has"))
        << bad;
}

TEST(DrainerOptionsPage, IsUpToDate) {
  DrainerConfig config;
  std::ifstream file(SLUICE_SOURCE_DIR "/docs/config/drainer.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const std::string expected = options_page(drainer_options(config));
  if (page != expected) std::ofstream(testing::TempDir() + "/drainer.md") << expected;
  EXPECT_EQ(page, expected) << "replace docs/config/drainer.md by " << testing::TempDir() << "/drainer.md";
}

}  // namespace
}  // namespace sluice::drainer
