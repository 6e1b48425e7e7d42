#include "tools/loadgen/report.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::loadgen {
namespace {

double us(uint64_t ns) {
  return static_cast<double>(ns) / 1e3;
}
double ms(uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      quoted += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      quoted += c;
  }
  return quoted + '"';
}

std::string latency_json(const Histogram& latency) {
  return fmt::format(
      "{{\"count\":{},\"mean\":{:.1f},\"p50\":{:.1f},\"p90\":{:.1f},\"p99\":{:.1f},\"p999\":{:.1f},\"max\":{:.1f}}}",
      latency.count(), latency.mean() / 1e3, us(latency.percentile(50)), us(latency.percentile(90)),
      us(latency.percentile(99)), us(latency.percentile(99.9)), us(latency.max()));
}

std::string latency_line(std::string_view name, const Histogram& latency) {
  return fmt::format("{:<12} {:>9.3f} {:>9.3f} {:>9.3f} {:>9.3f} {:>9.3f} {:>9.3f}\n", name, latency.mean() / 1e6,
                     ms(latency.percentile(50)), ms(latency.percentile(90)), ms(latency.percentile(99)),
                     ms(latency.percentile(99.9)), ms(latency.max()));
}

std::string write_json_fields(const WriteOptions& options, uint64_t run, const LaneTeam::Look& look) {
  const LaneTotals& t = look.totals;
  const double seconds = std::max(look.elapsed.count(), 1e-9);
  return fmt::format(
      "\"seed\":{},\"run\":{},\"connections\":{},\"in_flight\":{},\"payload_bytes_each\":{},\"rate\":{},"
      "\"transactions\":{},\"commits\":{},\"rollbacks\":{},\"open\":{},\"payload_bytes\":{},\"seconds\":{:.6f},"
      "\"transactions_per_second\":{:.1f},\"payload_mb_per_second\":{:.3f},\"last_commit_ts\":{},\"retries\":{},"
      "\"reconnects\":{},"
      "\"latency_us\":{{\"prewrite\":{},\"commit\":{},\"transaction\":{}}}",
      options.seed, run, options.connections, options.in_flight, options.payload_bytes, options.rate, t.transactions,
      t.commits, t.rollbacks, t.open, t.payload_bytes, seconds, static_cast<double>(t.transactions) / seconds,
      static_cast<double>(t.payload_bytes) / 1e6 / seconds, t.last_commit, t.retries, t.reconnects,
      latency_json(t.prewrite), latency_json(t.commit), latency_json(t.transaction));
}

std::string write_text(const WriteOptions& options, uint64_t run, const LaneTeam::Look& look) {
  const LaneTotals& t = look.totals;
  const double seconds = std::max(look.elapsed.count(), 1e-9);
  std::string text = fmt::format(
      "seed {} run {}: {} transactions ({} commits, {} rollbacks, {} left open) of {} B over {} connections in {:.2f} "
      "s\n"
      "{:.0f} transactions/s, {:.1f} MB/s of payload; {} reconnects, {} steps retried\n"
      "latency, ms  {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
      options.seed, run, t.transactions, t.commits, t.rollbacks, t.open, options.payload_bytes, options.connections,
      seconds, static_cast<double>(t.transactions) / seconds, static_cast<double>(t.payload_bytes) / 1e6 / seconds,
      t.reconnects, t.retries, "mean", "p50", "p90", "p99", "p99.9", "max");
  text += latency_line("prewrite", t.prewrite);
  text += latency_line("commit", t.commit);
  text += latency_line("transaction", t.transaction);
  return text;
}

}  // namespace sluice::loadgen
