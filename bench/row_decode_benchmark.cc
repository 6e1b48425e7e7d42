// What decoding a row of sysbench's table costs: rows a second of one thread. An update has two images.
#include <chrono>
#include <memory_resource>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/assert.h"
#include "base/status.h"
#include "bench/sysbench_fixture.h"
#include "drainer/translator/row_decoder.h"

namespace sluice::drainer::translator {
namespace {

constexpr int64_t kRows = 1000;

// Rows back to back, as a payload holds them: places, so that views into `payload` are made once it no longer grows.
struct Payload {
  std::string bytes;
  std::vector<std::pair<size_t, size_t>> rows;

  void add(const std::string& row) {
    rows.emplace_back(bytes.size(), row.size());
    bytes += row;
  }
};

template <class Decode>
void decode(benchmark::State& state, const Payload& payload, Decode&& one) {
  const schema::TableSchema table = sysbench_table();
  const std::string_view bytes = payload.bytes;
  for ([[maybe_unused]] const auto turn : state) {
    std::pmr::monotonic_buffer_resource arena(size_t{1} << 20);
    ColumnValues values(arena, std::chrono::minutes(0));
    RowDecoder decoder(table, {.schema_version = 1, .schema_version_known = 1}, bytes, values);
    for (const auto& [at, size] : payload.rows) {
      const absl::StatusOr<change::RowChange> change = one(decoder, bytes.substr(at, size));
      SLUICE_ASSERT(change.ok(), "{}", message_of(change.status()));
      benchmark::DoNotOptimize(change->after.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

void decode_inserts(benchmark::State& state) {
  SysbenchRows rows(42);
  Payload payload;
  for (int64_t id = 1; id <= kRows; ++id) payload.add(rows.inserted(id));
  decode(state, payload, [](RowDecoder& decoder, std::string_view row) { return decoder.insert(row); });
}

void decode_updates(benchmark::State& state) {
  SysbenchRows rows(42);
  Payload payload;
  for (int64_t id = 1; id <= kRows; ++id) payload.add(rows.whole(id) + rows.whole(id));
  decode(state, payload, [](RowDecoder& decoder, std::string_view row) { return decoder.update(row); });
}

void decode_deletes(benchmark::State& state) {
  SysbenchRows rows(42);
  Payload payload;
  for (int64_t id = 1; id <= kRows; ++id) payload.add(rows.whole(id));
  decode(state, payload, [](RowDecoder& decoder, std::string_view row) { return decoder.remove(row); });
}

BENCHMARK(decode_inserts);
BENCHMARK(decode_updates);
BENCHMARK(decode_deletes);

}  // namespace
}  // namespace sluice::drainer::translator

BENCHMARK_MAIN();
