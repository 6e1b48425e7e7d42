#include "drainer/status_page.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::drainer {
namespace {

using testing::HasSubstr;

DrainerSnapshot snapshot() {
  DrainerSnapshot s;
  s.node_id = "drainer-1";
  s.pumps.resize(2);
  s.pumps[0].node_id = "pump-2";
  s.pumps[0].received = CommitTs(470678106263257089);
  s.pumps[0].state = pull::PullState::pulling;
  s.pumps[1].node_id = "pump-1";
  s.pumps[1].resolved = ResolvedTs(470678106302316545);
  s.pumps[1].state = pull::PullState::pulling;
  s.pipeline.durable = CommitTs(470678106263257089);
  s.pipeline.state = PipelineState::waiting;
  return s;
}

TEST(StatusPage, HasTheGoDrainersShape) {
  EXPECT_EQ(
      go_status(snapshot()),
      R"({"PumpPos":{"pump-1":470678106302316545,"pump-2":470678106263257089},"Synced":false,"LastTS":470678106263257089,"TsMap":""})");
  DrainerSnapshot before;
  EXPECT_EQ(go_status(before), R"({"PumpPos":null,"Synced":false,"LastTS":0,"TsMap":""})");
  EXPECT_THAT(go_commit_ts(snapshot()), HasSubstr("\"ts\": 470678106263257089"));
}

TEST(StatusPage, NamesWhatTheMergeWaitsFor) {
  DrainerSnapshot s = snapshot();
  s.pipeline.blocker = merge::MergeBlocker{.source = 1, .resolved = ResolvedTs(50), .wanted = CommitTs(60)};
  s.pumps[1].state = pull::PullState::waiting;
  s.pumps[1].reason = "connection \"refused\"";
  EXPECT_EQ(s.waits_for(),
            "waits for pump pump-1 at resolved 50, commit ts 60 is ready (waiting: connection \"refused\")");
  EXPECT_THAT(detailed_status(s), HasSubstr(R"json(is ready (waiting: connection \"refused\")")json"));
  EXPECT_FALSE(s.ready());
}

TEST(StatusPage, IsNotReadyWhileTheDownstreamHoldsAndNamesItBeforeAnyPump) {
  DrainerSnapshot s = snapshot();
  s.pipeline.blocker = merge::MergeBlocker{.source = 1, .resolved = ResolvedTs(50), .wanted = std::nullopt};
  s.steady_now = std::chrono::steady_clock::time_point(std::chrono::seconds(100));
  s.hold = sinks::SinkHold{.what = "root@127.0.0.1:3306: read only", .since = s.steady_now, .error = 1290};
  EXPECT_TRUE(s.ready());  // a moment is no trouble
  s.hold->since -= std::chrono::seconds(12);
  EXPECT_FALSE(s.ready());
  EXPECT_EQ(s.waits_for(), "waits for the downstream since 12 s: root@127.0.0.1:3306: read only (error 1290)");
  EXPECT_THAT(detailed_status(s), HasSubstr("since 12 s"));
}

TEST(StatusPage, SaysTheServersErrorNumberOnce) {
  DrainerSnapshot s = snapshot();
  s.hold = sinks::SinkHold{.what = "root@db:3306: read only (error 1290)", .since = s.steady_now, .error = 1290};
  EXPECT_EQ(s.waits_for(), "waits for the downstream since 0 s: root@db:3306: read only (error 1290)");
  EXPECT_THAT(detailed_status(s), HasSubstr(R"json("hold":{"what":"root@db:3306: read only (error 1290)",)json"
                                            R"json("seconds":0,"error":1290})json"));
  s.hold.reset();
  EXPECT_THAT(detailed_status(s), HasSubstr(R"("hold":null)"));
}

TEST(StatusPage, TellsBeforeTheStartWhichPumpsItWaitsForAndSinceWhen) {
  DrainerSnapshot s;
  s.steady_now = std::chrono::steady_clock::time_point(std::chrono::seconds(100));
  s.started = s.steady_now - std::chrono::seconds(7);
  s.waits_before_start = "pump b:1 (connection refused)";
  EXPECT_FALSE(s.ready());
  EXPECT_EQ(s.waits_for(), "waits since 7 s for pump b:1 (connection refused)");
  EXPECT_THAT(detailed_status(s), HasSubstr(R"("state":"meeting pumps")"));
}

TEST(StatusPage, StaysReadyWhileAPumpThatWasThereIsAwayForAMomentAndThenSaysSinceWhen) {
  DrainerSnapshot s = snapshot();
  s.steady_now = std::chrono::steady_clock::time_point(std::chrono::seconds(100));
  pull::PullSourceStatus& pump = s.pumps[1];
  pump.state = pull::PullState::waiting;
  pump.reason = "connection refused";
  pump.away_since = s.steady_now - std::chrono::seconds(4);
  EXPECT_TRUE(s.ready());
  EXPECT_THAT(detailed_status(s), HasSubstr(R"("reason":"connection refused","away_seconds":4,)"));
  pump.away_since = s.steady_now - std::chrono::seconds(12);
  EXPECT_FALSE(s.ready());
  EXPECT_EQ(s.waits_for(), "pump pump-1 is waiting since 12 s: connection refused");
  s.pipeline.blocker = merge::MergeBlocker{.source = 1, .resolved = ResolvedTs(50), .wanted = std::nullopt};
  EXPECT_EQ(s.waits_for(), "waits for pump pump-1 at resolved 50 (waiting since 12 s: connection refused)");
  pump.away_since = s.steady_now;
  pump.node_id.clear();
  EXPECT_FALSE(s.ready()) << "one that was never there has no grace";
}

TEST(StatusPage, NeverIsNotReadyWithoutAReason) {
  DrainerSnapshot s = snapshot();
  for (const auto state :
       {PipelineState::meeting_pumps, PipelineState::opening_sink, PipelineState::flushing, PipelineState::failed}) {
    s.pipeline.state = state;
    EXPECT_FALSE(s.ready());
    EXPECT_NE(s.waits_for(), "") << to_string(state);
  }
  s.pipeline.state = PipelineState::merging;
  s.pumps[0].state = pull::PullState::waiting;
  s.pumps[0].reason = "connection refused";
  EXPECT_FALSE(s.ready());
  EXPECT_EQ(s.waits_for(), "pump pump-2 is waiting: connection refused");
}

TEST(StatusPage, LagsWhileNothingOfWhatCameIsDurable) {
  DrainerSnapshot s = snapshot();
  s.pipeline.submitted = s.pipeline.durable;
  s.pipeline.durable = CommitTs();
  s.now = std::chrono::system_clock::time_point(std::chrono::milliseconds(s.pipeline.submitted.physical_ms() + 2500));
  EXPECT_DOUBLE_EQ(s.lag_seconds().value(), 2.5);
}

TEST(StatusPage, LagsBehindWhatIsResolvedOrSentWhileNothingWasSubmittedAndElseKnowsNone) {
  DrainerSnapshot s = snapshot();
  const CommitTs sent = std::exchange(s.pipeline.durable, CommitTs());
  s.now = std::chrono::system_clock::time_point(std::chrono::milliseconds(sent.physical_ms() + 2500));
  EXPECT_DOUBLE_EQ(s.lag_seconds().value(), 2.5) << "the pump that is furthest behind";
  s.pipeline.resolved = ResolvedTs(sent.value - (uint64_t{1000} << 18));
  EXPECT_DOUBLE_EQ(s.lag_seconds().value(), 3.5);
  EXPECT_THAT(detailed_status(s), HasSubstr(R"("lag_seconds":3.500,)"));
  s.pipeline.resolved = ResolvedTs();
  for (auto& pump : s.pumps) pump.received = CommitTs(), pump.resolved = ResolvedTs();
  EXPECT_FALSE(s.lag_seconds().has_value());
  EXPECT_THAT(detailed_status(s), HasSubstr(R"("lag_seconds":null,)"));
}

TEST(StatusPage, MeasuresLagAgainstTheClock) {
  DrainerSnapshot s = snapshot();
  s.now = std::chrono::system_clock::time_point(std::chrono::milliseconds(s.pipeline.durable.physical_ms() + 2500));
  EXPECT_DOUBLE_EQ(s.lag_seconds().value(), 2.5);
  EXPECT_TRUE(s.ready());
}

}  // namespace
}  // namespace sluice::drainer
