// What a transaction costs the sorter, from the admission of its prewrite until its entry leaves in order: bounds a
// pump's ingest of small transactions. `open`: how many transactions are begun before the oldest of them commits.
#include <algorithm>
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/assert.h"
#include "pump/order/sorter.h"

namespace sluice::pump {
namespace {

constexpr uint64_t kTransactions = 1u << 14;
constexpr size_t kBatch = 256;  // records that become durable together

// Prewrite i, and the commit of transaction i - open; a timestamp is used once.
std::vector<RecordHeader> records_of(uint64_t open) {
  std::vector<RecordHeader> records;
  std::vector<uint64_t> starts;
  uint64_t ts = 0;
  for (uint64_t i = 0; i < kTransactions + open; ++i) {
    if (i < kTransactions) {
      starts.push_back(++ts);
      records.push_back({.kind = RecordKind::prewrite,
                         .format = PayloadFormat::native,
                         .body_bytes = 64,
                         .start_ts = ts,
                         .body_hash = ts});
    }
    if (i >= open) records.push_back({.kind = RecordKind::commit, .start_ts = starts[i - open], .commit_ts = ++ts});
  }
  return records;
}

void sort_transactions(benchmark::State& state) {
  const std::vector<RecordHeader> records = records_of(static_cast<uint64_t>(state.range(0)));
  for ([[maybe_unused]] const auto turn : state) {
    storage::TsoIndex index;
    Sorter sorter(index);
    uint32_t position = 0;
    for (size_t begin = 0; begin < records.size(); begin += kBatch) {
      const size_t end = std::min(records.size(), begin + kBatch);
      for (size_t i = begin; i < end; ++i) SLUICE_ASSERT(sorter.admit(records[i]).accepted());
      sorter.keep();
      for (size_t i = begin; i < end; ++i) sorter.durable(LogPosition(1, position += 8), records[i]);
      index.append(sorter.advance());
    }
    SLUICE_ASSERT(index.size() == kTransactions, "size={}", index.size());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kTransactions));
}

BENCHMARK(sort_transactions)->ArgName("open")->Arg(1)->Arg(256)->Arg(4096);

}  // namespace
}  // namespace sluice::pump

BENCHMARK_MAIN();
