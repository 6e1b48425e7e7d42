#include "drainer/drainer_metrics.h"

#include <algorithm>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include "net/http/metrics.h"

namespace sluice::drainer {
namespace {

using GaugeFamily = prometheus::Family<prometheus::Gauge>;
using CounterFamily = prometheus::Family<prometheus::Counter>;

// Counters only grow: the difference to the snapshot is added.
void raise(CounterFamily& family, const prometheus::Labels& labels, uint64_t to) {
  prometheus::Counter& counter = family.Add(labels);
  counter.Increment(std::max(0.0, static_cast<double>(to) - counter.Value()));
}

void set(GaugeFamily& family, const prometheus::Labels& labels, double to) {
  family.Add(labels).Set(to);
}

}  // namespace

struct DrainerMetrics::Families {
  prometheus::Registry registry;
  GaugeFamily& pump_position = gauge("binlog_drainer_pump_position", "position of each pump, physical ms");
  GaugeFamily& checkpoint_tso = gauge("binlog_drainer_checkpoint_tso", "what is durable downstream, physical ms");
  CounterFamily& ddl_jobs = counter("binlog_drainer_ddl_jobs_total", "DDLs given to the sink");
  CounterFamily& ddls_left_out = counter("binlog_drainer_ddls_left_out_total",
                                         "DDLs that change no row and that the downstream has no counterpart for");
  CounterFamily& event = counter("binlog_drainer_event", "row changes and DDLs given to the sink");
  GaugeFamily& lag = gauge("binlog_drainer_lag_seconds", "age of what is durable downstream");
  GaugeFamily& resolved_tso = gauge("binlog_drainer_resolved_tso", "merged resolved ts, physical ms");
  CounterFamily& transactions =
      counter("binlog_drainer_transactions_total", "transactions merged, by what became of them");
  CounterFamily& read_bytes = counter("binlog_drainer_read_bytes_total", "bytes pulled");
  CounterFamily& reconnects = counter("binlog_drainer_pump_reconnects_total", "sessions that were lost");
  GaugeFamily& buffered = gauge("binlog_drainer_buffered_bytes", "pulled and not yet given to the sink");
  GaugeFamily& blocker = gauge("binlog_drainer_merge_waits_for", "1: the merge waits for this pump");

  GaugeFamily& gauge(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }
  CounterFamily& counter(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
};

DrainerMetrics::DrainerMetrics() : families_(std::make_unique<Families>()) {}
DrainerMetrics::~DrainerMetrics() = default;

net::HttpResponse DrainerMetrics::page(const DrainerSnapshot& snapshot) {
  Families& f = *families_;
  const PipelineStatus& p = snapshot.pipeline;
  set(f.checkpoint_tso, {}, static_cast<double>(p.durable.physical_ms()));
  set(f.resolved_tso, {}, static_cast<double>(p.resolved.physical_ms()));
  if (const auto lag = snapshot.lag_seconds()) set(f.lag, {}, *lag);
  raise(f.ddl_jobs, {}, p.ddls);
  raise(f.ddls_left_out, {}, snapshot.ddls_left_out);
  raise(f.event, {{"type", "Insert"}}, p.rows_inserted);
  raise(f.event, {{"type", "Update"}}, p.rows_updated);
  raise(f.event, {{"type", "Delete"}}, p.rows_removed);
  raise(f.event, {{"type", "DDL"}}, p.ddls);
  raise(f.transactions, {{"outcome", "submitted"}}, p.transactions - p.skipped);
  raise(f.transactions, {{"outcome", "skipped"}}, p.skipped);
  raise(f.transactions, {{"outcome", "repeated"}}, p.repeated);
  raise(f.transactions, {{"outcome", "duplicate"}}, p.duplicates);
  for (size_t source = 0; source < snapshot.pumps.size(); ++source) {
    const pull::PullSourceStatus& pump = snapshot.pumps[source];
    const prometheus::Labels node = {{"nodeID", pump.node_id.empty() ? pump.address : pump.node_id}};
    set(f.pump_position, node, static_cast<double>(std::max(pump.received.physical_ms(), pump.resolved.physical_ms())));
    set(f.buffered, node, static_cast<double>(pump.buffered_bytes));
    set(f.blocker, node, p.state == PipelineState::waiting && p.blocker && p.blocker->source == source ? 1 : 0);
    raise(f.read_bytes, node, pump.received_bytes);
    raise(f.reconnects, node, pump.reconnects);
  }
  return net::metrics_page(f.registry);
}

}  // namespace sluice::drainer
