// What an entry of the TSO index costs to append, and to read for a puller: by ranges from the front, and one ts at a
// time somewhere in an index of a million.
#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/assert.h"
#include "storage/tso_index.h"

namespace sluice::storage {
namespace {

constexpr uint64_t kEntries = 1u << 20;

OrderEntry entry_of(uint64_t nth) {
  return {.commit_ts = CommitTs(nth * 3),
          .start_ts = StartTs(nth * 3 - 1),
          .prewrite = LogPosition(1, static_cast<uint32_t>(nth * 8)),
          .prewrite_bytes = 112};
}

void fill(TsoIndex& index, size_t batch) {
  std::vector<OrderEntry> entries;
  for (uint64_t nth = 1; nth <= kEntries; ++nth) {
    entries.push_back(entry_of(nth));
    if (entries.size() < batch && nth < kEntries) continue;
    index.append(entries);
    entries.clear();
  }
}

void append(benchmark::State& state) {
  for ([[maybe_unused]] const auto turn : state) {
    TsoIndex index;
    fill(index, static_cast<size_t>(state.range(0)));
    benchmark::DoNotOptimize(index.last());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kEntries));
}

void read_ranges(benchmark::State& state) {
  TsoIndex index;
  fill(index, 4096);
  const ResolvedTs through(kEntries * 3);
  for ([[maybe_unused]] const auto turn : state) {
    CommitTs after;
    uint64_t read = 0;
    while (true) {
      const std::vector<OrderEntry> some = index.range(after, through, static_cast<size_t>(state.range(0)));
      if (some.empty()) break;
      after = some.back().commit_ts;
      read += some.size();
    }
    SLUICE_ASSERT(read == kEntries, "read={}", read);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kEntries));
}

void find_one(benchmark::State& state) {
  TsoIndex index;
  fill(index, 4096);
  std::mt19937_64 random(42);
  for ([[maybe_unused]] const auto turn : state)
    SLUICE_ASSERT(index.find(CommitTs((random() % kEntries + 1) * 3)).has_value());
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(append)->ArgName("batch")->Arg(1)->Arg(256)->Arg(4096);
BENCHMARK(read_ranges)->ArgName("count")->Arg(64)->Arg(4096);
BENCHMARK(find_one);

}  // namespace
}  // namespace sluice::storage

BENCHMARK_MAIN();
