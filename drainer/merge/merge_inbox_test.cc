#include "drainer/merge/merge_inbox.h"

#include <thread>

#include <gtest/gtest.h>

namespace sluice::drainer::merge {
namespace {

using std::chrono::steady_clock;

const auto kNow = steady_clock::time_point::min();
const auto kLate = steady_clock::now() + std::chrono::hours(1);

TEST(MergeInbox, HandsOverTransactionsInOrderAndTheLatestResolvedTs) {
  MergeInbox inbox(2);
  inbox.push(1, {.commit_ts = CommitTs(5)});
  inbox.resolve(1, ResolvedTs(6));
  inbox.push(1, {.commit_ts = CommitTs(7)});
  inbox.resolve(1, ResolvedTs(8));
  inbox.resolve(1, ResolvedTs(9));
  std::vector<SourceNews> news;
  inbox.take(news, kNow);
  EXPECT_TRUE(news[0].transactions.empty());
  ASSERT_EQ(news[1].transactions.size(), 2u);
  EXPECT_EQ(news[1].transactions[1].commit_ts, CommitTs(7));
  EXPECT_EQ(news[1].resolved, ResolvedTs(9));
}

TEST(MergeInbox, ForgetsAResolvedTsThatATransactionHasOvertaken) {
  MergeInbox inbox(1);
  inbox.resolve(0, ResolvedTs(6));
  inbox.push(0, {.commit_ts = CommitTs(7)});
  std::vector<SourceNews> news;
  inbox.take(news, kNow);
  EXPECT_FALSE(news[0].resolved);
}

TEST(MergeInbox, ForgetsAnAnnouncementOnceItsTransactionIsHere) {
  MergeInbox inbox(1);
  inbox.announce(0, CommitTs(7));
  std::vector<SourceNews> news;
  inbox.take(news, kNow);
  EXPECT_EQ(news[0].announced, CommitTs(7));
  inbox.announce(0, CommitTs(7));
  inbox.push(0, {.commit_ts = CommitTs(7)});
  inbox.take(news, kNow);
  EXPECT_FALSE(news[0].announced);
}

TEST(MergeInbox, KeepsTheFirstFailure) {
  MergeInbox inbox(1);
  inbox.fail(0, absl::DataLossError("gap"));
  inbox.fail(0, absl::UnavailableError("later"));
  std::vector<SourceNews> news;
  inbox.take(news, kNow);
  EXPECT_EQ(news[0].failure.code(), absl::StatusCode::kDataLoss);
}

TEST(MergeInbox, WakesAWaitingTaker) {
  MergeInbox inbox(1);
  std::thread loop([&] { inbox.end(0, CommitTs(3)); });
  std::vector<SourceNews> news;
  inbox.take(news, kLate);
  EXPECT_EQ(news[0].end, CommitTs(3));
  loop.join();
  inbox.wake();
  inbox.take(news, kLate);
  EXPECT_FALSE(news[0].end);
}

}  // namespace
}  // namespace sluice::drainer::merge
