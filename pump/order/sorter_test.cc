#include "pump/order/sorter.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pump/order/testing/sorter_world.h"

namespace sluice::pump {
namespace {

using net::NackReason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Verdict = Admission::Verdict;

void expect_refused(const Admission& admission, NackReason reason, const std::vector<std::string>& values) {
  EXPECT_EQ(admission.verdict, Verdict::refuse);
  EXPECT_EQ(admission.reason, reason) << admission.text;
  for (const std::string& value : values) EXPECT_THAT(admission.text, HasSubstr(value));
}

TEST(Sorter, EmitsInCommitOrderWhatArrivesOutOfOrder) {
  SorterWorld world;
  world.prewrite(10);
  world.prewrite(20);
  world.settle_all();
  world.commit(20, 40);
  world.commit(10, 30);
  world.settle(1);
  EXPECT_TRUE(world.emitted().empty());  // 10 is open with bound 10
  world.settle(1);
  EXPECT_THAT(world.emitted(), ElementsAre(Pair(30, 10), Pair(40, 20)));
}

TEST(Sorter, HoldsTheResolvedTsAtTheBoundOfTheOldestOpenPrewrite) {
  SorterWorld world;
  world.prewrite(10);
  world.settle_all();
  world.commit(10, 50);
  world.prewrite(12);  // its bound is 50: everything in the log up to it was given out before its commit ts
  world.settle_all();
  EXPECT_EQ(world.sorter().resolved(), ResolvedTs(50));
  EXPECT_EQ(world.sorter().blocker()->start, StartTs(12));
  world.rollback(12);
  world.settle_all();
  EXPECT_FALSE(world.sorter().blocker().has_value());
}

TEST(Sorter, SeesOnlyWhatIsDurable) {
  SorterWorld world;
  world.prewrite(10);
  EXPECT_EQ(world.sorter().resolved(), ResolvedTs(0));
  world.settle_all();
  world.commit(10, 20);
  EXPECT_TRUE(world.emitted().empty());
  EXPECT_EQ(world.sorter().resolved(), ResolvedTs(10));
}

TEST(Sorter, RefusesACommitAtOrBelowItsBoundNamingBothValues) {
  SorterWorld world;
  world.prewrite(50);
  world.prewrite(10);
  world.settle_all();
  expect_refused(world.commit(10, 50), NackReason::commit_too_low, {"commit ts 50", "above 50"});
  EXPECT_TRUE(world.commit(10, 51).accepted());
}

TEST(Sorter, RefusesACommitAtOrBelowWhatIsPublishedNamingBothValues) {
  SorterWorld world;
  world.publish();  // 101
  world.prewrite(10);
  world.settle_all();
  expect_refused(world.commit(10, 101), NackReason::commit_too_low, {"101"});
  EXPECT_TRUE(world.commit(10, 102).accepted());
}

TEST(Sorter, RefusesAfterARestartTooACommitAtOrBelowWhatWasPublishedBeforeItsPrewrite) {
  SorterWorld world;
  ASSERT_TRUE(world.publish(101));
  world.prewrite(10);
  world.settle_all();
  world.restart();
  EXPECT_EQ(world.sorter().blocker()->bound, Tso(101));
  expect_refused(world.commit(10, 101), NackReason::commit_too_low, {"101"});
  EXPECT_TRUE(world.commit(10, 102).accepted());
}

TEST(Sorter, RefusesARepeatedPrewriteWithAnotherPayloadNamingBothHashes) {
  SorterWorld world;
  world.prewrite(10, 0xabc);
  expect_refused(world.prewrite(10, 0xdef), NackReason::bad_record, {"abc", "def"});
  EXPECT_EQ(world.prewrite(10, 0xabc).verdict, Verdict::absorb);
  world.settle_all();
  expect_refused(world.prewrite(10, 0xdef), NackReason::bad_record, {"abc", "def"});
  world.commit(10, 20);
  world.settle_all();
  expect_refused(world.prewrite(10, 0xdef), NackReason::bad_record, {"abc", "def"});  // settled
  EXPECT_EQ(world.prewrite(10, 0xabc).verdict, Verdict::absorb);
  world.restart();
  expect_refused(world.prewrite(10, 0xdef), NackReason::bad_record, {"abc", "def"});
  expect_refused(world.part(10, 0, 2, 0xdef), NackReason::bad_record, {"abc", "def"});
  world.part(30, 0, 2, 5);
  world.part(30, 1, 2, 5);
  EXPECT_EQ(world.part(30, 0, 2, 5).verdict, Verdict::absorb);
  expect_refused(world.part(30, 0, 2, 6), NackReason::bad_record, {"5", "6"});
}

TEST(Sorter, ClosesACopyThatCommittedElsewhereAndEmitsNothing) {
  SorterWorld world;
  world.prewrite(10);
  world.prewrite(50);
  world.settle_all();
  EXPECT_TRUE(world.stray(10, 40).accepted());
  EXPECT_EQ(world.stray(10, 40).verdict, Verdict::absorb);
  world.settle_all();
  EXPECT_EQ(world.sorter().blocker()->start, StartTs(50));
  EXPECT_EQ(world.sorter().counters().strays, 1u);
  EXPECT_EQ(world.commit(10, 40).verdict, Verdict::absorb);  // of the writer that went elsewhere: it is known
  expect_refused(world.commit(10, 60), NackReason::bad_record, {"40", "60", "another pump"});
  world.rollback(50);
  world.settle_all();
  world.restart();
  EXPECT_EQ(world.commit(10, 40).verdict, Verdict::absorb);
  EXPECT_EQ(world.prewrite(10).verdict, Verdict::absorb);
  EXPECT_TRUE(world.emitted().empty());
  EXPECT_EQ(world.sorter().counters().strays, 1u);
}

TEST(Sorter, AbsorbsAStrayOfWhatItNeverHadOrHasCommittedAlikeAndRefusesAnotherTs) {
  SorterWorld world;
  EXPECT_EQ(world.stray(10, 40).verdict, Verdict::absorb);
  world.prewrite(20);
  world.settle_all();
  world.commit(20, 30);
  EXPECT_EQ(world.stray(20, 30).verdict, Verdict::absorb);
  expect_refused(world.stray(20, 31), NackReason::bad_record, {"30", "31"});
  world.settle_all();
  EXPECT_EQ(world.stray(20, 30).verdict, Verdict::absorb);
  EXPECT_THAT(world.emitted(), ElementsAre(Pair(30, 20)));
}

TEST(Sorter, DecidesByTheBoundWhetherACommitThatSomebodyKnowsOfIsItsOwn) {
  SorterWorld world;
  world.prewrite(50);
  world.prewrite(10);  // bound 50
  world.settle_all();
  EXPECT_EQ(world.sorter().decision_for(StartTs(10), CommitTs(50))->kind, RecordKind::stray);
  EXPECT_EQ(world.sorter().decision_for(StartTs(10), CommitTs(51))->kind, RecordKind::decided_commit);
  EXPECT_FALSE(world.sorter().decision_for(StartTs(11), CommitTs(51)).has_value());
  EXPECT_TRUE(world.admit(*world.sorter().decision_for(StartTs(10), CommitTs(40))).accepted());
  EXPECT_FALSE(world.sorter().decision_for(StartTs(10), CommitTs(51)).has_value());
}

TEST(Sorter, PublishesAnOracleAnswerOnlyWhenNothingIsOpen) {
  SorterWorld world;
  world.prewrite(10);
  EXPECT_FALSE(world.publish());  // admitted, not durable
  world.settle_all();
  EXPECT_FALSE(world.publish());
  world.rollback(10);
  EXPECT_FALSE(world.publish());  // its end isn't durable
  world.settle_all();
  EXPECT_TRUE(world.publish());
}

TEST(Sorter, AbsorbsRepeatsOfAnyStep) {
  SorterWorld world;
  EXPECT_TRUE(world.prewrite(10).accepted());
  EXPECT_EQ(world.prewrite(10).verdict, Verdict::absorb);
  world.settle_all();
  EXPECT_TRUE(world.commit(10, 20).accepted());
  EXPECT_EQ(world.commit(10, 20).verdict, Verdict::absorb);
  EXPECT_EQ(world.prewrite(10).verdict, Verdict::absorb);
  world.settle_all();
  EXPECT_EQ(world.commit(10, 20).verdict, Verdict::absorb);
  EXPECT_EQ(world.prewrite(10).verdict, Verdict::absorb);
  EXPECT_TRUE(world.prewrite(30).accepted());
  EXPECT_TRUE(world.rollback(30).accepted());
  EXPECT_EQ(world.rollback(30).verdict, Verdict::absorb);
  world.settle_all();
  EXPECT_EQ(world.rollback(30).verdict, Verdict::absorb);
  EXPECT_THAT(world.emitted(), ElementsAre(Pair(20, 10)));
}

TEST(Sorter, RecognisesARepeatedCommitOfAnyAgeInTheIndex) {
  SorterWorld world({.settled_remembered = 1});
  for (const uint64_t start : {10, 20, 30}) {
    world.prewrite(start);
    world.settle_all();
    world.commit(start, start + 5);
    world.settle_all();
  }
  EXPECT_EQ(world.commit(10, 15).verdict, Verdict::absorb);
  expect_refused(world.commit(10, 16), NackReason::unknown_prewrite, {"10", "16"});
}

TEST(Sorter, ClosesALateCopyOfAForgottenTransactionWithoutEmittingItTwice) {
  SorterWorld world({.settled_remembered = 1});
  for (const uint64_t start : {10, 20, 30}) {
    world.prewrite(start);
    world.settle_all();
    world.commit(start, start + 5);
    world.settle_all();
  }
  EXPECT_TRUE(world.prewrite(10).accepted());  // forgotten, so it opens again
  world.settle_all();
  EXPECT_TRUE(world.commit(10, 15).accepted());
  world.settle_all();
  EXPECT_EQ(world.sorter().counters().stale_copies, 1u);
  EXPECT_FALSE(world.sorter().blocker().has_value());
  EXPECT_THAT(world.emitted(), ElementsAre(Pair(15, 10), Pair(25, 20), Pair(35, 30)));
  world.restart();
}

TEST(Sorter, RefusesACommitWithoutItsPrewriteAndOneThatContradicts) {
  SorterWorld world;
  expect_refused(world.commit(10, 20), NackReason::unknown_prewrite, {"10", "20"});
  world.prewrite(10);
  world.prewrite(11);
  world.settle_all();
  world.commit(10, 20);
  expect_refused(world.commit(10, 21), NackReason::bad_record, {"20", "21"});
  expect_refused(world.rollback(10), NackReason::bad_record, {"20"});
  expect_refused(world.commit(11, 20), NackReason::bad_record, {"20", "11", "10"});
  world.settle_all();
  expect_refused(world.commit(10, 21), NackReason::bad_record, {"20", "21"});
}

TEST(Sorter, RefusesForEverTheCommitOfAnAbortedTransaction) {
  SorterWorld world;
  world.prewrite(10);
  world.settle_all();
  EXPECT_TRUE(world.admit({.kind = RecordKind::abort, .start_ts = 10}).accepted());
  expect_refused(world.commit(10, 20), NackReason::aborted, {"10", "20"});
  world.settle_all();
  world.restart();
  expect_refused(world.commit(10, 20), NackReason::aborted, {"10", "20"});
  expect_refused(world.prewrite(10), NackReason::aborted, {"10"});
}

TEST(Sorter, TakesBackWhatTheLogDidNotTake) {
  SorterWorld world;
  world.prewrite(10);
  world.settle_all();
  world.admit_and_withdraw({.kind = RecordKind::prewrite, .format = PayloadFormat::tidb, .start_ts = 90});
  world.admit_and_withdraw({.kind = RecordKind::commit, .start_ts = 10, .commit_ts = 95});
  world.admit_and_withdraw({.kind = RecordKind::progress, .start_ts = 99});
  EXPECT_TRUE(world.commit(10, 20).accepted());  // neither bound nor outcome of what was withdrawn remains
  EXPECT_TRUE(world.prewrite(90).accepted());
  world.settle_all();
  EXPECT_THAT(world.emitted(), ElementsAre(Pair(20, 10)));
}

TEST(Sorter, RaisesTheResolvedTsByProgressAlone) {
  SorterWorld world;
  EXPECT_TRUE(world.progress(70).accepted());
  EXPECT_EQ(world.progress(70).verdict, Verdict::absorb);
  EXPECT_EQ(world.progress(60).verdict, Verdict::absorb);
  world.settle_all();
  EXPECT_EQ(world.sorter().resolved(), ResolvedTs(70));
}

TEST(Sorter, PlacesALargePrewriteWhereItsLastPartIs) {
  SorterWorld world;
  world.part(10, 0, 3);
  world.part(11, 0, 2);
  world.part(10, 1, 3);
  world.settle_all();
  EXPECT_FALSE(world.sorter().blocker().has_value());
  world.progress(60);
  world.part(10, 2, 3);
  world.part(11, 1, 2);
  world.settle_all();
  EXPECT_EQ(world.sorter().blocker()->bound, Tso(60));
  expect_refused(world.commit(10, 60), NackReason::commit_too_low, {"60"});
  world.commit(10, 61);
  world.commit(11, 62);
  world.settle_all();
  const auto entry = world.index().find(CommitTs(61));
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->prewrite.offset(), 4096u);  // of its first part
  EXPECT_EQ(entry->prewrite_bytes, 2 * (40 + kRecordBodyBytesMax) + 48);
}

TEST(Sorter, GoesOnWithAnIncompleteSetAndDropsItForAnotherPayload) {
  SorterWorld world;
  world.part(10, 0, 3);
  world.part(10, 1, 3);
  world.settle_all();
  world.restart();
  expect_refused(world.commit(10, 20), NackReason::unknown_prewrite, {"of its prewrite"});
  EXPECT_EQ(world.part(10, 1, 3).verdict, Verdict::absorb);  // resent by a writer that lost the ack
  expect_refused(world.part(10, 1, 3, 8), NackReason::bad_record, {"first part"});
  EXPECT_TRUE(world.part(10, 0, 2, 8).accepted());  // another payload: from its first part
  EXPECT_TRUE(world.part(10, 1, 2, 8).accepted());
  world.settle_all();
  world.commit(10, 20);
  world.settle_all();
  EXPECT_EQ(world.index().find(CommitTs(20))->prewrite.offset(), 4098u);
}

TEST(Sorter, ForgetsAnIncompleteSetThatIsRolledBack) {
  SorterWorld world;
  world.part(10, 0, 3);
  EXPECT_TRUE(world.rollback(10).accepted());
  world.settle_all();
  world.restart();
  EXPECT_EQ(world.part(10, 1, 3).verdict, Verdict::absorb);  // settled
  EXPECT_TRUE(world.publish());
}

// Every interleaving of transactions' steps with durability events, against the definition at each step.
class Interleavings {
 public:
  enum class End { commit, commit_twice, rollback, none };
  explicit Interleavings(std::vector<End> ends) : ends_(std::move(ends)) {}

