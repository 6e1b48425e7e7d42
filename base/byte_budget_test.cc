#include "base/byte_budget.h"

#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr ByteUse kIn{0};
constexpr ByteUse kOut{1};

// 100 bytes: `in` keeps 20 and takes at most 80, `out` keeps 30.
struct Budget {
  ByteBudget bytes{100, {{.name = "in", .bytes_min = 20, .bytes_max = 80}, {.name = "out", .bytes_min = 30}}};
  std::shared_ptr<ByteHolder> holder(ByteUse use, uint64_t min = 0) {
    return std::make_shared<ByteHolder>(bytes, use, min);
  }
};

TEST(ByteBudget, GivesBackWhatAReservationHeldOnce) {
  Budget b;
  const auto in = b.holder(kIn);
  ByteReservation first = in->try_reserve(40);
  ASSERT_TRUE(first);
  ByteReservation moved = std::move(first);
  first.release();  // NOLINT: holds nothing after the move
  EXPECT_EQ(b.bytes.bytes(), 40u);
  moved.shrink(10);
  EXPECT_EQ(in->bytes(), 30u);
  moved.release();
  moved.release();
  EXPECT_EQ(b.bytes.bytes(), 0u);
  EXPECT_EQ(b.bytes.bytes_top(), 40u);
}

TEST(ByteBudget, AUseCannotTakeAnothersMinimum) {
  Budget b;
  const auto in = b.holder(kIn);
  const auto out = b.holder(kOut);
  EXPECT_EQ(b.bytes.reservation_max(kIn), 70u);
  EXPECT_EQ(b.bytes.reservation_max(kOut), 80u);
  EXPECT_FALSE(in->try_reserve(71));
  const ByteReservation most = in->try_reserve(70);
  ASSERT_TRUE(most);
  EXPECT_FALSE(in->try_reserve(1));
  const ByteReservation kept = out->try_reserve(30);
  EXPECT_TRUE(kept);
  EXPECT_FALSE(out->try_reserve(1));
  EXPECT_EQ(b.bytes.stats(kIn).refusals, 2u);
  EXPECT_EQ(b.bytes.stats(kOut).refusals, 1u);
  EXPECT_EQ(b.bytes.stats(kIn).name, "in");
}

TEST(ByteBudget, AUseStaysBelowItsMaximum) {
  ByteBudget bytes(100, {{.name = "strangers", .bytes_max = 25}, {.name = "known"}});
  const auto stranger = std::make_shared<ByteHolder>(bytes, ByteUse{0}, 0);
  EXPECT_FALSE(stranger->try_reserve(26));
  EXPECT_TRUE(stranger->try_reserve(25));
}

TEST(ByteBudget, AHolderCanAlwaysGoOnWithItsMinimum) {
  Budget b;
  const auto mine = b.holder(kIn, 10);
  const auto greedy = b.holder(kIn);
  const ByteReservation all = greedy->try_reserve(60);
  ASSERT_TRUE(all);
  EXPECT_FALSE(greedy->try_reserve(1));
  ByteReservation own = mine->try_reserve(10);
  EXPECT_TRUE(own);
  EXPECT_FALSE(own.try_grow(1));
  EXPECT_EQ(own.bytes(), 10u);
}

TEST(ByteBudget, AMinimumThatIsNotLeftIsNotPromised) {
  Budget b;
  const auto first = b.holder(kIn, 60);
  const auto second = b.holder(kIn, 60);
  EXPECT_EQ(first->bytes_min(), 60u);
  EXPECT_EQ(second->bytes_min(), 0u);
}

TEST(ByteBudget, AHoldersEndFreesItsMinimum) {
  Budget b;
  auto first = b.holder(kIn, 60);
  const auto second = b.holder(kIn);
  EXPECT_FALSE(second->try_reserve(50));
  first.reset();
  EXPECT_TRUE(second->try_reserve(50));
}

TEST(ByteBudget, AReservationOutlivesItsHoldersOwner) {
  Budget b;
  auto closed = b.holder(kIn, 5);
  ByteReservation queued = closed->try_reserve(40);
  closed.reset();
  EXPECT_EQ(b.bytes.bytes(), 40u);
  queued.release();
  EXPECT_EQ(b.bytes.bytes(), 0u);
}

TEST(ByteBudget, WhatIsTakenWithoutAskingIsPaidByTheNext) {
  Budget b;
  const auto out = b.holder(kOut);
  ByteReservation index = out->take(150);
  EXPECT_EQ(b.bytes.bytes(), 150u);
  const auto in = b.holder(kIn);
  EXPECT_TRUE(in->try_reserve(20));  // its minimum stays
  EXPECT_FALSE(in->try_reserve(21));
  index.shrink(100);
  EXPECT_TRUE(in->try_reserve(21));
}

TEST(ByteBudget, AnAbsurdSizeIsRefusedAndNotWrappedAround) {
  Budget b;
  const auto in = b.holder(kIn);
  const ByteReservation some = in->try_reserve(10);
  EXPECT_FALSE(in->try_reserve(UINT64_MAX));
  EXPECT_FALSE(in->try_reserve(UINT64_MAX - 5));
  EXPECT_EQ(b.bytes.bytes(), 10u);
}

TEST(ByteBudget, TellsOfRoomOnceAfterARefusal) {
  Budget b;
  int told = 0;
  b.bytes.on_room([&] { ++told; });
  const auto in = b.holder(kIn);
  ByteReservation first = in->try_reserve(30);
  ByteReservation second = in->try_reserve(30);
  first.shrink(10);
  EXPECT_EQ(told, 0);  // nobody waits
  EXPECT_FALSE(in->try_reserve(60));
  first.shrink(10);
  second.shrink(10);
  EXPECT_EQ(told, 1);
}

TEST(ByteBudget, NeverExceedsItsTotalWhateverThreadsDo) {
  constexpr uint64_t kTotal = 1000;
  ByteBudget bytes(kTotal, {{.name = "a", .bytes_min = 100}, {.name = "b", .bytes_min = 200, .bytes_max = 700}});
  const auto work = [&](unsigned seed) {
    std::mt19937_64 random(seed);
    const auto holder = std::make_shared<ByteHolder>(bytes, ByteUse{seed % 2}, seed * 10);
    std::vector<ByteReservation> held;
    for (int i = 0; i < 20'000; ++i) {
      if (random() % 2 == 0 && !held.empty()) {
        std::swap(held[random() % held.size()], held.back());
        held.pop_back();
      } else if (ByteReservation more = holder->try_reserve(random() % 200)) {
        held.push_back(std::move(more));
      }
      if (bytes.bytes() > kTotal) std::abort();
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bytes.bytes(), 0u);
  EXPECT_LE(bytes.bytes_top(), kTotal);
  EXPECT_GT(bytes.stats(kIn).refusals + bytes.stats(kOut).refusals, 0u);
}

}  // namespace
}  // namespace sluice
