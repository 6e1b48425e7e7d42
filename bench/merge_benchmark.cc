// How fast the loser tree merges: k sources of random keys, and of runs of 1, 8 and 64 keys from one source at a time.
// Goals: 40 M keys/s at k = 8 random, 200 M keys/s in runs of 64.
#include <array>
#include <functional>
#include <queue>
#include <random>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "drainer/merge/loser_tree.h"

namespace sluice::drainer {
namespace {

constexpr size_t kKeysPerSource = size_t{1} << 14;

using Sources = std::vector<std::vector<uint64_t>>;

// Keys 0, 1, 2 … dealt to the sources, `run` consecutive ones at a time; 0: each to a random source.
Sources deal(size_t sources, size_t run) {
  std::mt19937_64 random(42);
  Sources dealt(sources);
  size_t holder = 0;
  for (uint64_t key = 0; key < kKeysPerSource * sources; ++key) {
    if (run == 0)
      holder = random() % sources;
    else if (key % run == 0)
      holder = (holder + 1 + random() % std::max<size_t>(1, sources - 1)) % sources;
    dealt[holder].push_back(key);
  }
  for (auto& keys : dealt) keys.push_back(merge::kExhausted);
  return dealt;
}

template <unsigned kHeight>
void merge(benchmark::State& state) {
  constexpr uint32_t kSources = merge::LoserTree<kHeight>::kSources;
  const Sources sources = deal(kSources, static_cast<size_t>(state.range(0)));
  std::vector<uint64_t> heads;
  for (const auto& keys : sources) heads.push_back(keys.front());
  for ([[maybe_unused]] const auto turn : state) {
    std::array<const uint64_t*, kSources> next{};
    for (uint32_t s = 0; s < kSources; ++s) next[s] = sources[s].data();
    merge::LoserTree<kHeight> tree(heads);
    uint64_t sum = 0;
    while (tree.winner_key() != merge::kExhausted) {
      sum += tree.winner_key();
      tree.replace(*++next[tree.winner()]);
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kKeysPerSource * kSources));
}

// What anybody would write first: the ceiling's opposite, to say what the tree is worth.
template <unsigned kHeight>
void heap(benchmark::State& state) {
  constexpr uint32_t kSources = merge::LoserTree<kHeight>::kSources;
  const Sources sources = deal(kSources, static_cast<size_t>(state.range(0)));
  using Head = std::pair<uint64_t, uint32_t>;
  for ([[maybe_unused]] const auto turn : state) {
    std::array<const uint64_t*, kSources> next{};
    std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
    for (uint32_t s = 0; s < kSources; ++s) {
      next[s] = sources[s].data();
      heads.push({*next[s], s});
    }
    uint64_t sum = 0;
    while (heads.top().first != merge::kExhausted) {
      const auto [key, source] = heads.top();
      sum += key;
      heads.pop();
      heads.push({*++next[source], source});
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kKeysPerSource * kSources));
}

BENCHMARK(heap<3>)->ArgName("run")->Arg(0)->Arg(64);

#define MERGE_BENCHMARK(height) BENCHMARK(merge<height>)->ArgName("run")->Arg(0)->Arg(1)->Arg(8)->Arg(64)
MERGE_BENCHMARK(1);
MERGE_BENCHMARK(2);
MERGE_BENCHMARK(3);
MERGE_BENCHMARK(5);

}  // namespace
}  // namespace sluice::drainer

BENCHMARK_MAIN();