  // Returns how many complete schedules were run.
  size_t run() {
    std::vector<size_t> schedule;
    explore(schedule);
    return complete_;
  }

 private:
  static constexpr size_t kSettle = 99;
  struct State {
    SorterWorld world;
    std::vector<size_t> step;
    std::vector<uint64_t> start, commit;
  };

  // Takes the start ts; prewrites; takes the commit ts once acked, and commits; repeats the commit.
  bool step(State& s, size_t i) {
    switch (s.step[i]++) {
      case 0:
        s.start[i] = s.world.next_ts();
        return true;
      case 1:
        return s.world.prewrite(s.start[i]).accepted();
      case 2:
        if (ends_[i] == End::none || !s.world.is_durable_prewrite(s.start[i])) return false;
        if (ends_[i] == End::rollback) return s.world.rollback(s.start[i]).accepted();
        s.commit[i] = s.world.next_ts();
        return s.world.commit(s.start[i], s.commit[i]).accepted();
      case 3:
        return ends_[i] == End::commit_twice && s.world.commit(s.start[i], s.commit[i]).verdict == Verdict::absorb;
      default:
        return false;
    }
  }

  // Runs the schedule from scratch; false when its last choice is not possible.
  bool replay(const std::vector<size_t>& schedule) {
    State s{.world = SorterWorld(),
            .step = std::vector<size_t>(ends_.size()),
            .start = std::vector<uint64_t>(ends_.size()),
            .commit = std::vector<uint64_t>(ends_.size())};
    for (const size_t choice : schedule) {
      if (choice != kSettle) {
        if (!step(s, choice)) return false;
      } else {
        if (!s.world.can_settle()) return false;
        s.world.settle();
      }
      if (testing::Test::HasFatalFailure()) return false;
    }
    s.world.restart();
    return !testing::Test::HasFatalFailure();
  }

