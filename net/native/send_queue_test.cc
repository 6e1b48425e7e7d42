#include "net/native/send_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/record.h"

namespace sluice::net {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kNoLimit = 1u << 30;

// A queue of rollbacks (16 bytes each), named by their start ts; `log` tells what came out.
class SendQueueTest : public testing::Test {
 protected:
  void push(uint64_t start) {
    std::string run;
    encode_rollback(StartTs(start), run);
    queue.push(std::move(run), [this, start](const absl::Status& status) {
      log.push_back(std::to_string(start) + (status.ok() ? " ok" : " failed"));
    });
  }
  // The start timestamps of the next frame.
  std::vector<uint64_t> send(uint64_t window = kNoLimit, uint64_t bytes_max = kNoLimit) {
    std::vector<uint64_t> starts;
    const auto frame = queue.next_frame(bytes_max, window);
    if (!frame) return starts;
    first_sequence = frame->first_sequence;
    EXPECT_TRUE(for_each_record(as_bytes(frame->run), {}, [&](const RecordView& view) {
                  starts.push_back(view.header.start_ts);
                  return absl::OkStatus();
                }).ok());
    return starts;
  }
  void run(const std::vector<SendQueue::Settled>& settled) {
    for (const auto& one : settled) one.done(one.status);
  }
  void nack(uint64_t first, uint64_t last, bool retryable) {
    run(queue.nack({.first = first, .last = last, .reason = NackReason::no_space, .retryable = retryable}).settled);
  }

  SendQueue queue;
  std::vector<std::string> log;
  uint64_t first_sequence = 0;
};

TEST_F(SendQueueTest, CoalescesSmallStepsIntoOneFrame) {
  for (uint64_t start = 1; start <= 5; ++start) push(start);
  EXPECT_THAT(send(kNoLimit, 48), ElementsAre(1, 2, 3));
  EXPECT_THAT(send(), ElementsAre(4, 5));
  EXPECT_EQ(first_sequence, 4u);
  EXPECT_THAT(send(), IsEmpty());
}

TEST_F(SendQueueTest, AnAckSettlesEverythingThroughIt) {
  for (uint64_t start = 1; start <= 3; ++start) push(start);
  send();
  run(queue.ack(2));
  EXPECT_THAT(log, ElementsAre("1 ok", "2 ok"));
  EXPECT_EQ(queue.unacked_bytes(), 16u);
  run(queue.ack(3));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.wire_bytes(), 0u);
}

TEST_F(SendQueueTest, WaitsAtTheWindowUntilAnAckMakesRoom) {
  for (uint64_t start = 1; start <= 4; ++start) push(start);
  EXPECT_THAT(send(32), ElementsAre(1, 2));
  EXPECT_THAT(send(32), IsEmpty());
  run(queue.ack(2));
  EXPECT_THAT(send(32), ElementsAre(3, 4));
}

TEST_F(SendQueueTest, SendsAllAgainInOrderAfterALostConnection) {
  for (uint64_t start = 1; start <= 3; ++start) push(start);
  send();
  run(queue.ack(1));
  push(4);
  queue.reset();
  EXPECT_THAT(send(), ElementsAre(2, 3, 4));
  EXPECT_EQ(first_sequence, 1u);
}

TEST_F(SendQueueTest, ARetryableNackGoesOutAgainBeforeWhatWaits) {
  for (uint64_t start = 1; start <= 3; ++start) push(start);
  send();
  push(4);
  nack(1, 2, true);
  run(queue.ack(3));
  EXPECT_THAT(log, ElementsAre("3 ok"));
  EXPECT_THAT(send(), ElementsAre(1, 2, 4));
  EXPECT_EQ(first_sequence, 4u);
}

TEST_F(SendQueueTest, AFinalNackFailsItsStepsOnly) {
  for (uint64_t start = 1; start <= 3; ++start) push(start);
  send();
  nack(2, 2, false);
  run(queue.ack(3));
  EXPECT_THAT(log, ElementsAre("2 failed", "1 ok", "3 ok"));
  EXPECT_TRUE(queue.empty());
}

// A window that only acks free would stay full for ever.
TEST_F(SendQueueTest, ANackOfEverythingFreesTheWindow) {
  for (uint64_t start = 1; start <= 2; ++start) push(start);
  send(32);
  nack(1, 2, true);
  EXPECT_EQ(queue.wire_bytes(), 0u);
  EXPECT_THAT(send(32), ElementsAre(1, 2));
}

TEST_F(SendQueueTest, ALargeStepIsSentInPartsThroughASmallWindowAndSettledOnce) {
  std::string run_of_parts;
  encode_prewrite(StartTs(9), PayloadFormat::tidb, as_bytes(std::string(kRecordBodyBytesMax * 3, 'x')), run_of_parts);
  queue.push(run_of_parts, [this](const absl::Status&) { log.push_back("large"); });
  push(10);
  std::string sent;
  uint64_t frames = 0;
  while (const auto frame = queue.next_frame(kRecordBytesMax, kRecordBytesMax)) {
    sent += frame->run;
    ++frames;
  }
  EXPECT_EQ(frames, 3u);
  EXPECT_EQ(sent, run_of_parts);
  run(queue.ack(2));
  EXPECT_THAT(log, IsEmpty());
  run(queue.ack(3));
  EXPECT_THAT(log, ElementsAre("large"));
  EXPECT_THAT(send(), ElementsAre(10));
}

TEST_F(SendQueueTest, ALargeStepNackedHalfWayStartsOver) {
  std::string run_of_parts;
  encode_prewrite(StartTs(9), PayloadFormat::tidb, as_bytes(std::string(kRecordBodyBytesMax * 2, 'x')), run_of_parts);
  queue.push(run_of_parts, nullptr);
  ASSERT_TRUE(queue.next_frame(kRecordBytesMax, kNoLimit).has_value());
  EXPECT_TRUE(queue.nack({.first = 1, .last = 1, .reason = NackReason::no_space, .retryable = true}).retry);
  const auto frame = queue.next_frame(kNoLimit, kNoLimit);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->run, run_of_parts);
  EXPECT_EQ(frame->first_sequence, 2u);
}

TEST_F(SendQueueTest, FailingAllRunsEachStepOnce) {
  push(1);
  push(2);
  send();
  push(3);
  run(queue.fail_all(absl::UnavailableError("gone")));
  EXPECT_THAT(log, ElementsAre("1 failed", "2 failed", "3 failed"));
  EXPECT_EQ(queue.unacked_bytes(), 0u);
}

}  // namespace
}  // namespace sluice::net
