#include "storage/tso_index.h"

#include <gtest/gtest.h>

namespace sluice::storage {
namespace {

class TsoIndexTest : public testing::Test {
 protected:
  TsoIndexTest() { index_.append({entry(10), entry(20), entry(30)}); }

  static OrderEntry entry(uint64_t commit) {
    return {.commit_ts = CommitTs(commit),
            .start_ts = StartTs(commit - 1),
            .prewrite = LogPosition(1, 4192),
            .prewrite_bytes = 32};
  }
  std::vector<uint64_t> commits(uint64_t after, uint64_t through, size_t count) const {
    std::vector<uint64_t> result;
    for (const OrderEntry& e : index_.range(CommitTs(after), ResolvedTs(through), count))
      result.push_back(e.commit_ts.value);
    return result;
  }

  TsoIndex index_;
};

using Commits = std::vector<uint64_t>;

TEST_F(TsoIndexTest, RangeLeavesOutItsStartAndTakesInItsEnd) {
  EXPECT_EQ(commits(10, 30, 9), (Commits{20, 30}));
  EXPECT_EQ(commits(9, 29, 9), (Commits{10, 20}));
  EXPECT_EQ(commits(0, UINT64_MAX, 9), (Commits{10, 20, 30}));
}

TEST_F(TsoIndexTest, RangeStopsAtItsCount) {
  EXPECT_EQ(commits(0, 30, 2), (Commits{10, 20}));
  EXPECT_EQ(commits(0, 30, 0), Commits{});
  EXPECT_EQ(commits(0, 30, SIZE_MAX), (Commits{10, 20, 30}));
}

TEST_F(TsoIndexTest, RangeBehindTheLastOrBelowItsStartIsEmpty) {
  EXPECT_EQ(commits(30, 99, 9), Commits{});
  EXPECT_EQ(commits(20, 10, 9), Commits{});
}

TEST_F(TsoIndexTest, FindsACommitAndNothingBetweenCommits) {
  ASSERT_TRUE(index_.find(CommitTs(20)).has_value());
  EXPECT_EQ(index_.find(CommitTs(20))->start_ts, StartTs(19));
  EXPECT_FALSE(index_.find(CommitTs(21)).has_value());
  EXPECT_FALSE(index_.find(CommitTs(31)).has_value());
}

TEST_F(TsoIndexTest, KnowsItsLastCommitAndItsSize) {
  EXPECT_EQ(index_.last(), CommitTs(30));
  EXPECT_EQ(index_.size(), 3u);
  EXPECT_EQ(TsoIndex().last(), CommitTs());
}

TEST_F(TsoIndexTest, GrowsByChunksAndFindsAcrossThem) {
  const uint64_t small = index_.bytes();
  std::vector<OrderEntry> many;
  for (uint64_t commit = 31; commit <= 50'000; ++commit) many.push_back(entry(commit));
  index_.append(many);
  EXPECT_EQ(index_.size(), 49'973u);
  EXPECT_GE(index_.bytes(), index_.size() * sizeof(OrderEntry));
  EXPECT_LT(index_.bytes(), index_.size() * sizeof(OrderEntry) + 2 * small);
  EXPECT_EQ(index_.last(), CommitTs(50'000));
  for (uint64_t commit = 31; commit <= 50'000; commit += 977) {
    ASSERT_TRUE(index_.find(CommitTs(commit)).has_value()) << commit;
    ASSERT_EQ(commits(commit - 1, UINT64_MAX, 1), Commits{commit});
  }
  EXPECT_EQ(commits(0, UINT64_MAX, SIZE_MAX).size(), 49'973u);
}

TEST_F(TsoIndexTest, ACommitAtOrBelowTheLastIsABug) {
  EXPECT_DEATH(index_.append({entry(30)}), "assertion failed");
}

}  // namespace
}  // namespace sluice::storage