  void explore(std::vector<size_t>& schedule) {
    bool any = false;
    for (size_t choice = 0; choice <= ends_.size(); ++choice) {
      schedule.push_back(choice == ends_.size() ? kSettle : choice);
      if (replay(schedule)) {
        any = true;
        explore(schedule);
      }
      schedule.pop_back();
      if (testing::Test::HasFatalFailure()) return;
    }
    if (!any) ++complete_;
  }

  std::vector<End> ends_;
  size_t complete_ = 0;
};

TEST(SorterExhaustively, KeepsTheDefinitionInEveryInterleavingOfTwoTransactions) {
  using End = Interleavings::End;
  size_t schedules = 0;
  for (const End a : {End::commit_twice, End::rollback, End::none})
    for (const End b : {End::commit, End::rollback, End::none}) {
      schedules += Interleavings({a, b}).run();
      ASSERT_FALSE(HasFatalFailure());
    }
  EXPECT_GT(schedules, 1000u);
}

TEST(SorterExhaustively, KeepsTheDefinitionInEveryInterleavingOfThreeTransactions) {
  using End = Interleavings::End;
  EXPECT_GT(Interleavings({End::commit, End::rollback, End::none}).run(), 10000u);
}

// Writers that obey the protocol but are late, repeat themselves, give up, or die; a log that lags; a pump that
// restarts.
class RandomSchedule {
 public:
  explicit RandomSchedule(uint64_t seed) : random_(seed), world_({.settled_remembered = 1 + below(20)}) {}

