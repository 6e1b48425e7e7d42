// What building SQL of row changes costs: rows of sysbench's table a second of one thread, in transactions of `rows`.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/assert.h"
#include "base/status.h"
#include "bench/sysbench_fixture.h"
#include "drainer/sinks/mysql/row_statements.h"
#include "drainer/sinks/mysql/transaction_builder.h"

namespace sluice::drainer::sinks::mysql {
namespace {

constexpr int kRows = 4000;
constexpr RowStatementLimits kLimits{.packet_bytes_target = 1u << 20, .packet_bytes_max = 16u << 20};

using Transactions = std::vector<std::shared_ptr<const change::Transaction>>;

template <class Add>
Transactions transactions(int rows, Add&& add) {
  const auto def = std::make_shared<change::TableDef>(sysbench_table().def);
  Transactions made;
  for (int id = 1; id <= kRows;) {
    TransactionBuilder builder(static_cast<uint64_t>(id) + 1);
    for (const int end = std::min(kRows + 1, id + rows); id < end; ++id) add(builder, def, id);
    made.push_back(builder.build());
  }
  return made;
}

void build(benchmark::State& state, const Transactions& made) {
  size_t bytes = 0;
  for ([[maybe_unused]] const auto turn : state) {
    bytes = 0;
    RowStatements statements(made, ServerKind::mariadb, kLimits);
    while (!statements.done()) {
      SqlPacket packet;
      const absl::Status filled = statements.fill(packet);
      SLUICE_ASSERT(filled.ok(), "{}", message_of(filled));
      bytes += packet.sql.size();
    }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

const std::string kText(119, '7');
const std::string_view kC = kText;
const std::string_view kPad = kC.substr(0, 59);

void build_inserts(benchmark::State& state) {
  build(state, transactions(static_cast<int>(state.range(0)), [](TransactionBuilder& builder, const auto& def, int id) {
          builder.insert(def, {id, id * 7, kC, kPad});
        }));
}

void build_updates(benchmark::State& state) {
  build(state, transactions(static_cast<int>(state.range(0)), [](TransactionBuilder& builder, const auto& def, int id) {
          builder.update(def, {id, id * 7, kC, kPad}, {id, id * 7 + 1, kC, kPad});
        }));
}

void build_deletes(benchmark::State& state) {
  build(state, transactions(static_cast<int>(state.range(0)), [](TransactionBuilder& builder, const auto& def, int id) {
          builder.remove(def, {id, id * 7, kC, kPad});
        }));
}

BENCHMARK(build_inserts)->ArgName("rows")->Arg(1)->Arg(20)->Arg(1000);
BENCHMARK(build_updates)->ArgName("rows")->Arg(1)->Arg(20);
BENCHMARK(build_deletes)->ArgName("rows")->Arg(1)->Arg(20);

}  // namespace
}  // namespace sluice::drainer::sinks::mysql

BENCHMARK_MAIN();
