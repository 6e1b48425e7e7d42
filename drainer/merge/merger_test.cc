#include "drainer/merge/merger.h"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace sluice::drainer::merge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

PulledTransaction transaction(uint64_t commit, uint64_t start) {
  return {.start_ts = StartTs(start), .commit_ts = CommitTs(commit), .format = PayloadFormat::tidb};
}

// merge.data(0, 5).resolved(1, 5) … then merge.all() are the commit ts that come out.
struct Fixture : testing::Test {
  Merger merger{{"a", "b"}};

  void data(size_t source, uint64_t commit, uint64_t start = 0) {
    ASSERT_TRUE(merger.push(source, transaction(commit, start == 0 ? commit - 1 : start)).ok());
  }
  void resolved(size_t source, uint64_t ts) { ASSERT_TRUE(merger.resolve(source, ResolvedTs(ts)).ok()); }
  void announced(size_t source, uint64_t ts) { ASSERT_TRUE(merger.announce(source, CommitTs(ts)).ok()); }
  void end(size_t source, uint64_t ts) { ASSERT_TRUE(merger.finish(source, CommitTs(ts)).ok()); }
  std::vector<uint64_t> all() {
    std::vector<uint64_t> out;
    for (;;) {
      auto next = merger.pop();
      EXPECT_TRUE(next.ok()) << next.status();
      if (!next.ok() || !*next) return out;
      out.push_back((*next)->commit_ts.value);
    }
  }
  std::string error() {
    for (;;) {
      auto next = merger.pop();
      if (!next.ok()) return std::string(message_of(next.status()));
      if (!*next) return "";
    }
  }
};
using MergerTest = Fixture;

TEST_F(MergerTest, WaitsForASourceThatHasSaidNothing) {
  data(0, 10);
  EXPECT_THAT(all(), IsEmpty());
  const auto blocker = merger.blocker();
  ASSERT_TRUE(blocker);
  EXPECT_EQ(blocker->source, 1u);
  EXPECT_EQ(blocker->wanted, CommitTs(10));
}

TEST_F(MergerTest, EmitsWhatAPendingSourceCanNoLongerUndercut) {
  data(0, 10);
  data(0, 11);
  data(0, 12);
  resolved(1, 11);
  EXPECT_THAT(all(), ElementsAre(10, 11));
  EXPECT_EQ(merger.resolved(), ResolvedTs(11));
  resolved(1, 12);
  EXPECT_THAT(all(), ElementsAre(12));
}

TEST_F(MergerTest, TakesATransactionAsAWordAboutItsPast) {
  data(0, 10);
  data(1, 20);
  EXPECT_THAT(all(), ElementsAre(10));
  EXPECT_EQ(merger.blocker()->source, 0u);
  EXPECT_EQ(merger.resolved(), ResolvedTs(10));
}

TEST_F(MergerTest, ReportsTheSmallestResolvedTsWhenNothingIsQueued) {
  resolved(0, 30);
  resolved(1, 20);
  EXPECT_THAT(all(), IsEmpty());
  EXPECT_EQ(merger.resolved(), ResolvedTs(20));
  EXPECT_FALSE(merger.blocker()->wanted);
}

TEST_F(MergerTest, DoesNotWaitForAnExhaustedSource) {
  data(0, 10);
  data(0, 20);
  data(1, 15);
  end(1, 15);
  EXPECT_THAT(all(), ElementsAre(10, 15, 20));
  end(0, 25);
  EXPECT_THAT(all(), IsEmpty());
  EXPECT_TRUE(merger.exhausted());
  EXPECT_FALSE(merger.blocker());
  EXPECT_EQ(merger.resolved(), ResolvedTs(25));
}

TEST_F(MergerTest, CollapsesOneTransactionHeldByTwoPumps) {
  data(0, 10, 5);
  data(1, 10, 5);
  data(0, 11);
  resolved(1, 11);
  EXPECT_THAT(all(), ElementsAre(10, 11));
  EXPECT_EQ(merger.duplicates(), 1u);
}

TEST_F(MergerTest, RefusesTwoTransactionsWithOneCommitTs) {
  data(0, 10, 5);
  data(1, 10, 6);
  EXPECT_THAT(error(), testing::AllOf(HasSubstr("commit ts 10"), HasSubstr("start ts 5 from pump a"),
                                      HasSubstr("start ts 6 from pump b")));
}