  // Returns how many transactions were put in order.
  size_t run(size_t steps) {
    for (size_t i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) step();
    finish();
    return world_.emitted().size();
  }

 private:
  struct Transaction {
    uint64_t start = 0, commit = 0;
    uint32_t parts = 1, sent = 0;
    bool rolls_back = false;
  };

  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  bool one_in(size_t n) { return below(n) == 0; }

  void step() {
    switch (below(10)) {
      case 0:
      case 1:
        begin();
        break;
      case 2:
      case 3:
      case 4:
      case 5:
        if (!live_.empty()) go_on(live_[below(live_.size())]);
        break;
      case 6:
        repeat();
        break;
      case 7:
      case 8:
        world_.settle(1 + below(4));
        break;
      case 9:
        if (one_in(4)) world_.publish();
        if (one_in(30)) restart();
        break;
      default:
        break;
    }
  }

  void begin() {
    if (live_.size() < 12)
      live_.push_back({.start = world_.next_ts(),
                       .parts = one_in(4) ? 2 + static_cast<uint32_t>(below(3)) : 1,
                       .rolls_back = one_in(5)});
  }

  void send_prewrite(Transaction& t, uint32_t part) {
    const Admission admission = t.parts == 1 ? world_.prewrite(t.start) : world_.part(t.start, part, t.parts, t.start);
    EXPECT_NE(admission.verdict, Verdict::refuse) << admission.text;
  }

