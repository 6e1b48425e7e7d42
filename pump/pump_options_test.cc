#include "pump/pump_options.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace sluice::pump {
namespace {

using testing::Contains;
using testing::HasSubstr;

absl::StatusOr<PumpOptions> parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "pump");
  std::vector<char*> pointers;
  for (std::string& a : arguments) pointers.push_back(a.data());
  PumpOptions options;
  const OptionTable table = pump_option_table(options);
  SLUICE_ASSIGN_OR_RETURN(const ParsedOptions parsed, parse_options(table, pointers));
  (void)parsed;
  SLUICE_RETURN_IF_ERROR(check_options(options));
  return options;
}

TEST(PumpOptions, HasAPageThatSaysWhatTheTableSays) {
  PumpOptions options;
  std::ifstream file(SLUICE_SOURCE_DIR "/docs/config/pump.md");
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_EQ(page.str(), options_page(pump_option_table(options))) << "docs/config/pump.md is stale";
}

TEST(PumpOptions, TakesTheCommandLineOfTheContract) {
  const auto options = parse({"--addr=127.0.0.1:0", "-data-dir", "/d", "--node-id", "pump-1", "--cluster-id",
                              "7711588227002558183", "--time", "writer", "-L", "debug"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->cluster_id, 7711588227002558183u);
  EXPECT_EQ(options->time_source(), net::TimeSource::writer);
  EXPECT_EQ(options->log_level, "debug");
}

TEST(PumpOptions, RefusesWhatDoesNotWorkYetRatherThanIgnoringIt) {
  for (const std::vector<std::string>& given :
       std::vector<std::vector<std::string>>{{"--pd-urls", "http://127.0.0.1:2379"},
                                             {"--registry=etcd://h:1"},
                                             {"--socket", "unix:///x"},
                                             {"--time", "pd"},
                                             {"--metrics-addr=h:1"}}) {
    const auto options = parse(given);
    ASSERT_FALSE(options.ok()) << given[0];
    EXPECT_THAT(std::string(message_of(options.status())), HasSubstr("not supported yet")) << given[0];
  }
}

TEST(PumpOptions, TakesTheGoPumpsFileAndSaysWhatHasNoEffect) {
  PumpOptions options;
  const OptionTable table = pump_option_table(options);
  StringList warnings;
  const char* text =
      "gc = 7\nheartbeat-interval = 3\n[storage]\nstop-write-at-available-space = '10 gib'\nsync-log = "
      "true\nkv_chan_cap = 7\n[storage.kv]\nblock-size = "
      "1\n[security]\nssl-ca = ''\n";
  ASSERT_TRUE(apply_toml(table, text, "f", &warnings).ok());
  EXPECT_TRUE(check_options(options).ok());
  EXPECT_THAT(warnings, testing::SizeIs(5));
  EXPECT_THAT(warnings, Contains(HasSubstr("`storage.kv_chan_cap` has no effect: there is no key-value store")));
  EXPECT_THAT(warnings, Contains(HasSubstr("`gc` has no effect: nothing is deleted yet")));
  EXPECT_THAT(std::string(message_of(apply_toml(table, "[security]\nssl-ca = 'ca.pem'\n", "f"))),
              HasSubstr("security.ssl-ca"));
}

TEST(PumpOptions, RefusesAnAddressThatOthersCannotReach) {
  EXPECT_FALSE(parse({"--addr", "0.0.0.0:8250"}).ok());
  EXPECT_TRUE(parse({"--addr", "0.0.0.0:8250", "--advertise-addr", "10.0.0.1:8250"}).ok());
  EXPECT_FALSE(parse({"--addr", "nonsense"}).ok());
}

TEST(PumpOptions, RefusesContradictionsAndValuesOutOfRange) {
  EXPECT_FALSE(parse({"--time=writer", "--oracle", "h:1"}).ok());
  EXPECT_FALSE(parse({"--segment-bytes=5"}).ok());
  EXPECT_FALSE(parse({"--segment-bytes=8388609"}).ok());
}

}  // namespace
}  // namespace sluice::pump