TEST_F(MergerTest, RefusesASourceThatGoesBack) {
  data(0, 10);
  EXPECT_THAT(std::string(message_of(merger.push(0, transaction(10, 3)))), HasSubstr("pump a went back: commit ts 10"));
  resolved(1, 40);
  EXPECT_EQ(merger.push(1, transaction(40, 3)).code(), absl::StatusCode::kDataLoss);
}

TEST_F(MergerTest, RefusesDataAfterTheEndAndAnEndBelowTheData) {
  data(0, 10);
  EXPECT_EQ(merger.finish(0, CommitTs(9)).code(), absl::StatusCode::kDataLoss);
  end(0, 10);
  EXPECT_EQ(merger.push(0, transaction(11, 3)).code(), absl::StatusCode::kDataLoss);
}

TEST_F(MergerTest, RefusesATimestampNoOracleGives) {
  EXPECT_EQ(merger.resolve(0, ResolvedTs(~uint64_t{0})).code(), absl::StatusCode::kDataLoss);
}

TEST_F(MergerTest, LetsThroughWhatCommitsBeforeATransactionThatIsAnnounced) {
  announced(0, 20);
  data(1, 10);
  data(1, 19);
  data(1, 21);
  EXPECT_THAT(all(), ElementsAre(10, 19));
  EXPECT_EQ(merger.resolved(), ResolvedTs(19));
  ASSERT_TRUE(merger.blocker());
  EXPECT_EQ(merger.blocker()->source, 0u);
  EXPECT_EQ(merger.blocker()->announced, CommitTs(20));
  EXPECT_EQ(merger.blocker()->wanted, CommitTs(21));
  announced(0, 20);  // its session broke, and the next one begins with it
  data(0, 20);
  EXPECT_THAT(all(), ElementsAre(20));
  EXPECT_FALSE(merger.blocker()->announced);
}

TEST_F(MergerTest, WaitsForTheSourceThatSaidLeastBeforeTheOneThatAnnounced) {
  announced(0, 20);
  resolved(1, 18);
  EXPECT_THAT(all(), IsEmpty());
  EXPECT_EQ(merger.blocker()->source, 1u);
  resolved(1, 19);  // the announced one is next, whatever comes
  EXPECT_THAT(all(), IsEmpty());
  EXPECT_EQ(merger.blocker()->source, 0u);
  EXPECT_EQ(merger.resolved(), ResolvedTs(19));
}

TEST_F(MergerTest, DoesNotWaitForASecondCopyThatIsAnnounced) {
  announced(0, 20);
  data(1, 20, 5);
  data(1, 21);
  EXPECT_THAT(all(), ElementsAre(20));
  data(0, 20, 5);
  data(0, 30);
  EXPECT_THAT(all(), ElementsAre(21));
  EXPECT_EQ(merger.duplicates(), 1u);
}

TEST_F(MergerTest, RefusesASourceThatDoesNotSendWhatItAnnounced) {
  announced(0, 20);
  for (const absl::Status& status : {merger.push(0, transaction(21, 3)), merger.resolve(0, ResolvedTs(20)),
                                     merger.finish(0, CommitTs(30)), merger.announce(0, CommitTs(22))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(message_of(status)), testing::AllOf(HasSubstr("pump a"), HasSubstr("commit ts 20")));
  }
  EXPECT_THAT(std::string(message_of(merger.push(0, transaction(19, 3)))), HasSubstr("went back"));
  resolved(1, 40);
  EXPECT_THAT(std::string(message_of(merger.announce(1, CommitTs(40)))), HasSubstr("went back"));
}

// A random cluster: what each pump will say, and a schedule that interleaves their words. Whatever the schedule, the
// output is the sorted union, each prefix only what the brute-force rule allows at that moment.
struct World {
  struct Word {
    enum Kind { data, resolved, announced } kind = data;
    uint64_t ts = 0;
  };
  std::vector<std::vector<Word>> words;
  std::vector<uint64_t> expected;

  World(std::mt19937_64& random, size_t pumps) : words(pumps) {
    for (uint64_t ts = 2; ts < 200; ts += 1 + random() % 5) {
      const size_t holder = random() % pumps;
      const size_t second =
          random() % 10 == 0 ? random() % pumps : holder;  // a writer that timed out tried another pump
      for (size_t s = 0; s < pumps; ++s) {
        if (s == holder || s == second) {
          if (random() % 3 == 0) words[s].push_back({Word::announced, ts});
          words[s].push_back({Word::data, ts});
        } else if (random() % 3 == 0) {
          words[s].push_back({Word::resolved, ts});
        }
      }
      expected.push_back(ts);
    }
  }
};

