// What a record and a frame cost to encode and to verify, by payload size: transactions a second of one thread, each a
// prewrite and its commit. A pump verifies every frame once, so this bounds what it can take.
#include <string>

#include <benchmark/benchmark.h>

#include "base/assert.h"
#include "base/record.h"
#include "net/native/frame.h"

namespace sluice {
namespace {

constexpr size_t kRunBytes = size_t{256} << 10;  // what writers put into a frame

struct Run {
  std::string bytes;
  int64_t transactions = 0;
};

Run make_run(size_t payload_bytes) {
  const std::string payload(payload_bytes, 'x');
  Run run;
  for (uint64_t ts = 1; run.bytes.size() < kRunBytes; ts += 2, ++run.transactions) {
    encode_prewrite(StartTs(ts), PayloadFormat::native, as_bytes(payload), run.bytes);
    encode_commit(StartTs(ts), CommitTs(ts + 1), run.bytes);
  }
  return run;
}

void report(benchmark::State& state, const Run& run) {
  state.SetItemsProcessed(state.iterations() * run.transactions);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(run.bytes.size()));
}

void encode_records(benchmark::State& state) {
  const Run once = make_run(static_cast<size_t>(state.range(0)));
  const std::string payload(static_cast<size_t>(state.range(0)), 'x');
  std::string run;
  for ([[maybe_unused]] const auto turn : state) {
    run.clear();
    for (int64_t i = 0; i < once.transactions; ++i) {
      encode_prewrite(StartTs(static_cast<uint64_t>(i)), PayloadFormat::native, as_bytes(payload), run);
      encode_commit(StartTs(static_cast<uint64_t>(i)), CommitTs(static_cast<uint64_t>(i) + 1), run);
    }
    benchmark::DoNotOptimize(run.data());
  }
  report(state, once);
}

void encode_whole_frame(benchmark::State& state) {
  const Run run = make_run(static_cast<size_t>(state.range(0)));
  for ([[maybe_unused]] const auto turn : state)
    benchmark::DoNotOptimize(net::encode_frame(net::FrameType::write, 1, as_bytes(run.bytes)));
  report(state, run);
}

void verify_frame(benchmark::State& state) {
  const Run run = make_run(static_cast<size_t>(state.range(0)));
  const std::string frame = net::encode_frame(net::FrameType::write, 1, as_bytes(run.bytes));
  const ByteSpan bytes = as_bytes(frame);
  for ([[maybe_unused]] const auto turn : state) {
    const auto header = net::decode_frame_header(bytes);
    SLUICE_ASSERT(header.ok());
    const auto records = net::check_frame_body(*header, bytes.subspan(net::kFrameHeaderBytes));
    SLUICE_ASSERT(records.ok() && *records == 2 * static_cast<uint64_t>(run.transactions));
  }
  report(state, run);
}

BENCHMARK(encode_records)->ArgName("payload")->Arg(64)->Arg(1024)->Arg(65536);
BENCHMARK(encode_whole_frame)->ArgName("payload")->Arg(64)->Arg(1024)->Arg(65536);
BENCHMARK(verify_frame)->ArgName("payload")->Arg(64)->Arg(1024)->Arg(65536);

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
