#include "tools/loadgen/run_checker.h"

#include <algorithm>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::loadgen {
namespace {

constexpr uint64_t kSeed = 42;
constexpr uint64_t kRun = 1000;

struct Served {
  size_t pump = 0;
  CommitTs commit;
  StartTs start;
  std::string payload;
};

// Two workers, one a pump, five transactions each and a summary, as the pumps serve them.
class WrittenRun {
 public:
  explicit WrittenRun(uint64_t run = kRun) : run_(run) {
    for (uint16_t worker = 0; worker < 2; ++worker) write(worker);
  }

  std::vector<Served>& of(size_t pump) { return pumps_[pump]; }

  RunChecker check() const {
    RunChecker checker(kSeed, {"pump-a", "pump-b"});
    feed(checker);
    checker.finish();
    return checker;
  }

  void feed(RunChecker& checker) const {
    for (const auto& pump : pumps_)
      for (const Served& one : pump) checker.on_transaction(one.pump, one.commit, one.start, as_bytes(one.payload));
  }

  Served make(uint16_t worker, PayloadKind kind, uint64_t sequence, uint64_t start, uint64_t commit) const {
    Served served{.pump = worker, .commit = CommitTs(commit), .start = StartTs(start), .payload = {}};
    content_.make({.kind = kind,
                   .worker = worker,
                   .run = run_,
                   .sequence = sequence,
                   .start = StartTs(start),
                   .payload_bytes = static_cast<uint32_t>(48 + sequence * 40'000)},
                  served.payload);
    return served;
  }

 private:
  void write(uint16_t worker) {
    Summary summary{.workers = 2, .transactions = 5};
    for (uint64_t sequence = 1; sequence <= 5; ++sequence) {
      const uint64_t start = run_ + worker + sequence * 10;
      pumps_[worker].push_back(make(worker, PayloadKind::transaction, sequence, start, start + 5));
      summary.last_commit = start + 5;
      summary.fold += fold_transaction(sequence, StartTs(start), CommitTs(start + 5));
    }
    Served last{
        .pump = worker, .commit = CommitTs(run_ + 100 + worker), .start = StartTs(run_ + 90 + worker), .payload = {}};
    content_.make_summary({.worker = worker, .run = run_, .sequence = 1, .start = last.start}, summary, last.payload);
    pumps_[worker].push_back(std::move(last));
  }

  const Content content_{kSeed};
  const uint64_t run_;
  std::vector<Served> pumps_[2];
};

using Counts = std::map<FaultKind, uint64_t>;

TEST(RunChecker, AcceptsWhatWasWritten) {
  const RunChecker checker = WrittenRun().check();
  EXPECT_EQ(checker.fault_count(), 0u) << checker.faults().front().text;
  ASSERT_EQ(checker.runs().size(), 1u);
  EXPECT_EQ(checker.runs()[0].transactions, 10u);
  EXPECT_EQ(checker.runs()[0].workers, 2u);
}

TEST(RunChecker, AcceptsSeveralRunsOfOneSeedAndIgnoresOthers) {
  RunChecker checker(kSeed, {"pump-a", "pump-b"});
  Content other(kSeed + 1);
  std::string payload;
  other.make({.kind = PayloadKind::transaction, .run = 3, .sequence = 9, .start = StartTs(1), .payload_bytes = 48},
             payload);
  checker.on_transaction(0, CommitTs(2), StartTs(1), as_bytes(payload));
  checker.on_transaction(0, CommitTs(3), StartTs(1), as_bytes("somebody else's"));
  WrittenRun(1000).feed(checker);
  WrittenRun(2000).feed(checker);
  checker.finish();
  EXPECT_EQ(checker.fault_count(), 0u);
  EXPECT_EQ(checker.runs().size(), 2u);
  EXPECT_EQ(checker.foreign(), 2u);
}

TEST(RunChecker, FindsALostTransactionWhereverItWas) {
  for (size_t lost = 0; lost < 5; ++lost) {
    WrittenRun run;
    run.of(0).erase(run.of(0).begin() + static_cast<ptrdiff_t>(lost));
    const RunChecker checker = run.check();
    EXPECT_EQ(checker.fault_counts(), (Counts{{FaultKind::lost, 1}})) << lost;
    EXPECT_THAT(checker.faults()[0].text, ::testing::HasSubstr(std::to_string(lost + 1)));
  }
}

TEST(RunChecker, FindsALostTail) {
  WrittenRun run;
  run.of(1).resize(3);
  EXPECT_EQ(run.check().fault_counts(), (Counts{{FaultKind::unfinished, 1}}));
}

TEST(RunChecker, FindsALostWorkerByTheSummaryOfAnother) {
  WrittenRun run;
  run.of(1).clear();
  const RunChecker checker = run.check();
  EXPECT_EQ(checker.fault_counts(), (Counts{{FaultKind::lost, 1}}));
  EXPECT_THAT(checker.faults()[0].text, ::testing::HasSubstr("worker 1: nothing of it is served"));
}

TEST(RunChecker, FindsThatNothingIsThere) {
  RunChecker checker(kSeed, {"pump-a"});
  checker.finish();
  EXPECT_EQ(checker.fault_counts(), (Counts{{FaultKind::lost, 1}}));
  EXPECT_THAT(checker.faults()[0].text, ::testing::HasSubstr("nothing that seed 42 wrote"));
}

TEST(RunChecker, FindsARepeatedTransactionWithAnotherCommitTs) {
  WrittenRun run;
  run.of(0).insert(run.of(0).begin() + 5, run.make(0, PayloadKind::transaction, 2, kRun + 20, kRun + 99));
  EXPECT_EQ(run.check().fault_counts(), (Counts{{FaultKind::repeated, 1}}));
}

TEST(RunChecker, FindsATransactionServedTwiceAsItIs) {
  WrittenRun run;
  run.of(0).insert(run.of(0).begin() + 2, Served(run.of(0)[1]));
  const RunChecker checker = run.check();
  EXPECT_EQ(checker.fault_counts().at(FaultKind::repeated), 1u);
  EXPECT_EQ(checker.fault_counts().count(FaultKind::lost), 0u);
}

TEST(RunChecker, FindsARepeatAtAnotherPump) {
  WrittenRun run;
  Served copy = run.of(0)[4];
  copy.pump = 1;
  run.of(1).insert(run.of(1).begin() + 4, copy);
  const RunChecker checker = run.check();
  EXPECT_EQ(checker.fault_counts().at(FaultKind::repeated), 1u);
  EXPECT_EQ(checker.fault_counts().at(FaultKind::altered), 1u);  // it came from two pumps
}

TEST(RunChecker, FindsTwoTransactionsServedInTheOtherOrder) {
  WrittenRun run;
  std::swap(run.of(0)[1], run.of(0)[2]);
  const RunChecker checker = run.check();
  // Its place in the pump's order, and its place in the worker's.
  EXPECT_EQ(checker.fault_counts(), (Counts{{FaultKind::reordered, 2}}));
}

TEST(RunChecker, FindsSequencesThatChangedPlacesThoughCommitTimestampsAscend) {
  WrittenRun run;
  std::swap(run.of(0)[1].payload, run.of(0)[2].payload);
  std::swap(run.of(0)[1].start, run.of(0)[2].start);
  EXPECT_EQ(run.check().fault_counts(), (Counts{{FaultKind::reordered, 1}}));
}

TEST(RunChecker, FindsWhatComesAfterItWasResolved) {
  WrittenRun run;
  RunChecker checker(kSeed, {"pump-a", "pump-b"});
  for (const Served& one : run.of(0)) {
    checker.on_transaction(0, one.commit, one.start, as_bytes(one.payload));
    checker.on_resolved(0, ResolvedTs(one.commit.value + (&one == &run.of(0)[1] ? 20 : 0)));
  }
  for (const Served& one : run.of(1)) checker.on_transaction(1, one.commit, one.start, as_bytes(one.payload));
  checker.finish();
  EXPECT_EQ(checker.fault_counts().at(FaultKind::reordered), 2u);  // resolved 20 too far: the next two lie below
}

TEST(RunChecker, FindsEveryAlteredByte) {
  const Served one = WrittenRun().make(0, PayloadKind::transaction, 1, 5, 9);
  const Content content(kSeed);
  ASSERT_TRUE(content.check(as_bytes(one.payload)).ok());
  for (size_t at = 0; at < one.payload.size(); at += at < 200 ? 1 : 997) {
    std::string altered = one.payload;
    altered[at] = static_cast<char>(altered[at] ^ 0x10);
    const auto got = content.check(as_bytes(altered));
    // The first bytes say whose it is: what lost them is somebody else's, and then missing.
    EXPECT_EQ(got.status().code(), at < 4 ? absl::StatusCode::kNotFound : absl::StatusCode::kDataLoss) << at;
  }
  EXPECT_TRUE(absl::IsDataLoss(content.check(as_bytes(one.payload).first(one.payload.size() - 1)).status()));
}

TEST(RunChecker, FindsAnAlteredPayload) {
  WrittenRun run;
  run.of(0)[2].payload[60'000] = static_cast<char>(run.of(0)[2].payload[60'000] ^ 1);
  const RunChecker checker = run.check();
  EXPECT_EQ(checker.fault_counts().at(FaultKind::altered), 1u);
  EXPECT_THAT(checker.faults()[0].text, ::testing::HasSubstr("differ from what the seed gives"));
}

TEST(RunChecker, FindsAnAlteredStartTs) {
  WrittenRun run;
  run.of(0)[2].start = StartTs(kRun + 31);
  EXPECT_EQ(run.check().fault_counts(), (Counts{{FaultKind::altered, 1}}));
}

TEST(RunChecker, FindsAnAlteredCommitTsThatKeepsTheOrder) {
  WrittenRun run;
  run.of(0)[2].commit = CommitTs(run.of(0)[2].commit.value + 1);
  const RunChecker checker = run.check();
  EXPECT_EQ(checker.fault_counts(), (Counts{{FaultKind::altered, 1}}));
  EXPECT_THAT(checker.faults()[0].text, ::testing::HasSubstr("timestamps differ"));
}

TEST(RunChecker, FindsWhatWasNeverCommitted) {
  for (const PayloadKind kind : {PayloadKind::rolled_back, PayloadKind::open}) {
    WrittenRun run;
    run.of(0).insert(run.of(0).begin() + 5, run.make(0, kind, 1, kRun + 91, kRun + 98));
    EXPECT_EQ(run.check().fault_counts(), (Counts{{FaultKind::altered, 1}}));
  }
}

TEST(RunChecker, CountsAllFaultsAndTellsTheFirst) {
  RunChecker checker(kSeed, {"pump-a"});
  for (uint64_t i = 100; i > 0; --i) checker.on_transaction(0, CommitTs(i), StartTs(i), as_bytes("foreign"));
  EXPECT_EQ(checker.fault_count(), 99u);
  EXPECT_EQ(checker.faults().size(), RunChecker::kFaultsKept);
}

}  // namespace
}  // namespace sluice::loadgen