bool was_heard(const World& world, const std::vector<size_t>& heard, uint64_t ts) {
  for (size_t s = 0; s < heard.size(); ++s)
    for (size_t i = 0; i < std::min(heard[s], world.words[s].size()); ++i)
      if (world.words[s][i].kind == World::Word::data && world.words[s][i].ts == ts) return true;
  return false;
}

// How far the s-th pump's words reach: an announced transaction comes itself, unless another pump's copy is here.
uint64_t reach(const World& world, const std::vector<size_t>& heard, size_t s) {
  if (heard[s] == 0) return 0;
  const World::Word last = world.words[s][heard[s] - 1];
  return last.kind == World::Word::announced && !was_heard(world, heard, last.ts) ? last.ts - 1 : last.ts;
}

// What may be out once these prefixes were heard: all data at or below the smallest reach of any pump that hasn't
// ended.
std::vector<uint64_t> allowed(const World& world, const std::vector<size_t>& heard) {
  uint64_t bound = kExhausted;
  for (size_t s = 0; s < heard.size(); ++s) {
    const bool ended = heard[s] > world.words[s].size();
    if (!ended) bound = std::min(bound, reach(world, heard, s));
  }
  std::vector<uint64_t> out;
  for (const uint64_t ts : world.expected) {
    if (ts > bound) break;
    out.push_back(ts);
  }
  return out;
}

// The first that isn't allowed by that rule, when it can only be followed: a copy of it is here, and a pump that may
// send nothing before has announced it.
bool may_be_ahead(const World& world, const std::vector<size_t>& heard, uint64_t ts) {
  for (size_t s = 0; s < heard.size(); ++s) {
    if (heard[s] == 0 || heard[s] > world.words[s].size()) continue;
    const World::Word last = world.words[s][heard[s] - 1];
    if (last.kind == World::Word::announced && last.ts == ts) return was_heard(world, heard, ts);
  }
  return false;
}

void run_random_schedule(uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const size_t pumps = 1 + random() % 9;
  const World world(random, pumps);
  std::vector<std::string> names(pumps, "pump");
  Merger merger(names);
  std::vector<size_t> heard(pumps, 0);
  std::vector<uint64_t> out;
  for (;;) {
    std::vector<size_t> open;
    for (size_t s = 0; s < pumps; ++s)
      if (heard[s] <= world.words[s].size()) open.push_back(s);
    if (open.empty()) break;
    const size_t s = open[random() % open.size()];
    const auto& words = world.words[s];
    if (heard[s] == words.size())
      ASSERT_TRUE(merger.finish(s, CommitTs(1000)).ok());
    else if (words[heard[s]].kind == World::Word::announced)
      ASSERT_TRUE(merger.announce(s, CommitTs(words[heard[s]].ts)).ok());
    else if (words[heard[s]].kind == World::Word::data)
      ASSERT_TRUE(merger.push(s, transaction(words[heard[s]].ts, words[heard[s]].ts - 1)).ok());
    else
      ASSERT_TRUE(merger.resolve(s, ResolvedTs(words[heard[s]].ts)).ok());
    ++heard[s];
    if (random() % 4 == 0) continue;  // several words before the merger is asked again
    for (;;) {
      auto next = merger.pop();
      ASSERT_TRUE(next.ok()) << next.status();
      if (!*next) break;
      out.push_back((*next)->commit_ts.value);
    }
    std::vector<uint64_t> rule = allowed(world, heard);
    if (out.size() > rule.size() && may_be_ahead(world, heard, out.back())) rule.push_back(out.back());
    ASSERT_EQ(out, rule);
  }
  while (auto next = merger.pop().value()) out.push_back(next->commit_ts.value);
  EXPECT_EQ(out, world.expected);
  EXPECT_TRUE(merger.exhausted());
  EXPECT_EQ(merger.resolved(), ResolvedTs(1000));
}

TEST(MergerProperty, EmitsExactlyWhatTheRuleAllowsUnderAnySchedule) {
  for (uint64_t seed = 1; seed <= 300; ++seed) run_random_schedule(seed);
}

}  // namespace
}  // namespace sluice::drainer::merge
