#include "drainer/merge/credit_pool.h"

#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::drainer::merge {
namespace {

TEST(CreditPool, KeepsEverySourcesReserveFreeOfTheOthers) {
  CreditPool pool({.total_bytes = 100, .reserved_bytes = 20, .sources = 3});
  EXPECT_EQ(pool.room(0), 60u);  // its 20 and the shared 40
  pool.set_held(0, 60);
  EXPECT_EQ(pool.room(0), 0u);
  EXPECT_EQ(pool.room(1), 20u);
  EXPECT_EQ(pool.room(2), 20u);
}

TEST(CreditPool, LendsWhatCameBackToWhoeverAsksNext) {
  CreditPool pool({.total_bytes = 100, .reserved_bytes = 20, .sources = 2});
  pool.set_held(0, 80);
  pool.set_held(0, 30);
  EXPECT_EQ(pool.room(1), 70u);
}

TEST(CreditPool, ShrinksTheReserveToWhatTheTotalAllows) {
  CreditPool pool({.total_bytes = 30, .reserved_bytes = 20, .sources = 3});
  for (size_t s = 0; s < 3; ++s) EXPECT_EQ(pool.room(s), 10u);
}

TEST(CreditPool, TakesAnOverdraftOutOfEveryonesLaterRoom) {
  CreditPool pool({.total_bytes = 40, .reserved_bytes = 10, .sources = 2});
  pool.set_held(0, 100);
  EXPECT_EQ(pool.room(0), 0u);
  EXPECT_EQ(pool.room(1), 10u);
  pool.set_held(0, 0);
  EXPECT_EQ(pool.room(0), 30u);
}

TEST(CreditPool, NeverLendsMoreThanTheTotalNorStarvesAReserve) {
  std::mt19937_64 random(7);
  CreditPool pool({.total_bytes = 1000, .reserved_bytes = 100, .sources = 5});
  std::vector<uint64_t> held(5, 0);
  for (int i = 0; i < 20000; ++i) {
    const size_t s = random() % 5;
    if (random() % 2 == 0) {
      ASSERT_GE(held[s] + pool.room(s), 100u);
      held[s] += std::min<uint64_t>(random() % 400, pool.room(s));
    } else {
      held[s] -= held[s] == 0 ? 0 : random() % (held[s] + 1);
    }
    pool.set_held(s, held[s]);
    ASSERT_LE(std::accumulate(held.begin(), held.end(), uint64_t{0}), 1000u);
  }
}

}  // namespace
}  // namespace sluice::drainer::merge
