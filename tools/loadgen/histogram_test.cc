#include "tools/loadgen/histogram.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace sluice::loadgen {
namespace {

TEST(Histogram, CountsBelow2048AreExact) {
  for (uint64_t value = 0; value < 2048; ++value) {
    EXPECT_EQ(Histogram::index_of(value), value);
    EXPECT_EQ(Histogram::first_of(value), value);
    EXPECT_EQ(Histogram::last_of(value), value);
  }
}

TEST(Histogram, EachHigherBucketHas1024CountsOfDoubledWidth) {
  // The very first count above, and both sides of each bucket's end.
  EXPECT_EQ(Histogram::index_of(2048), 2048u);
  EXPECT_EQ(Histogram::index_of(2049), 2048u);
  EXPECT_EQ(Histogram::index_of(2050), 2049u);
  EXPECT_EQ(Histogram::index_of(4095), 3071u);
  EXPECT_EQ(Histogram::index_of(4096), 3072u);
  EXPECT_EQ(Histogram::index_of(4099), 3072u);
  EXPECT_EQ(Histogram::index_of(4100), 3073u);
  for (unsigned bit = 11; bit < 42; ++bit) {
    const uint64_t edge = uint64_t{1} << bit;
    EXPECT_EQ(Histogram::index_of(edge), Histogram::index_of(edge - 1) + 1) << edge;
    EXPECT_EQ(Histogram::first_of(Histogram::index_of(edge)), edge);
    EXPECT_EQ(Histogram::last_of(Histogram::index_of(edge)), edge + (edge >> 10) - 1);
  }
}

TEST(Histogram, EveryCountBeginsWhereTheOneBeforeEnds) {
  const size_t last = Histogram::index_of(Histogram::kValueMax);
  for (size_t i = 0; i < last; ++i) {
    ASSERT_EQ(Histogram::last_of(i) + 1, Histogram::first_of(i + 1)) << i;
    ASSERT_EQ(Histogram::index_of(Histogram::first_of(i)), i);
    ASSERT_EQ(Histogram::index_of(Histogram::last_of(i)), i);
  }
  EXPECT_EQ(Histogram::last_of(last), Histogram::kValueMax);
}

TEST(Histogram, PercentilesAreWithinATenthOfAPercentOfTheSortedValues) {
  std::mt19937_64 random(7);
  std::vector<uint64_t> values;
  Histogram histogram;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(random() >> (22 + random() % 40));
    histogram.add_value(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const size_t rank : {20u, 200u, 5'000u, 10'000u, 18'000u, 19'800u, 19'980u, 19'998u, 20'000u}) {
    const double percent = static_cast<double>(rank) / 200;
    const uint64_t exact = values[rank - 1];
    EXPECT_GE(histogram.percentile(percent), exact) << percent;
    EXPECT_LE(histogram.percentile(percent), exact + exact / 1000 + 1) << percent;
  }
  EXPECT_EQ(histogram.percentile(0), values.front());
  EXPECT_EQ(histogram.percentile(100), values.back());
}

TEST(Histogram, APercentileIsAValueThatEnoughDoNotExceed) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 100; ++value) histogram.add_value(value);
  EXPECT_EQ(histogram.percentile(50), 50u);
  EXPECT_EQ(histogram.percentile(99), 99u);
  EXPECT_EQ(histogram.percentile(99.5), 100u);
  EXPECT_DOUBLE_EQ(histogram.mean(), 50.5);
}

TEST(Histogram, MergingEqualsRecordingAllInOne) {
  std::mt19937_64 random(8);
  Histogram one, two, all;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = random() >> (random() % 64);
    (i % 3 == 0 ? one : two).add_value(value);
    all.add_value(value);
  }
  one.merge(two);
  EXPECT_EQ(one.count(), all.count());
  EXPECT_EQ(one.min(), all.min());
  EXPECT_EQ(one.max(), all.max());
  for (double percent = 0; percent <= 100; percent += 0.5) EXPECT_EQ(one.percentile(percent), all.percentile(percent));
}

TEST(Histogram, NothingRecordedIsZero) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile(50), 0u);
  EXPECT_EQ(histogram.min(), 0u);
  Histogram other;
  other.add_value(5);
  other.merge(histogram);
  EXPECT_EQ(other.min(), 5u);
  other.clear();
  EXPECT_EQ(other.count(), 0u);
}

TEST(Histogram, TooLargeAndNegativeValuesAreKeptAtTheEnds) {
  Histogram histogram;
  histogram.add_value(UINT64_MAX);
  EXPECT_EQ(histogram.max(), Histogram::kValueMax);
  histogram.add(std::chrono::nanoseconds(-5));
  EXPECT_EQ(histogram.min(), 0u);
}

}  // namespace
}  // namespace sluice::loadgen
