#include "drainer/pull/pump_roster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace sluice::drainer::pull {
namespace {

using testing::HasSubstr;

// As before logs were remembered; and as it is written now.
constexpr std::string_view kKept = "cluster 7\na:1 pump-a active\nb:1 pump-b active\n";
constexpr std::string_view kUpgraded =
    "cluster 7\n"
    "a:1 pump-a active log:0000000000000000 seen:0 resolved:0\n"
    "b:1 pump-b active log:0000000000000000 seen:0 resolved:0\n";
constexpr std::string_view kWithLogs =
    "cluster 7\n"
    "a:1 pump-a active log:000000000000002a seen:40 resolved:55\n"
    "b:1 pump-b active log:00000000000000ff seen:0 resolved:0\n";
const PumpAdmission kKnown;

PumpRoster roster(std::optional<std::string_view> text, std::vector<std::string> addresses) {
  auto parsed = PumpRoster::parse(text, std::move(addresses));
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return std::move(parsed).value();
}

std::string error(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  return std::string(message_of(status));
}

TEST(PumpRoster, KeepsTheFirstSetOnceAllHaveSpoken) {
  PumpRoster first = roster(std::nullopt, {"a:1", "b:1"});
  ASSERT_TRUE(first.check(CommitTs()).ok());
  EXPECT_EQ(first.welcome(0, {.node_id = "pump-a", .cluster_id = 7}).value(), kKnown);
  EXPECT_FALSE(first.take_changed());
  EXPECT_EQ(first.welcome(1, {.node_id = "pump-b", .cluster_id = 7}).value(), kKnown);
  EXPECT_TRUE(first.take_changed());
  EXPECT_EQ(first.text(), kUpgraded);
  EXPECT_FALSE(first.take_changed());
}

TEST(PumpRoster, RefusesAMissingPumpByName) {
  EXPECT_THAT(error(roster(kKept, {"a:1"}).check(CommitTs(9))), HasSubstr("BEHIND/pump-b"));
}

TEST(PumpRoster, TakesAKnownPumpBehindANewAddress) {
  PumpRoster moved = roster(kKept, {"a:1", "b:2"});
  ASSERT_TRUE(moved.check(CommitTs(9)).ok());
  EXPECT_EQ(moved.welcome(1, {.node_id = "pump-b", .cluster_id = 7}).value(), kKnown);
  EXPECT_EQ(moved.welcome(0, {.node_id = "pump-a", .cluster_id = 7}).value(), kKnown);
  EXPECT_THAT(moved.text(), HasSubstr("b:2 pump-b active"));
}

TEST(PumpRoster, RefusesWhenAStrangerStandsWhereAKeptPumpIsMissing) {
  PumpRoster other = roster(kKept, {"a:1", "c:1"});
  ASSERT_TRUE(other.check(CommitTs(9)).ok());
  ASSERT_TRUE(other.welcome(0, {.node_id = "pump-a", .cluster_id = 7}).ok());
  EXPECT_THAT(error(other.welcome(1, {.node_id = "pump-c", .cluster_id = 7}).status()), HasSubstr("BEHIND/pump-b"));
}

TEST(PumpRoster, KeepsAPumpThatJoinsOnlyOnceItIsProven) {
  PumpRoster more = roster(kKept, {"a:1", "b:1", "c:1"});
  ASSERT_TRUE(more.check(CommitTs(9)).ok());
  ASSERT_TRUE(more.welcome(0, {.node_id = "pump-a", .cluster_id = 7}).ok());
  ASSERT_TRUE(more.welcome(1, {.node_id = "pump-b", .cluster_id = 7}).ok());
  EXPECT_EQ(more.welcome(2, {.node_id = "pump-c", .cluster_id = 7}).value(),
            PumpAdmission{.pulled_through = CommitTs()});
  EXPECT_EQ(more.text(), kUpgraded);
  more.proven(2);
  EXPECT_THAT(more.text(), HasSubstr("c:1 pump-c active"));
}

TEST(PumpRoster, LetsAnEndedPumpBeLeftOutOnceItsEndIsPassed) {
  PumpRoster before = roster(kKept, {"a:1", "b:1"});
  ASSERT_TRUE(before.welcome(0, {.node_id = "pump-a", .cluster_id = 7}).ok());
  ASSERT_TRUE(before.welcome(1, {.node_id = "pump-b", .cluster_id = 7}).ok());
  before.ended(1, CommitTs(50));
  EXPECT_TRUE(roster(before.text(), {"a:1"}).check(CommitTs(50)).ok());
  EXPECT_FALSE(roster(before.text(), {"a:1"}).check(CommitTs(49)).ok());
}

TEST(PumpRoster, HasAReturningPumpShowThatNothingWasPassed) {
  PumpRoster back = roster("cluster 7\na:1 pump-a active\nb:1 pump-b ended:50\n", {"a:1", "b:1"});
  ASSERT_TRUE(back.check(CommitTs(60)).ok());
  ASSERT_TRUE(back.welcome(0, {.node_id = "pump-a", .cluster_id = 7}).ok());
  EXPECT_EQ(back.welcome(1, {.node_id = "pump-b", .cluster_id = 7}).value(),
            PumpAdmission{.pulled_through = CommitTs(50)});
  back.proven(1);
  EXPECT_EQ(back.text(), kUpgraded);
}

TEST(PumpRoster, RefusesAPumpOfAnotherClusterAndOneNamedTwice) {
  PumpRoster first = roster(std::nullopt, {"a:1", "b:1", "c:1"});
  ASSERT_TRUE(first.welcome(0, {.node_id = "pump-a", .cluster_id = 7}).ok());
  EXPECT_THAT(error(first.welcome(1, {.node_id = "pump-b", .cluster_id = 8}).status()), HasSubstr("cluster 8"));
  EXPECT_THAT(error(first.welcome(2, {.node_id = "pump-a", .cluster_id = 7}).status()), HasSubstr("twice"));
  EXPECT_THAT(error(roster(kKept, {"a:1", "b:1"}).welcome(0, {.node_id = "pump-a", .cluster_id = 9}).status()),
              HasSubstr("cluster 9"));
}

TEST(PumpRoster, RefusesAnotherPumpAtTheSameAddressAndANamelessOne) {
  PumpRoster first = roster(std::nullopt, {"a:1", "b:1"});
  ASSERT_TRUE(first.welcome(0, {.node_id = "pump-a", .cluster_id = 7}).ok());
  EXPECT_THAT(error(first.welcome(0, {.node_id = "pump-x", .cluster_id = 7}).status()), HasSubstr("is now pump-x"));
  EXPECT_THAT(error(first.welcome(1, {.node_id = "", .cluster_id = 7}).status()), HasSubstr("--node-id"));
}

TEST(PumpRoster, RemembersEachPumpsLogAndWhatCameFromIt) {
  PumpRoster first = roster(std::nullopt, {"a:1", "b:1"});
  ASSERT_TRUE(first.welcome(0, {.node_id = "pump-a", .cluster_id = 7, .log_birth_id = 0x2a}).ok());
  ASSERT_TRUE(first.welcome(1, {.node_id = "pump-b", .cluster_id = 7, .log_birth_id = 0xff}).ok());
  ASSERT_TRUE(first.take_changed());
  first.saw(0, CommitTs(40), ResolvedTs(50));
  EXPECT_TRUE(first.take_changed());
  first.saw(0, CommitTs(30), ResolvedTs(55));
  EXPECT_FALSE(first.take_changed());  // a resolved ts alone isn't worth a write
  EXPECT_EQ(first.text(), kWithLogs);
  PumpRoster again = roster(kWithLogs, {"a:1", "b:1"});
  EXPECT_EQ(again.text(), kWithLogs);
  EXPECT_EQ(
      again.welcome(0, {.node_id = "pump-a", .cluster_id = 7, .log_birth_id = 0x2a, .log_largest_ts = CommitTs(40)})
          .value(),
      (PumpAdmission{.pulled_through = std::nullopt, .seen = CommitTs(40), .resolved = ResolvedTs(55)}));
}

TEST(PumpRoster, RefusesAKnownPumpWithANewLog) {
  const std::string said = error(
      roster(kWithLogs, {"a:1", "b:1"})
          .welcome(0, {.node_id = "pump-a", .cluster_id = 8, .log_birth_id = 0x2b, .log_largest_ts = CommitTs(90)})
          .status());
  EXPECT_THAT(said, HasSubstr("pump pump-a at a:1 has a new or rewound log"));
  EXPECT_THAT(said, HasSubstr("000000000000002b"));
  EXPECT_THAT(said, HasSubstr("000000000000002a"));
  EXPECT_THAT(said, HasSubstr("--initial-commit-ts"));
}

TEST(PumpRoster, RefusesAKnownPumpWhoseLogEndsBelowWhatCameFromIt) {
  const std::string said = error(
      roster(kWithLogs, {"a:1", "b:1"})
          .welcome(0, {.node_id = "pump-a", .cluster_id = 7, .log_birth_id = 0x2a, .log_largest_ts = CommitTs(39)})
          .status());
  EXPECT_THAT(said, HasSubstr("new or rewound log"));
  EXPECT_THAT(said, HasSubstr("39"));
  EXPECT_THAT(said, HasSubstr("commit ts 40"));
}

TEST(PumpRoster, RefusesALogThatChangesWhileTheDrainerRuns) {
  PumpRoster first = roster(std::nullopt, {"a:1", "b:1"});
  ASSERT_TRUE(first.welcome(0, {.node_id = "pump-a", .cluster_id = 7, .log_birth_id = 1}).ok());
  EXPECT_TRUE(first.welcome(0, {.node_id = "pump-a", .cluster_id = 7, .log_birth_id = 1}).ok());
  EXPECT_THAT(error(first.welcome(0, {.node_id = "pump-a", .cluster_id = 7, .log_birth_id = 2}).status()),
              HasSubstr("new or rewound log"));
}

TEST(PumpRoster, TakesOverAFileOfBeforeLogsWereKnown) {
  PumpRoster old = roster(kKept, {"a:1", "b:1"});
  ASSERT_TRUE(old.welcome(0, {.node_id = "pump-a", .cluster_id = 7, .log_birth_id = 0x2a}).ok());
  EXPECT_TRUE(old.take_changed());
  EXPECT_THAT(old.text(), HasSubstr("a:1 pump-a active log:000000000000002a seen:0 resolved:0"));
}

TEST(PumpRoster, RefusesADamagedFileNamingFileLineAndValue) {
  const std::string tail = " log:000000000000002a seen:40 resolved:55";
  for (const std::string& text : std::vector<std::string>{
           "", "clutser 7\n", "cluster x\n", "cluster -7\n", "cluster 99999999999999999999\n", "cluster 7",
           "cluster 7\na:1\n", "cluster 7\na:1 a active", "cluster 7\na:1 a ended:x\n", "cluster 7\na:1 a ended:-1\n",
           "cluster 7\na:1 a ended:18446744073709551615\n", "cluster 7\na:1 a active more\n",
           "cluster 7\na:1 a active log:2a seen:40 resolved:55\n", "cluster 7\na:1 a active" + tail + "x\n",
           "cluster 7\na:1 a active" + tail + " more\n", "cluster 7\na:1 a active log:000000000000002a seen:40\n",
           "cluster 7\na:1 a active\nb:1 a active\n", std::string("\0\xff\x01\n", 4)}) {
    const auto parsed = PumpRoster::parse(text, {"a:1"}, "/data/pumps");
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kFailedPrecondition) << text;
    EXPECT_THAT(std::string(message_of(parsed.status())), HasSubstr("/data/pumps line ")) << text;
  }
  EXPECT_THAT(
      error(PumpRoster::parse("cluster 7\na:1 a active log:000000000000002a seen:9223372036854775807 resolved:1\n",
                              {"a:1"}, "/data/pumps")
                .status()),
      HasSubstr("/data/pumps line 2: `9223372036854775807` is not a timestamp"));
}

}  // namespace
}  // namespace sluice::drainer::pull
