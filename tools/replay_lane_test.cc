#include "tools/replay_lane.h"

#include <algorithm>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "base/status.h"

namespace sluice::tools {
namespace {

using namespace std::chrono_literals;

class ManualClock final : public Clock {
 public:
  std::chrono::system_clock::time_point wall_now() const override { return {}; }
  std::chrono::steady_clock::time_point now() const override { return now_; }
  void pass(std::chrono::milliseconds time) { now_ += time; }

 private:
  std::chrono::steady_clock::time_point now_{1h};
};

// A recording in memory: "P5 C5@9 R6".
class ScriptedReader final : public net::RecordingReader {
 public:
  explicit ScriptedReader(std::vector<net::RecordedBinlog> binlogs, absl::Status end = absl::OkStatus())
      : binlogs_(binlogs.begin(), binlogs.end()), end_(std::move(end)) {}
  absl::StatusOr<std::optional<net::RecordedBinlog>> next() override {
    if (binlogs_.empty() && !end_.ok()) return end_;
    if (binlogs_.empty()) return std::optional<net::RecordedBinlog>();
    std::optional<net::RecordedBinlog> front = std::move(binlogs_.front());
    binlogs_.pop_front();
    return front;
  }
  uint64_t cluster_id() const override { return 1; }

 private:
  std::deque<net::RecordedBinlog> binlogs_;
  absl::Status end_;
};

// A pump that acks when told to; `sent` names what reached it.
class ScriptedWriter final : public net::WriterClient {
 public:
  void prewrite(StartTs start, PayloadFormat, ByteSpan payload, Done done) override {
    take(fmt::format("P{}", start), payload.size(), std::move(done));
  }
  void commit(StartTs start, CommitTs commit, Done done) override {
    take(fmt::format("C{}@{}", start, commit), 0, std::move(done));
  }
  void rollback(StartTs start, Done done) override { take(fmt::format("R{}", start), 0, std::move(done)); }
  void progress(Tso ts, Done done) override { take(fmt::format("T{}", ts), 0, std::move(done)); }
  void stray(StartTs start, CommitTs commit, Done done) override {
    take(fmt::format("S{}@{}", start, commit), 0, std::move(done));
  }
  uint64_t unacked_bytes() const override { return unacked_bytes_; }
  void finish(Done done) override { done(absl::OkStatus()); }
  uint64_t reconnects() const override { return 0; }
  std::string standstill() const override { return {}; }

  void ack_one(const absl::Status& outcome = absl::OkStatus()) {
    ASSERT_FALSE(waiting_.empty());
    settle(waiting_.begin(), outcome);
  }
  // The oldest un-acked one of this name.
  void ack(const std::string& what) {
    const auto found =
        std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) { return one.what == what; });
    ASSERT_NE(found, waiting_.end()) << what;
    settle(found, absl::OkStatus());
  }
  std::string sent;

 private:
  void take(const std::string& what, uint64_t bytes, Done done) {
    sent += (sent.empty() ? "" : " ") + what;
    unacked_bytes_ += bytes;
    waiting_.push_back({what, bytes, std::move(done)});
  }
  struct Waiting {
    std::string what;
    uint64_t bytes;
    Done done;
  };
  void settle(std::deque<Waiting>::iterator one, const absl::Status& outcome) {
    const Waiting settled = std::move(*one);
    waiting_.erase(one);
    unacked_bytes_ -= settled.bytes;
    settled.done(outcome);
  }
  uint64_t unacked_bytes_ = 0;
  std::deque<Waiting> waiting_;
};

net::RecordedBinlog P(uint64_t start, std::string payload = "x") {
  return {.step = net::BinlogStep::prewrite, .start = StartTs(start), .commit = {}, .payload = std::move(payload)};
}
net::RecordedBinlog C(uint64_t start, uint64_t commit) {
  return {.step = net::BinlogStep::commit, .start = StartTs(start), .commit = CommitTs(commit), .payload = {}};
}
net::RecordedBinlog R(uint64_t start) {
  return {.step = net::BinlogStep::rollback, .start = StartTs(start), .commit = {}, .payload = {}};
}