  void send_end(const Transaction& t) {
    const Admission admission = t.rolls_back ? world_.rollback(t.start) : world_.commit(t.start, t.commit);
    EXPECT_NE(admission.verdict, Verdict::refuse) << admission.text;
  }

  void go_on(Transaction& t) {
    if (t.sent < t.parts) {
      send_prewrite(t, t.sent++);
      return;
    }
    if (!world_.is_durable_prewrite(t.start)) return;  // no ack yet
    if (t.commit == 0) {
      t.commit = world_.next_ts();
      return;  // the end comes later
    }
    send_end(t);
    done_.push_back(t);
    if (one_in(50))
      live_.clear();  // the writer died: these never end
    else
      std::erase_if(live_, [start = t.start](const Transaction& l) { return l.start == start; });
  }

  void repeat() {
    if (!done_.empty()) {
      const Transaction& t = done_[below(done_.size())];
      if (world_.is_durable_prewrite(t.start)) send_end(t);
    }
    if (!live_.empty()) {
      Transaction& t = live_[below(live_.size())];
      if (t.sent > 0) send_prewrite(t, static_cast<uint32_t>(below(t.sent)));
    }
  }

  // Writers send again what the pump may have lost: whatever wasn't acked.
  void restart() {
    world_.restart();
    for (Transaction& t : live_)
      if (!world_.is_durable_prewrite(t.start)) t.sent = 0;
    for (const Transaction& t : done_)
      if (world_.is_durable_prewrite(t.start)) send_end(t);
  }

