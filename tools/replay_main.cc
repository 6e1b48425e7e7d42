// replay: sends recorded binlogs to pumps. `replay --help` shows all; exit 0 done, 1 a failure that a repetition may
// heal, 2 wrong usage, an unusable recording or a pump that refuses it.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <span>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/options.h"
#include "base/status.h"
#include "tools/replay.h"

namespace {

using namespace sluice;

struct Settings {
  tools::ReplayOptions replay;
  std::string protocol = "native";
  std::string log_level = "warn";
  uint64_t in_flight = 256;
  double give_up_after_s = 60;
  bool json = false;
};

OptionTable option_table(Settings& s) {
  OptionTable table;
  table.program = "replay";
  table.summary = "Sends recorded binlogs to pumps: file i to pump i, in recorded order.";
  table.has_config_file = false;
  table.positional = "FILE";
  table.positionals = &s.replay.files;
  table.options = {
      {.key = "", .flag = "pumps", .field = &s.replay.pumps, .help = "HOST:PORT of each pump, comma-separated"},
      {.key = "",
       .flag = "cluster-id",
       .field = &s.replay.cluster_id,
       .help = "say this cluster id to the pumps; 0: the recording's"},
      {.key = "",
       .flag = "rate",
       .field = &s.replay.transactions_per_second,
       .help = "start this many transactions a second over all pumps; 0: as fast as acked",
       .unit = "1/s",
       .min = 0,
       .max = 1e7},
      {.key = "", .flag = "protocol", .field = &s.protocol, .help = "how to write", .choices = {"native", "grpc"}},
      {.key = "",
       .flag = "in-flight",
       .field = &s.in_flight,
       .help = "un-acked binlogs a pump",
       .min = 1,
       .max = 1 << 20},
      {.key = "",
       .flag = "give-up-after",
       .field = &s.give_up_after_s,
       .help = "of a pump that can't be reached; 0: never",
       .unit = "s",
       .min = 0,
       .max = 86400},
      {.key = "", .flag = "json", .field = &s.json, .help = "print the result as JSON"},
      {.key = "",
       .flag = "log-level",
       .field = &s.log_level,
       .help = "what is logged",
       .choices = {"debug", "info", "warn", "error"},
       .short_flag = "L"},
  };
  return table;
}

double to_ms(std::chrono::microseconds us) {
  return std::chrono::duration<double, std::milli>(us).count();
}

void print_json(const tools::ReplayResult& r, double seconds) {
  const tools::ReplayTotals& t = r.totals;
  fmt::print("{{\"transactions\":{},\"commits\":{},\"rollbacks\":{},\"binlogs\":{},\"payload_bytes\":{},", t.prewrites,
             t.commits, t.rollbacks, t.binlogs(), t.payload_bytes);
  fmt::print("\"seconds\":{:.6f},\"binlogs_per_second\":{:.1f},", seconds, static_cast<double>(t.binlogs()) / seconds);
  fmt::print("\"ack_ms\":{{\"p50\":{:.3f},\"p99\":{:.3f},\"max\":{:.3f}}},", to_ms(t.latency.percentile(50)),
             to_ms(t.latency.percentile(99)), to_ms(t.latency.percentile(100)));
  fmt::print("\"reconnects\":{},\"progress_ts\":{}}}\n", r.reconnects, r.progress);
}

void print_text(const tools::ReplayResult& r, double seconds) {
  const tools::ReplayTotals& t = r.totals;
  fmt::print("{} transactions ({} commits, {} rollbacks), {:.1f} MB of payload, in {:.2f} s\n", t.prewrites, t.commits,
             t.rollbacks, static_cast<double>(t.payload_bytes) / 1e6, seconds);
  fmt::print(
      "{:.0f} binlogs/s; ack latency p50 {:.2f} ms, p99 {:.2f} ms, max {:.2f} ms; {} reconnects; promised ts {}\n",
      static_cast<double>(t.binlogs()) / seconds, to_ms(t.latency.percentile(50)), to_ms(t.latency.percentile(99)),
      to_ms(t.latency.percentile(100)), r.reconnects, r.progress);
}

// A live line on a terminal, plain lines in a log.
void print_progress(const tools::ReplayProgress& p) {
  const bool live = isatty(STDERR_FILENO) != 0;
  fmt::print(stderr, "{}replay: {} of {} binlogs acked after {:.0f} s{}", live ? "\r" : "", p.acked, p.all,
             p.elapsed.count(), live ? "" : "\n");
  for (const tools::Standstill& one : p.standstills)
    fmt::print(stderr, "{}replay: pump {} {}; trying on\n", live ? "\n" : "", one.pump, one.reason);
}

int exit_code(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) || absl::IsAborted(status) ? 2 : 1;
}

int fail(const absl::Status& status) {
  fmt::print(stderr, "replay: {}\n", message_of(status));
  return exit_code(status);
}

absl::Status check(Settings& s) {
  if (s.protocol == "grpc")
    return absl::InvalidArgumentError("--protocol grpc is not supported yet; use --protocol native");
  if (s.replay.pumps.empty())
    return absl::InvalidArgumentError("--pumps is missing: HOST:PORT of each pump, comma-separated");
  if (s.replay.files.empty())
    return absl::InvalidArgumentError("no recording was named: give one file for each pump, in the same order");
  s.replay.in_flight = static_cast<uint32_t>(s.in_flight);
  s.replay.give_up_after = std::chrono::milliseconds(static_cast<int64_t>(s.give_up_after_s * 1000));
  return set_up_logging({.file = "", .level = s.log_level});
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  const OptionTable table = option_table(settings);
  const auto parsed = parse_options(table, std::span<char* const>(argv, static_cast<size_t>(argc)));
  if (!parsed.ok()) return fail(parsed.status());
  if (parsed->exit_now) {
    fmt::print("{}", parsed->text);
    return 0;
  }
  if (const absl::Status status = check(settings); !status.ok()) return fail(status);
  const auto result = tools::run_replay(settings.replay, print_progress);
  if (!result.ok()) return fail(result.status());
  const double seconds = std::max(result->elapsed.count(), 1e-9);
  if (settings.json)
    print_json(*result, seconds);
  else
    print_text(*result, seconds);
  return 0;
}
