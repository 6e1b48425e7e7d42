#include "drainer/sinks/mysql/server_errors.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace sluice::drainer::sinks::mysql {
namespace {

TEST(ServerErrors, StandByNumberEachOnce) {
  const auto errors = server_errors();
  EXPECT_TRUE(std::is_sorted(errors.begin(), errors.end(),
                             [](const ServerError& a, const ServerError& b) { return a.number < b.number; }));
  EXPECT_EQ(std::adjacent_find(errors.begin(), errors.end(),
                               [](const ServerError& a, const ServerError& b) { return a.number == b.number; }),
            errors.end());
}

TEST(ServerErrors, AReadOnlyServerAFullDiskAndTooManyConnectionsAreWaitedFor) {
  for (const unsigned number : {1290u, 1836u, 1792u, 1021u, 1114u, 1040u, 1203u, 1226u, 9011u})
    EXPECT_EQ(meaning_of(number), ErrorMeaning::wait) << number;
}

TEST(ServerErrors, LostPrivilegesAreToldFromRefusedRows) {
  for (const unsigned number : {1044u, 1142u, 1143u, 1227u, 1370u})
    EXPECT_EQ(meaning_of(number), ErrorMeaning::privilege) << number;
  for (const unsigned number : {1062u, 1406u, 1146u, 4444u})
    EXPECT_EQ(meaning_of(number), ErrorMeaning::stop) << number;
}

TEST(ServerErrors, LocksAreTriedAgainAndLostSessionsMadeAgain) {
  for (const unsigned number : {1205u, 1213u, 9007u, 8028u})
    EXPECT_EQ(code_of(meaning_of(number)), absl::StatusCode::kAborted) << number;
  for (const unsigned number : {2006u, 2013u, 1053u, 1927u, 5014u})
    EXPECT_EQ(code_of(meaning_of(number)), absl::StatusCode::kUnavailable) << number;
}

TEST(ServerErrors, ThePageIsTheTable) {
  std::ifstream file(SLUICE_SOURCE_DIR "/docs/mysql-errors.md");
  std::stringstream page;
  page << file.rdbuf();
  const std::string expected = server_errors_page();
  std::ofstream(testing::TempDir() + "/mysql-errors.md") << expected;
  EXPECT_EQ(page.str(), expected) << "replace docs/mysql-errors.md by " << testing::TempDir() << "/mysql-errors.md";
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