  void finish() {
    world_.settle_all();
    world_.restart();
  }

  std::mt19937_64 random_;
  SorterWorld world_;
  std::vector<Transaction> live_, done_;
};

TEST(SorterAtRandom, KeepsTheDefinitionUnderLateMissingAndRepeatedRecordsAndRestarts) {
  const uint64_t first = std::random_device{}();
  size_t emitted = 0;
  for (uint64_t seed = first; seed < first + 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed={}", seed));
    emitted += RandomSchedule(seed).run(600);
  }
  EXPECT_GT(emitted, 1500u) << "the schedules have stopped exercising anything, seed=" << first;
}

// Whatever a writer sends, the order stays an order: wrong timestamps and impossible steps are refused, never believed.
TEST(SorterAtRandom, KeepsTheDefinitionUnderRecordsThatObeyNothing) {
  const uint64_t first = std::random_device{}();
  for (uint64_t seed = first; seed < first + 150 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed={}", seed));
    std::mt19937_64 random(seed);
    const auto below = [&](uint64_t n) { return random() % n; };
    SorterWorld world({.settled_remembered = 4});
    for (int i = 0; i < 300 && !HasFatalFailure(); ++i) {
      const uint64_t start = 1 + below(15);
      switch (below(10)) {
        case 0:
        case 1:
          world.prewrite(start, below(2));
          break;
        case 2:
          world.part(start, static_cast<uint32_t>(below(3)), 3, below(2));
          break;
        case 3:
        case 4:
          world.commit(start, start + 1 + below(30));
          break;
        case 5:
          world.rollback(start);
          break;
        case 6:
          world.settle(1 + below(3));
          break;
        case 8:
          world.stray(start, start + 1 + below(30));
          break;
        case 9:
          // The oracle's answers ascend across lives, and a fresh life publishes one before anything else.
          if (below(4) == 0) world.publish(world.promised().value + 1 + below(3));
          break;
        case 7:
          if (below(10) == 0) {
            world.restart();
            world.publish(world.promised().value + 1);
          } else
            world.admit_and_withdraw(
                {.kind = RecordKind::commit, .start_ts = start, .commit_ts = start + 1 + below(30)});
          break;
        default:
          break;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::pump