class ReplayLaneTest : public testing::Test {
 protected:
  ReplayLane& lane(std::vector<net::RecordedBinlog> binlogs, uint32_t in_flight = 100, double rate = 0,
                   absl::Status end = absl::OkStatus()) {
    pacer_.emplace(rate, clock_.now());
    context_.emplace(ReplayContext{.clock = clock_, .pacer = *pacer_, .totals = totals_, .changed = [] {}});
    auto writer = std::make_unique<ScriptedWriter>();
    pump_ = writer.get();
    lane_.emplace(std::make_unique<ScriptedReader>(std::move(binlogs), std::move(end)), std::move(writer), in_flight,
                  *context_);
    lane_->advance();
    return *lane_;
  }

  ManualClock clock_;
  ReplayTotals totals_;
  std::optional<Pacer> pacer_;
  std::optional<ReplayContext> context_;
  std::optional<ReplayLane> lane_;
  ScriptedWriter* pump_ = nullptr;
};

TEST_F(ReplayLaneTest, ACommitWaitsForItsPrewritesAckAndOtherTransactionsOvertakeIt) {
  ReplayLane& l = lane({P(1), P(2), C(1, 3), P(4), R(2), P(5)});
  EXPECT_EQ(pump_->sent, "P1 P2 P4 P5");
  pump_->ack("P2");
  EXPECT_EQ(pump_->sent, "P1 P2 P4 P5 R2");
  pump_->ack("P1");
  EXPECT_EQ(pump_->sent, "P1 P2 P4 P5 R2 C1@3");
  for (const char* last : {"P4", "P5", "R2"}) pump_->ack(last);
  EXPECT_FALSE(l.sent_and_acked());
  pump_->ack("C1@3");
  EXPECT_TRUE(l.sent_and_acked());
}

TEST_F(ReplayLaneTest, ASlowAckOfOnePrewriteHoldsBackOnlyItsOwnTransaction) {
  lane({P(1), C(1, 9), P(2), C(2, 3), P(4), C(4, 5)});
  pump_->ack("P2");
  pump_->ack("P4");
  EXPECT_EQ(pump_->sent, "P1 P2 P4 C2@3 C4@5");
  pump_->ack("P1");
  EXPECT_EQ(pump_->sent, "P1 P2 P4 C2@3 C4@5 C1@9");
}

TEST_F(ReplayLaneTest, KeepsTheRecordedOrderWithinATransaction) {
  // A writer that repeated all it had, then gave up: the repeat goes out behind what came before it.
  lane({P(1), C(1, 3), P(1), C(1, 3), R(1)});
  EXPECT_EQ(pump_->sent, "P1");
  pump_->ack("P1");
  EXPECT_EQ(pump_->sent, "P1 C1@3 P1");
  pump_->ack("C1@3");
  EXPECT_EQ(pump_->sent, "P1 C1@3 P1");
  pump_->ack("P1");
  EXPECT_EQ(pump_->sent, "P1 C1@3 P1 C1@3 R1");
}

TEST_F(ReplayLaneTest, ACommitWaitsForEveryCopyOfItsPrewrite) {
  lane({P(1), P(1), C(1, 3)});
  EXPECT_EQ(pump_->sent, "P1 P1");
  pump_->ack("P1");
  EXPECT_EQ(pump_->sent, "P1 P1");
  pump_->ack("P1");
  EXPECT_EQ(pump_->sent, "P1 P1 C1@3");
}

TEST_F(ReplayLaneTest, WhatWaitsCountsIntoTheWindow) {
  lane({P(1), C(1, 9), P(2), P(3)}, 3);
  EXPECT_EQ(pump_->sent, "P1 P2");
  pump_->ack("P2");
  EXPECT_EQ(pump_->sent, "P1 P2 P3");
}

