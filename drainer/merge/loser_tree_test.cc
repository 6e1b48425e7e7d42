#include "drainer/merge/loser_tree.h"

#include <random>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::drainer::merge {
namespace {

using Sources = std::vector<std::vector<uint64_t>>;
using Merged = std::vector<std::pair<uint64_t, uint32_t>>;

template <unsigned kHeight>
Merged merge_by_tree(const Sources& sources) {
  std::vector<uint64_t> heads;
  for (const auto& keys : sources) heads.push_back(keys.empty() ? kExhausted : keys.front());
  LoserTree<kHeight> tree(heads);
  std::vector<size_t> next(LoserTree<kHeight>::kSources, 1);
  Merged merged;
  while (tree.winner_key() != kExhausted) {
    const uint32_t s = tree.winner();
    merged.emplace_back(tree.winner_key(), s);
    tree.replace(next[s] < sources[s].size() ? sources[s][next[s]] : kExhausted);
    ++next[s];
  }
  return merged;
}

Merged merge_by_sorting(const Sources& sources) {
  Merged merged;
  for (uint32_t s = 0; s < sources.size(); ++s)
    for (const uint64_t key : sources[s]) merged.emplace_back(key, s);
  std::sort(merged.begin(), merged.end());
  return merged;
}

// Ascending keys with many ties and with bursts: both the replay and the run test are taken.
Sources random_sources(std::mt19937_64& random, size_t count) {
  Sources sources(count);
  const uint64_t run_length = 1 + random() % 8;
  for (auto& keys : sources) {
    const size_t length = random() % 40;
    uint64_t key = random() % 4;
    for (size_t i = 0; i < length; ++i) {
      keys.push_back(key);
      key += i % run_length == 0 ? random() % 16 : random() % 2;
    }
  }
  return sources;
}

template <unsigned kHeight>
void expect_equal_to_sorting(uint64_t seed) {
  std::mt19937_64 random(seed);
  for (size_t count = 1; count <= LoserTree<kHeight>::kSources; count += 1 + count / 4) {
    const Sources sources = random_sources(random, count);
    ASSERT_EQ(merge_by_tree<kHeight>(sources), merge_by_sorting(sources))
        << "height " << kHeight << " seed " << seed << " k " << count;
  }
}

TEST(LoserTree, MergesAsSortingByKeyThenSourceDoes) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    expect_equal_to_sorting<0>(seed);
    expect_equal_to_sorting<1>(seed);
    expect_equal_to_sorting<2>(seed);
    expect_equal_to_sorting<3>(seed);
    expect_equal_to_sorting<5>(seed);
  }
}

TEST(LoserTree, PrefersTheLowerSourceAmongEqualKeys) {
  const Sources sources = {{7, 7}, {7}, {7}, {7}};
  EXPECT_EQ(merge_by_tree<2>(sources), (Merged{{7, 0}, {7, 0}, {7, 1}, {7, 2}, {7, 3}}));
}

TEST(LoserTree, KnowsHowFarASourceMayRunOnceItWonTwice) {
  LoserTree<2> tree(std::vector<uint64_t>{1, 50, 40, 60});
  EXPECT_EQ(tree.run_bound(), 0u);
  tree.replace(2);
  EXPECT_EQ(tree.winner(), 0u);
  EXPECT_EQ(tree.run_bound(), 40u);
  tree.replace(39);
  EXPECT_EQ(tree.winner(), 0u);
  tree.replace(41);
  EXPECT_EQ(tree.winner(), 2u);
}

TEST(LoserTree, IsExhaustedWhenAllSourcesAre) {
  LoserTree<3> tree(std::vector<uint64_t>{});
  EXPECT_EQ(tree.winner_key(), kExhausted);
}

}  // namespace
}  // namespace sluice::drainer::merge
