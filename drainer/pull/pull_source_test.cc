#include "drainer/pull/pull_source.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "base/testing/captured_log.h"
#include "drainer/pull/testing/fake_pump.h"
#include "net/loop/event_loop.h"

namespace sluice::drainer::pull {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr auto kPatience = std::chrono::seconds(20);

// One source on a loop of its own, and the merge thread's side of it in the test's hands.
class Puller {
 public:
  struct Options {
    uint64_t after = 0;
    uint64_t budget_bytes = 8u << 20;
    PumpAdmission admission{};
    uint64_t seen = 0;
    uint64_t resolved = 0;
  };

  Puller(const FakePump& pump, Options options)
      : inbox_(1), pool_({.total_bytes = options.budget_bytes, .reserved_bytes = 1u << 20, .sources = 1}) {
    on_loop([&] {
      PullSourceOptions source{.address = pump.address(),
                               .after = CommitTs(options.after),
                               .seen = CommitTs(options.seen),
                               .resolved = ResolvedTs(options.resolved)};
      source.backoff_min = std::chrono::milliseconds(1);
      source.window_bytes = options.budget_bytes;
      source_ = std::make_unique<PullSource>(
          source, PullSourcePorts{.loop = loop_,
                                  .inbox = inbox_,
                                  .pool = pool_,
                                  .admit = [admission = options.admission](size_t, const net::Welcome&)
                                      -> absl::StatusOr<PumpAdmission> { return admission; },
                                  .proven =
                                      [this](size_t) {
                                        ++proven_;
                                        return absl::OkStatus();
                                      },
                                  .ended = [](size_t, CommitTs) { return absl::OkStatus(); }});
      source_->start();
    });
  }
  ~Puller() {
    on_loop([this] { source_.reset(); });
  }

  void on_loop(const std::function<void()>& work) { loop_.run_and_wait(work); }

  // Takes news until `enough`; false when patience ends first.
  template <class Enough>
  bool await(Enough enough) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!enough()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::vector<merge::SourceNews> news;
      inbox_.take(news, std::min(deadline, std::chrono::steady_clock::now() + std::chrono::milliseconds(5)));
      for (merge::PulledTransaction& t : news[0].transactions) {
        got.push_back(t.commit_ts.value);
        payloads.push_back(*t.payload);
        if (give_back)
          on_loop([&] { source_->consumed(t.wire_bytes); });
        else
          kept_bytes += t.wire_bytes;
      }
      if (news[0].resolved) resolved = news[0].resolved->value;
      if (news[0].end) end = news[0].end->value;
      failure.Update(news[0].failure);
    }
    return true;
  }
  bool await_transactions(size_t count) {
    return await([&] { return got.size() >= count; });
  }
  void give_back_kept() {
    on_loop([this] { source_->consumed(std::exchange(kept_bytes, 0)); });
  }
  bool await_failure() {
    return await([&] { return !failure.ok(); });
  }
  std::string failure_text() { return std::string(message_of(failure)); }
  PullSourceStatus status() {
    PullSourceStatus result;
    on_loop([&] { result = source_->status(); });
    return result;
  }
  void want(uint64_t ts) {
    on_loop([&] { source_->want(CommitTs(ts)); });
  }
  [[nodiscard]] int proven() {
    int result = 0;
    on_loop([&] { result = proven_; });
    return result;
  }

  bool give_back = true;
  uint64_t kept_bytes = 0;
  std::vector<uint64_t> got;
  std::vector<std::string> payloads;
  uint64_t resolved = 0;
  uint64_t end = 0;
  absl::Status failure;

 private:
  merge::MergeInbox inbox_;
  merge::CreditPool pool_;
  net::EventLoop loop_{"puller"};
  std::unique_ptr<PullSource> source_;
  int proven_ = 0;
};

TEST(PullSource, HandsOnTransactionsAboveItsCursorAndTheResolvedTs) {
  FakePump pump("pump-a");
  pump.data(5, "old");
  pump.data(10, "one");
  pump.data(20, "two");
  pump.resolved(25);
  Puller puller(pump, {.after = 5});
  ASSERT_TRUE(puller.await([&] { return puller.resolved == 25; }));
  EXPECT_THAT(puller.got, ElementsAre(10, 20));
  EXPECT_THAT(puller.payloads, ElementsAre("one", "two"));
  EXPECT_EQ(puller.status().node_id, "pump-a");
  EXPECT_EQ(puller.status().state, PullState::pulling);
}

TEST(PullSource, GoesOnFromTheLastWholeTransactionAfterACrash) {
  FakePump pump("pump-a");
  pump.data(10, "one");
  Puller puller(pump, {});
  ASSERT_TRUE(puller.await_transactions(1));
  pump.crash_and_return();
  pump.data(20, "two");
  ASSERT_TRUE(puller.await_transactions(2));
  EXPECT_THAT(puller.got, ElementsAre(10, 20));
  EXPECT_EQ(pump.pulls().front(), CommitTs(0));
  EXPECT_EQ(pump.pulls().back(), CommitTs(9));  // asks for the last one again: does the pump still have it?
}

