#include "tools/loadgen/commit_times.h"

#include <gtest/gtest.h>

namespace sluice::loadgen {
namespace {

TEST(CommitTimes, RemembersEachWorkersOwnAndForgetsTheOldest) {
  CommitTimes times(2);
  const CommitTimes::Time first{std::chrono::nanoseconds(1'000)};
  const CommitTimes::Time second{std::chrono::nanoseconds(2'000)};
  times.note(0, 1, first);
  times.note(1, 1, second);
  EXPECT_EQ(times.sent(0, 1), first);
  EXPECT_EQ(times.sent(1, 1), second);
  EXPECT_EQ(times.sent(0, 2), std::nullopt);
  EXPECT_EQ(times.sent(2, 1), std::nullopt);
  times.note(0, 1 + CommitTimes::kRemembered, second);
  EXPECT_EQ(times.sent(0, 1), std::nullopt);
  EXPECT_EQ(times.sent(0, 1 + CommitTimes::kRemembered), second);
}

}  // namespace
}  // namespace sluice::loadgen