TEST_F(ReplayLaneTest, WhatWaitsCountsIntoTheBytes) {
  lane({P(1), C(1, 9), P(1, std::string(65u << 20, 'x')), P(2)});
  EXPECT_EQ(pump_->sent, "P1");
  pump_->ack("P1");
  EXPECT_EQ(pump_->sent, "P1 C1@9 P1");
  pump_->ack("C1@9");
  pump_->ack("P1");
  EXPECT_EQ(pump_->sent, "P1 C1@9 P1 P2");
}

TEST_F(ReplayLaneTest, ACommitWhosePrewriteWasAckedEarlierIsNotHeldBack) {
  lane({P(1), P(2), C(1, 3)});
  pump_->ack_one();
  pump_->ack_one();
  EXPECT_EQ(pump_->sent, "P1 P2 C1@3");
}

TEST_F(ReplayLaneTest, NeverHasMoreInFlightThanTheWindow) {
  lane({P(1), P(2), P(3), P(4)}, 2);
  EXPECT_EQ(pump_->sent, "P1 P2");
  pump_->ack_one();
  EXPECT_EQ(pump_->sent, "P1 P2 P3");
}

TEST_F(ReplayLaneTest, HoldsBackWhenManyBytesAreUnacked) {
  lane({P(1, std::string(65u << 20, 'x')), P(2)});
  EXPECT_EQ(pump_->sent, "P1");
  pump_->ack_one();
  EXPECT_EQ(pump_->sent, "P1 P2");
}

TEST_F(ReplayLaneTest, IsDoneWhenAllIsAckedAndCountsIt) {
  ReplayLane& l = lane({P(1, "12345"), C(1, 3), P(2), R(2)});
  clock_.pass(7ms);
  for (int i = 0; i < 4; ++i) pump_->ack_one();
  EXPECT_TRUE(l.sent_and_acked());
  EXPECT_EQ(totals_.prewrites, 2u);
  EXPECT_EQ(totals_.commits, 1u);
  EXPECT_EQ(totals_.rollbacks, 1u);
  EXPECT_EQ(totals_.payload_bytes, 6u);
  EXPECT_EQ(totals_.latency.percentile(100), 7ms);
}

TEST_F(ReplayLaneTest, StartsNoTransactionBeforeItsTimeAndCountsLatencyFromTheIntendedOne) {
  ReplayLane& l = lane({P(1), P(2)}, 100, 100);  // one every 10 ms
  EXPECT_EQ(pump_->sent, "P1");
  EXPECT_TRUE(l.waits_for_pace());
  clock_.pass(9ms);
  l.advance();
  EXPECT_EQ(pump_->sent, "P1");
  clock_.pass(6ms);
  l.advance();
  EXPECT_EQ(pump_->sent, "P1 P2");
  pump_->ack_one();
  pump_->ack_one();
  EXPECT_EQ(totals_.latency.percentile(1), 5ms);
}

TEST_F(ReplayLaneTest, ARefusedRecordEndsTheLaneWithThePumpsText) {
  ReplayLane& l = lane({P(1), C(1, 3), P(4)}, 2);
  pump_->ack_one(absl::FailedPreconditionError("commit ts 3 is at or below the bound 8"));
  EXPECT_EQ(pump_->sent, "P1");
  EXPECT_FALSE(l.sent_and_acked());
  EXPECT_EQ(message_of(l.status()), "start ts 1: commit ts 3 is at or below the bound 8");
}

TEST_F(ReplayLaneTest, AReadersErrorEndsTheLane) {
  EXPECT_EQ(lane({P(1)}, 100, 0, absl::InvalidArgumentError("is cut off")).status(),
            absl::InvalidArgumentError("is cut off"));
}

TEST(AckLatency, PercentilesAreExact) {
  AckLatency latency;
  EXPECT_EQ(latency.percentile(50), 0us);
  for (int i = 100; i >= 1; --i) latency.add(std::chrono::microseconds(i));
  EXPECT_EQ(latency.percentile(50), 50us);
  EXPECT_EQ(latency.percentile(99), 99us);
  EXPECT_EQ(latency.percentile(100), 100us);
}

}  // namespace
}  // namespace sluice::tools