TEST(PullSource, TellsSinceWhenThePumpIsAwayAndLogsTheLossOnceAndTheReturn) {
  const CapturedLog log;
  FakePump pump("pump-a");
  pump.resolved(5);
  Puller puller(pump, {});
  ASSERT_TRUE(puller.await([&] { return puller.resolved == 5; }));
  EXPECT_FALSE(puller.status().away_since.has_value());
  pump.crash();
  ASSERT_TRUE(puller.await([&] { return puller.status().reconnects >= 5; }));
  const PullSourceStatus away = puller.status();
  ASSERT_TRUE(away.away_since.has_value());
  EXPECT_LE(*away.away_since, std::chrono::steady_clock::now());
  EXPECT_EQ(log.count("waiting for pump"), 1u) << log.text();
  pump.come_back();
  ASSERT_TRUE(puller.await([&] { return puller.status().state == PullState::pulling; }));
  EXPECT_FALSE(puller.status().away_since.has_value());
  EXPECT_EQ(log.count("the pump is back"), 1u) << log.text();
  EXPECT_THAT(log.text(), testing::ContainsRegex("the pump is back pump=.* node=pump-a after_seconds=[0-9]"));
}

TEST(PullSource, RefusesAPumpThatLostItsLogWhileTheDrainerRan) {
  FakePump pump("pump-a");
  pump.data(10, "one");
  Puller puller(pump, {});
  ASSERT_TRUE(puller.await_transactions(1));
  pump.lose_log_and_return(0xb1);  // an older copy: the same birth
  pump.data(20, "written since");
  ASSERT_TRUE(puller.await_failure());
  EXPECT_EQ(puller.failure.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(puller.failure_text(),
              testing::AllOf(HasSubstr("pump-a"), HasSubstr("new or rewound log"), HasSubstr("commit ts 20"),
                             HasSubstr("no longer has commit ts 10"), HasSubstr("--initial-commit-ts")));
  EXPECT_THAT(puller.got, ElementsAre(10));
}

TEST(PullSource, RefusesAPumpThatResolvesPastWhatItLost) {
  FakePump pump("pump-a");
  pump.resolved(90);
  Puller puller(pump, {.after = 60, .seen = 50, .resolved = 60});
  ASSERT_TRUE(puller.await_failure());
  EXPECT_THAT(puller.failure_text(), HasSubstr("no longer has commit ts 50"));
}

TEST(PullSource, AcceptsAPumpThatStillHasWhatCameFromItAndHandsItOnOnce) {
  FakePump pump("pump-a");
  pump.data(50, "seen");
  pump.data(70, "new");
  Puller puller(pump, {.after = 60, .seen = 50, .resolved = 60});
  ASSERT_TRUE(puller.await([&] { return !puller.got.empty() && puller.got.back() == 70; }));
  EXPECT_EQ(pump.pulls().back(), CommitTs(49));
}

TEST(PullSource, PullsWhatItHadSeenButNotAppliedAgain) {
  FakePump pump("pump-a");
  pump.data(40, "not applied");
  pump.data(50, "seen");
  pump.resolved(60);
  Puller puller(pump, {.after = 30, .seen = 50, .resolved = 60});
  ASSERT_TRUE(puller.await([&] { return puller.resolved == 60; }));
  EXPECT_THAT(puller.got, ElementsAre(40, 50));
}

TEST(PullSource, RefusesAReturningPumpThatHoldsWhatWasNeverPulled) {
  FakePump pump("pump-a");
  pump.data(50, "seen");
  pump.data(55, "never pulled");
  Puller puller(pump, {.after = 60, .seen = 50, .resolved = 60});
  ASSERT_TRUE(puller.await_failure());
  EXPECT_THAT(puller.failure_text(), HasSubstr("BEHIND/pump-a: it holds commit ts 55"));
}

TEST(PullSource, LosesAndRepeatsNothingWhereverASessionBreaks) {
  const std::string large(size_t{kRecordBodyBytesMax} * 2 + 5, 'L');
  for (uint64_t cut = 1; cut < 2u << 20; cut = cut * 3 + 50) {
    FakePump pump("pump-a");
    pump.break_after(cut);
    pump.data(10, "one");
    pump.data(20, large);
    pump.data(30, "three");
    Puller puller(pump, {});
    ASSERT_TRUE(puller.await_transactions(3)) << cut;
    EXPECT_THAT(puller.got, ElementsAre(10, 20, 30)) << cut;
    EXPECT_EQ(puller.payloads[1], large) << cut;
  }
}

TEST(PullSource, BuffersNoMoreThanItsBudgetWhileNothingIsTaken) {
  FakePump pump("pump-a");
  Puller puller(pump, {.budget_bytes = 2u << 20});
  puller.give_back = false;
  for (uint64_t i = 1; i <= 40; ++i) pump.data(i * 10, std::string(100'000, 'x'));
  ASSERT_TRUE(puller.await_transactions(20));
  EXPECT_LE(puller.kept_bytes, (2u << 20) + 200'000u);
  EXPECT_LT(puller.got.size(), 40u);
  EXPECT_LE(pump.overdrawn_max(), 200'000);  // by one record
  // Giving it all back lets the rest through.
  puller.give_back = true;
  puller.give_back_kept();
  ASSERT_TRUE(puller.await_transactions(40));
}

TEST(PullSource, GetsATransactionLargerThanItsBudgetThrough) {
  FakePump pump("pump-a");
  const std::string huge(20u << 20, 'h');
  pump.data(10, huge);
  pump.data(20, "after");
  Puller puller(pump, {.budget_bytes = 2u << 20});
  ASSERT_TRUE(puller.await_transactions(2));
  EXPECT_EQ(puller.payloads[0], huge);
}

TEST(PullSource, AsksThePumpForProgressAlsoAfterAReconnect) {
  FakePump pump("pump-a");
  pump.resolved(5);
  Puller puller(pump, {});
  ASSERT_TRUE(puller.await([&] { return puller.resolved == 5; }));
  puller.want(100);
  pump.await_want(CommitTs(100));
  pump.crash_and_return();  // and has forgotten it
  pump.await_want(CommitTs(100));
}

TEST(PullSource, HoldsTheStreamAtAGapAndSaysWhatToDo) {
  FakePump pump("pump-a");
  pump.data(10, "one");
  pump.gap(500);
  Puller puller(pump, {});
  ASSERT_TRUE(puller.await_failure());
  EXPECT_EQ(puller.failure.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(puller.failure_text(), testing::AllOf(HasSubstr("pump-a"), HasSubstr("purged its binlogs up to 500"),
                                                    HasSubstr("stands at 10"), HasSubstr("--initial-commit-ts")));
  EXPECT_THAT(puller.got, ElementsAre(10));
}

TEST(PullSource, IsExhaustedAtThePumpsEnd) {
  FakePump pump("pump-a");
  pump.data(10, "one");
  pump.end(15);
  Puller puller(pump, {});
  ASSERT_TRUE(puller.await([&] { return puller.end == 15; }));
  EXPECT_THAT(puller.got, ElementsAre(10));
  EXPECT_EQ(puller.status().state, PullState::ended);
}

TEST(PullSource, RefusesAPumpThatGoesBack) {
  FakePump pump("pump-a");
  pump.resolved(30);
  pump.data(20, "late");
  Puller puller(pump, {});
  ASSERT_TRUE(puller.await_failure());
  EXPECT_THAT(puller.failure_text(), HasSubstr("went back: commit ts 20 after commit ts 0 and resolved ts 30"));
}

TEST(PullSource, RefusesRecordsThatDontPair) {
  FakePump pump("pump-a");
  std::string run;
  encode_prewrite(StartTs(9), PayloadFormat::tidb, as_bytes("x"), run);
  pump.raw(10, run);
  Puller puller(pump, {});
  ASSERT_TRUE(puller.await_failure());
  EXPECT_EQ(puller.failure.code(), absl::StatusCode::kDataLoss);
}

TEST(PullSource, PullsAPumpThatJoinsFromItsOldestAndAcceptsOneWithNothingPassed) {
  FakePump pump("pump-new");
  pump.data(60, "new");
  Puller puller(pump, {.after = 50, .admission = {.pulled_through = CommitTs(0)}});
  ASSERT_TRUE(puller.await_transactions(1));
  EXPECT_THAT(puller.got, ElementsAre(60));
  EXPECT_EQ(pump.pulls().back(), CommitTs(0));
  EXPECT_EQ(puller.proven(), 1);
}

TEST(PullSource, RefusesAPumpThatJoinsWithBinlogsTheDrainerHasPassed) {
  FakePump pump("pump-new");
  pump.data(40, "never pulled");
  Puller puller(pump, {.after = 50, .admission = {.pulled_through = CommitTs(0)}});
  ASSERT_TRUE(puller.await_failure());
  EXPECT_EQ(puller.failure.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(puller.failure_text(), HasSubstr("BEHIND/pump-new: it holds commit ts 40"));
  EXPECT_THAT(puller.got, SizeIs(0));
  EXPECT_EQ(puller.proven(), 0);
}

TEST(PullSource, SaysWhyItWaitsForAPumpThatIsNotThere) {
  std::unique_ptr<FakePump> pump = std::make_unique<FakePump>("pump-a");
  pump->data(10, "one");
  Puller puller(*pump, {});
  ASSERT_TRUE(puller.await_transactions(1));
  pump.reset();
  ASSERT_TRUE(puller.await([&] { return puller.status().reconnects > 2; }));
  const PullSourceStatus status = puller.status();
  EXPECT_NE(status.state, PullState::pulling);
  EXPECT_FALSE(status.reason.empty());
  EXPECT_TRUE(puller.failure.ok());
}

}  // namespace
}  // namespace sluice::drainer::pull
