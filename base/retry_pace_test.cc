#include "base/retry_pace.h"

#include <vector>

#include <gtest/gtest.h>

namespace sluice {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RetryPace, WaitsLongerEachTimeUpToItsLimitAndStartsAnewAfterASuccess) {
  RetryPace pace;
  const RetryPace::Time now{};
  EXPECT_EQ(pace.failed(now).delay, milliseconds(50));
  EXPECT_EQ(pace.failed(now).delay, milliseconds(100));
  for (int i = 0; i < 20; ++i) (void)pace.failed(now);
  EXPECT_EQ(pace.failed(now).delay, milliseconds(2000));
  (void)pace.went_on();
  EXPECT_EQ(pace.failed(now).delay, milliseconds(50));
}

TEST(RetryPace, AMinuteOfDeadlocksIsSixLinesThoughEachIsFollowedByASuccess) {
  RetryPace pace;
  int lines = 0;
  uint64_t told = 0;
  for (int ms = 0; ms < 60000; ++ms) {
    const RetryPace::Turn turn = pace.failed(RetryPace::Time(milliseconds(ms)));
    if (turn.say) {
      ++lines;
      told += turn.unsaid + 1;
    }
    (void)pace.went_on();
  }
  EXPECT_EQ(lines, 6);
  EXPECT_EQ(told, 50001u) << "the lines count what they don't show";  // the last 9,999 are of a line still due
}

TEST(RetryPace, TellsSinceWhenAndSaysBackOnlyWhereItSaidGone) {
  RetryPace pace;
  EXPECT_EQ(pace.went_on(), std::nullopt);
  (void)pace.failed(RetryPace::Time(seconds(1)));
  (void)pace.failed(RetryPace::Time(seconds(5)));
  EXPECT_EQ(pace.since(), RetryPace::Time(seconds(1)));
  EXPECT_EQ(pace.went_on(), RetryPace::Time(seconds(1)));
  (void)pace.failed(RetryPace::Time(seconds(6)));  // within 10 s: unsaid
  EXPECT_EQ(pace.went_on(), std::nullopt);
}

TEST(RetryPace, SaysAgainAtGrowingDistancesWhileNothingGoesOn) {
  RetryPace pace({.log_interval = seconds(30), .log_interval_max = seconds(100)});
  std::vector<int> said;
  for (int s = 0; s < 400; ++s)
    if (pace.failed(RetryPace::Time(seconds(s))).say) said.push_back(s);
  EXPECT_EQ(said, (std::vector<int>{0, 30, 90, 190, 290, 390}));
  (void)pace.went_on();
  EXPECT_TRUE(pace.failed(RetryPace::Time(seconds(420))).say) << "a new trouble has the short distance again";
}

}  // namespace
}  // namespace sluice
