#include "drainer/pump_roster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace sluice::drainer {
namespace {

using testing::HasSubstr;

constexpr std::string_view kKept = "cluster 7\na:1 pump-a active\nb:1 pump-b active\n";
const PumpAdmission kKnown;

PumpRoster roster(std::string_view text, std::vector<std::string> addresses) {
  auto parsed = PumpRoster::parse(text, std::move(addresses));
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return std::move(parsed).value();
}

std::string error(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  return std::string(message_of(status));
}

TEST(PumpRoster, KeepsTheFirstSetOnceAllHaveSpoken) {
  PumpRoster first = roster("", {"a:1", "b:1"});
  ASSERT_TRUE(first.check(CommitTs()).ok());
  EXPECT_EQ(first.welcome(0, "pump-a", 7).value(), kKnown);
  EXPECT_FALSE(first.take_changed());
  EXPECT_EQ(first.welcome(1, "pump-b", 7).value(), kKnown);
  EXPECT_TRUE(first.take_changed());
  EXPECT_EQ(first.text(), kKept);
  EXPECT_FALSE(first.take_changed());
}

TEST(PumpRoster, RefusesAMissingPumpByName) {
  EXPECT_THAT(error(roster(kKept, {"a:1"}).check(CommitTs(9))), HasSubstr("BEHIND/pump-b"));
}

TEST(PumpRoster, TakesAKnownPumpBehindANewAddress) {
  PumpRoster moved = roster(kKept, {"a:1", "b:2"});
  ASSERT_TRUE(moved.check(CommitTs(9)).ok());
  EXPECT_EQ(moved.welcome(1, "pump-b", 7).value(), kKnown);
  EXPECT_EQ(moved.welcome(0, "pump-a", 7).value(), kKnown);
  EXPECT_THAT(moved.text(), HasSubstr("b:2 pump-b active"));
}

TEST(PumpRoster, RefusesWhenAStrangerStandsWhereAKeptPumpIsMissing) {
  PumpRoster other = roster(kKept, {"a:1", "c:1"});
  ASSERT_TRUE(other.check(CommitTs(9)).ok());
  ASSERT_TRUE(other.welcome(0, "pump-a", 7).ok());
  EXPECT_THAT(error(other.welcome(1, "pump-c", 7).status()), HasSubstr("BEHIND/pump-b"));
}

TEST(PumpRoster, KeepsAPumpThatJoinsOnlyOnceItIsProven) {
  PumpRoster more = roster(kKept, {"a:1", "b:1", "c:1"});
  ASSERT_TRUE(more.check(CommitTs(9)).ok());
  ASSERT_TRUE(more.welcome(0, "pump-a", 7).ok());
  ASSERT_TRUE(more.welcome(1, "pump-b", 7).ok());
  EXPECT_EQ(more.welcome(2, "pump-c", 7).value(), PumpAdmission{.pulled_through = CommitTs()});
  EXPECT_EQ(more.text(), kKept);
  more.proven(2);
  EXPECT_THAT(more.text(), HasSubstr("c:1 pump-c active"));
}

TEST(PumpRoster, LetsAnEndedPumpBeLeftOutOnceItsEndIsPassed) {
  PumpRoster before = roster(kKept, {"a:1", "b:1"});
  ASSERT_TRUE(before.welcome(0, "pump-a", 7).ok());
  ASSERT_TRUE(before.welcome(1, "pump-b", 7).ok());
  before.ended(1, CommitTs(50));
  EXPECT_TRUE(roster(before.text(), {"a:1"}).check(CommitTs(50)).ok());
  EXPECT_FALSE(roster(before.text(), {"a:1"}).check(CommitTs(49)).ok());
}

TEST(PumpRoster, HasAReturningPumpShowThatNothingWasPassed) {
  PumpRoster back = roster("cluster 7\na:1 pump-a active\nb:1 pump-b ended:50\n", {"a:1", "b:1"});
  ASSERT_TRUE(back.check(CommitTs(60)).ok());
  ASSERT_TRUE(back.welcome(0, "pump-a", 7).ok());
  EXPECT_EQ(back.welcome(1, "pump-b", 7).value(), PumpAdmission{.pulled_through = CommitTs(50)});
  back.proven(1);
  EXPECT_EQ(back.text(), kKept);
}

TEST(PumpRoster, RefusesAPumpOfAnotherClusterAndOneNamedTwice) {
  PumpRoster first = roster("", {"a:1", "b:1", "c:1"});
  ASSERT_TRUE(first.welcome(0, "pump-a", 7).ok());
  EXPECT_THAT(error(first.welcome(1, "pump-b", 8).status()), HasSubstr("cluster 8"));
  EXPECT_THAT(error(first.welcome(2, "pump-a", 7).status()), HasSubstr("twice"));
  EXPECT_THAT(error(roster(kKept, {"a:1", "b:1"}).welcome(0, "pump-a", 9).status()), HasSubstr("cluster 9"));
}

TEST(PumpRoster, RefusesAnotherPumpAtTheSameAddressAndANamelessOne) {
  PumpRoster first = roster("", {"a:1", "b:1"});
  ASSERT_TRUE(first.welcome(0, "pump-a", 7).ok());
  EXPECT_THAT(error(first.welcome(0, "pump-x", 7).status()), HasSubstr("is now pump-x"));
  EXPECT_THAT(error(first.welcome(1, "", 7).status()), HasSubstr("--node-id"));
}

TEST(PumpRoster, RefusesADamagedFile) {
  for (const std::string_view text : {"clutser 7\n", "cluster x\n", "cluster 7\na:1\n", "cluster 7\na:1 a ended:x\n",
                                      "cluster 7\na:1 a active more\n"})
    EXPECT_EQ(PumpRoster::parse(text, {"a:1"}).status().code(), absl::StatusCode::kFailedPrecondition) << text;
}

}  // namespace
}  // namespace sluice::drainer
