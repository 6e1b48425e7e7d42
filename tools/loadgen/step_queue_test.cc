#include "tools/loadgen/step_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::loadgen {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kWindow = 1000;

class StepQueueTest : public ::testing::Test {
 protected:
  void push(uint64_t transaction, uint32_t records = 1, uint32_t bytes = 10) {
    queue_.push(transaction, StepKind::prewrite, records, bytes);
  }
  std::vector<uint64_t> take_all(uint64_t window = kWindow) {
    std::vector<uint64_t> taken;
    while (queue_.ready(window)) taken.push_back(queue_.take().transaction);
    return taken;
  }
  std::vector<uint64_t> ack(uint64_t through) {
    std::vector<uint64_t> settled;
    queue_.ack(through, [&](const Step& step) { settled.push_back(step.transaction); });
    return settled;
  }
  StepQueue queue_;
};

TEST_F(StepQueueTest, SettlesInOrderByCumulativeAcks) {
  for (uint64_t i = 1; i <= 4; ++i) push(i);
  EXPECT_THAT(take_all(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(ack(2), ElementsAre(1, 2));
  EXPECT_THAT(ack(2), IsEmpty());
  EXPECT_THAT(ack(4), ElementsAre(3, 4));
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.wire_bytes(), 0u);
}

TEST_F(StepQueueTest, AStepOfSeveralRecordsIsSettledByItsLast) {
  push(1, 3);
  push(2);
  EXPECT_THAT(take_all(), ElementsAre(1, 2));
  EXPECT_EQ(queue_.next_sequence(), 5u);
  EXPECT_THAT(ack(2), IsEmpty());
  EXPECT_THAT(ack(3), ElementsAre(1));
}

TEST_F(StepQueueTest, TheWindowHoldsBackWhatDoesNotFit) {
  for (uint64_t i = 1; i <= 4; ++i) push(i, 1, 400);
  EXPECT_THAT(take_all(), ElementsAre(1, 2, 3));  // the third exceeds it
  EXPECT_THAT(ack(1), ElementsAre(1));
  EXPECT_THAT(take_all(), ElementsAre(4));
}

TEST_F(StepQueueTest, ARetryableNackGoesOutAgainBeforeTheRest) {
  for (uint64_t i = 1; i <= 3; ++i) push(i);
  EXPECT_THAT(take_all(), ElementsAre(1, 2, 3));
  push(4);
  EXPECT_EQ(queue_.nack(2, 3, true).size(), 2u);
  EXPECT_THAT(ack(3), ElementsAre(1));  // an ack that passes a nack doesn't settle what it named
  EXPECT_THAT(take_all(), ElementsAre(2, 3, 4));
  EXPECT_THAT(ack(6), ElementsAre(2, 3, 4));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(StepQueueTest, ANackOfOnePartNamesTheWholeStep) {
  push(1);
  push(2, 4);
  push(3);
  EXPECT_THAT(take_all(), ElementsAre(1, 2, 3));
  EXPECT_EQ(queue_.nack(4, 4, true).size(), 1u);
  EXPECT_EQ(queue_.nack(5, 5, true).size(), 0u);  // named already
  EXPECT_THAT(ack(6), ElementsAre(1, 3));
  EXPECT_THAT(take_all(), ElementsAre(2));
}

TEST_F(StepQueueTest, AFinalNackIsReturnedAndNeverSettled) {
  push(1);
  push(2);
  EXPECT_THAT(take_all(), ElementsAre(1, 2));
  const auto refused = queue_.nack(1, 1, false);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].transaction, 1u);
  EXPECT_THAT(ack(2), ElementsAre(2));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(StepQueueTest, AfterALostConnectionEverythingUnsettledGoesOutAgainInOrder) {
  for (uint64_t i = 1; i <= 5; ++i) push(i);
  EXPECT_THAT(take_all(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(ack(1), ElementsAre(1));
  EXPECT_EQ(queue_.nack(3, 3, true).size(), 1u);
  push(6);
  queue_.reset();
  EXPECT_EQ(queue_.next_sequence(), 1u);
  EXPECT_EQ(queue_.wire_bytes(), 0u);
  EXPECT_THAT(take_all(), ElementsAre(2, 3, 4, 5, 6));
  EXPECT_THAT(ack(5), ElementsAre(2, 3, 4, 5, 6));
}

TEST_F(StepQueueTest, TwoLostConnectionsInARowKeepTheOrder) {
  for (uint64_t i = 1; i <= 4; ++i) push(i);
  EXPECT_THAT(take_all(), ElementsAre(1, 2, 3, 4));
  queue_.reset();
  EXPECT_EQ(queue_.take().transaction, 1u);
  EXPECT_EQ(queue_.take().transaction, 2u);
  queue_.reset();
  EXPECT_THAT(take_all(), ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace sluice::loadgen
