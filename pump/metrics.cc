#include "pump/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "base/tso.h"
#include "net/http/metrics.h"

namespace sluice::pump {
namespace {

prometheus::Histogram::BucketBoundaries doubling(double first, int count) {
  prometheus::Histogram::BucketBoundaries bounds;
  for (int i = 0; i < count; ++i, first *= 2) bounds.push_back(first);
  return bounds;
}

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Histogram>& rpc =
      prometheus::BuildHistogram()
          .Name("binlog_pump_rpc_duration_seconds")
          .Help("From the arrival of a run of records to its ack or refusal.")
          .Register(registry);
  prometheus::Histogram& rpc_ok = rpc.Add({{"method", "WriteBinlog"}, {"label", "succ"}}, doubling(50e-6, 18));
  prometheus::Histogram& rpc_failed = rpc.Add({{"method", "WriteBinlog"}, {"label", "fail"}}, doubling(50e-6, 18));

  void gauge(const std::string& name, const std::string& help, double value, const prometheus::Labels& labels = {}) {
    prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels).Set(value);
  }
  void counter(const std::string& name, const std::string& help, uint64_t value,
               const prometheus::Labels& labels = {}) {
    prometheus::Counter& counter = prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
    counter.Increment(static_cast<double>(value) - counter.Value());
  }
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

void Metrics::observe_write(std::chrono::nanoseconds took, bool acked) {
  (acked ? families_->rpc_ok : families_->rpc_failed).Observe(std::chrono::duration<double>(took).count());
}

net::HttpResponse Metrics::page(const MetricsSnapshot& s) {
  Families& f = *families_;
  f.counter("binlog_pump_loss_binlog_count", "Records refused.", s.ingest.refused);
  f.gauge("binlog_pump_storage_max_commit_ts", "The resolved ts, in physical milliseconds.",
          static_cast<double>(ResolvedTs(s.resolved_ts).physical_ms()));
  f.gauge("binlog_pump_storage_storage_size_bytes", "Of the data folder's file system.",
          static_cast<double>(s.disk_capacity_bytes), {{"type", "capacity"}});
  f.gauge("binlog_pump_storage_storage_size_bytes", "Of the data folder's file system.",
          static_cast<double>(s.disk_available_bytes), {{"type", "available"}});
  f.counter("binlog_pump_storage_error_count", "Failures of the log.", s.log_errors, {{"type", "write_binlog"}});
  f.counter("binlog_pump_storage_error_count", "Failures of the log.", s.pulls.gaps, {{"type", "read_value"}});

  f.counter("sluice_pump_records_total", "Records that writers sent.", s.ingest.records);
  f.counter("sluice_pump_record_bytes_total", "Bytes of records that writers sent.", s.ingest.bytes);
  f.counter("sluice_pump_read_pauses_total", "How often reading from a writer was paused for the log.",
            s.ingest.pauses);
  f.counter("sluice_pump_prewrites_total", "Durable since the start, replay included.", s.sorter.prewrites);
  f.counter("sluice_pump_commits_total", "Durable since the start, replay included.", s.sorter.commits);
  f.counter("sluice_pump_rollbacks_total", "Durable since the start, replay included.", s.sorter.rollbacks);
  f.counter("sluice_pump_absorbed_total", "Repeated records.", s.sorter.absorbed);
  f.counter("sluice_pump_stale_copies_total", "Late copies of transactions already in order.", s.sorter.stale_copies);
  f.counter("sluice_pump_strays_total", "Copies closed because another pump has the transaction.", s.sorter.strays);
  f.counter("sluice_pump_pulled_transactions_total", "Sent to pullers.", s.pulls.transactions);
  f.counter("sluice_pump_pulled_bytes_total", "Sent to pullers.", s.pulls.bytes);
  f.counter("sluice_pump_pulls_refused_total", "Pullers refused for want of memory.", s.pulls.refused);
  f.counter("sluice_pump_log_batches_total", "Batches written.", s.log.batches);
  f.counter("sluice_pump_log_written_bytes_total", "Bytes written, padding included.", s.log.bytes_written);
  f.gauge("sluice_pump_open_transactions", "Prewrites without an end.", static_cast<double>(s.open));
  f.gauge("sluice_pump_pending_commits", "Commits above the resolved ts.", static_cast<double>(s.pending));
  f.gauge("sluice_pump_ordered_transactions", "Transactions in the index.", static_cast<double>(s.ordered));
  f.gauge("sluice_pump_queued_bytes", "Appended, not yet durable.", static_cast<double>(s.queued_bytes));
  f.gauge("sluice_pump_pullers", "Connected pullers.", static_cast<double>(s.pullers));
  f.gauge("sluice_pump_writers", "Connected writers that have written.", static_cast<double>(s.writers));
  f.gauge("sluice_pump_memory_budget_bytes", "--memory-budget.", static_cast<double>(s.memory_budget));
  for (const ByteUseStats& use : s.memory_uses) {
    const prometheus::Labels label{{"use", std::string(use.name)}};
    f.gauge("sluice_pump_memory_bytes", "Held of the memory budget.", static_cast<double>(use.bytes), label);
    f.gauge("sluice_pump_memory_top_bytes", "The most that was ever held.", static_cast<double>(use.bytes_top), label);
    f.counter("sluice_pump_memory_refusals_total", "Who wanted memory and had to wait.", use.refusals, label);
  }
  return net::metrics_page(f.registry);
}

}  // namespace sluice::pump
