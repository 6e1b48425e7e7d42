#include "pump/pump_options.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/status.h"
#include "net/loop/address.h"

namespace sluice::pump {
namespace {

std::vector<Option> own_options(PumpOptions& o) {
  return {
      {.key = "addr", .flag = "addr", .field = &o.addr, .help = "where to listen, host:port"},
      {.key = "advertise-addr",
       .flag = "advertise-addr",
       .field = &o.advertise_addr,
       .help = "how others reach this pump; default: addr"},
      {.key = "data-dir", .flag = "data-dir", .field = &o.data_dir, .help = "the data folder"},
      {.key = "node-id",
       .flag = "node-id",
       .field = &o.node_id,
       .help = "this pump's name, kept by the folder; default: the folder's, else host name and port"},
      {.key = "oracle",
       .flag = "oracle",
       .field = &o.oracle,
       .help = "take timestamps and the cluster id from the pump at host:port"},
      {.key = "cluster-id",
       .flag = "cluster-id",
       .field = &o.cluster_id,
       .help = "the cluster; 0: the folder's, the oracle's, or a new one"},
      {.key = "time",
       .flag = "time",
       .field = &o.time,
       .help = "the cluster's time source; empty: the folder's; a fresh folder takes writer time if replay declares it "
               "before anything is written, else embedded",
       .choices = {"", "pd", "embedded", "writer"}},
      {.key = "writer-time-lead-max",
       .flag = "writer-time-lead-max",
       .field = &o.writer_time_lead_max_s,
       .help = "writer time: timestamps further above this machine's clock are refused",
       .unit = "s",
       .min = 1,
       .max = 10 * 365 * 24 * 3600.0},
      {.key = "log-file", .flag = "log-file", .field = &o.log_file, .help = "log into this file; empty: stderr"},
      {.key = "log-level",
       .flag = "log-level",
       .field = &o.log_level,
       .help = "what is logged",
       .choices = {"debug", "info", "warn", "error", "fatal"},
       .short_flag = "L",
       .reloadable = true},
      {.key = "storage.segment-bytes",
       .flag = "segment-bytes",
       .field = &o.segment_bytes,
       .help = "size of a log file, a multiple of 4096",
       .unit = "bytes",
       .min = 8_MiB,
       .max = 1_GiB},
      {.key = "storage.backend",
       .flag = "storage-backend",
       .field = &o.backend,
       .help = "how the log is written; automatic: io_uring where the kernel allows it",
       .choices = {"automatic", "io_uring", "pwritev2"}},
      {.key = "memory-budget",
       .flag = "memory-budget",
       .field = &o.memory_budget,
       .help = "what received records, queues, data on its way to pullers and bookkeeping may take together, on top of "
               "about 64 MiB of the program's own",
       .unit = "bytes",
       .min = 64_MiB,
       .max = 1024_GiB},
      {.key = "connections-per-address-max",
       .flag = "connections-per-address-max",
       .field = &o.connections_per_address_max,
       .help = "connections that one address may have; 0: three quarters of all",
       .min = 0,
       .max = 65536},
  };
}

std::vector<Option> later_options(PumpOptions& o) {
  std::vector<Option> options = {
      {.key = "pd-urls", .flag = "pd-urls", .field = &o.pd_urls, .help = "the placement driver"},
      {.key = "registry", .flag = "registry", .field = &o.registry, .help = "an etcd that lists pumps and drainers"},
      {.key = "socket", .flag = "socket", .field = &o.socket, .help = "a unix socket to listen on"},
      {.key = "metrics-addr",
       .flag = "metrics-addr",
       .field = &o.metrics_addr,
       .help = "a push gateway; scrape GET /metrics instead"},
      {.key = "storage.sync-log", .flag = "", .field = &o.sync_log, .help = "what is acked is durable, always"},
      {.key = "security.ssl-ca", .flag = "", .field = &o.ssl_ca, .help = "TLS"},
      {.key = "security.ssl-cert", .flag = "", .field = &o.ssl_cert, .help = "TLS"},
      {.key = "security.ssl-key", .flag = "", .field = &o.ssl_key, .help = "TLS"},
      {.key = "security.cert-allowed-cn", .flag = "", .field = &o.cert_allowed_cn, .help = "TLS"},
  };
  for (Option& option : options) option.supported = false;
  return options;
}

// Keys and flags of TiDB-Binlog's pump that tune machinery which isn't there; leaving them without effect loses
// nothing.
std::vector<Option> options_without_effect(PumpOptions& o) {
  std::vector<Option> options;
  const auto add = [&](std::string key, std::string flag, std::string why) {
    options.push_back(
        {.key = std::move(key), .flag = std::move(flag), .field = &o.ignored, .help = "", .no_effect = std::move(why)});
  };
  add("gc", "gc", "nothing is deleted yet; keep an eye on the disk");
  add("storage.stop-write-at-available-space", "", "a full disk refuses writes retryably, and nothing else ends");
  add("heartbeat-interval", "heartbeat-interval", "there is no registry to tell");
  add("gen-binlog-interval", "fake-binlog-interval", "an idle pump resolves by the oracle");
  add("metrics-interval", "metrics-interval", "metrics are scraped: GET /metrics");
  add("", "max-message-size", "a transaction of up to 2 GiB is taken");
  for (const char* flag : {"binlog-file-size", "binlog-slice-size", "log-rotate"})
    add("", flag, "no such files; SIGHUP opens the log file again");
  add("storage.kv_chan_cap", "", "there is no key-value store");
  add("storage.slow_write_threshold", "", "write times are in GET /metrics");
  for (const char* key : {"block-cache-capacity", "block-restart-interval", "block-size", "compaction-L0-trigger",
                          "compaction-table-size", "compaction-total-size", "compaction-total-size-multiplier",
                          "write-buffer", "write-L0-pause-trigger", "write-L0-slowdown-trigger"})
    add(std::string("storage.kv.") + key, "", "there is no key-value store");
  for (const char* flag : {"enable-debug", "enable-binlog-slice"})
    options.push_back(
        {.key = "", .flag = flag, .field = &o.ignored_switch, .help = "", .no_effect = "no such machinery"});
  return options;
}

absl::Status check_addresses(const PumpOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(const net::HostPort listen, net::parse_host_port(options.addr));
  if (!options.oracle.empty())
    SLUICE_RETURN_IF_ERROR(annotate(net::parse_host_port(options.oracle).status(), "--oracle"));
  net::HostPort advertised = listen;
  if (!options.advertise_addr.empty()) {
    SLUICE_ASSIGN_OR_RETURN(advertised, net::parse_host_port(options.advertise_addr));
  }
  if (advertised.host.empty() || advertised.host == "0.0.0.0" || advertised.host == "::")
    return absl::InvalidArgumentError(
        fmt::format("others can't reach this pump at `{}`; give --advertise-addr HOST:PORT",
                    options.advertise_addr.empty() ? options.addr : options.advertise_addr));
  return absl::OkStatus();
}

}  // namespace

net::TimeSource PumpOptions::time_source() const {
  if (time == "pd") return net::TimeSource::pd;
  if (time == "writer") return net::TimeSource::writer;
  if (time == "embedded" || !oracle.empty()) return net::TimeSource::embedded;
  return net::TimeSource::unspecified;
}

OptionTable pump_option_table(PumpOptions& options) {
  OptionTable table{.program = "pump",
                    .summary = "Takes binlogs, makes them durable and serves them in commit order.",
                    .environment = true};
  for (const auto& part : {own_options(options), later_options(options), options_without_effect(options)})
    table.options.insert(table.options.end(), part.begin(), part.end());
  return table;
}

absl::Status check_options(const PumpOptions& options) {
  if (options.time == "pd")
    return absl::InvalidArgumentError("--time pd: not supported yet; accepted: embedded, writer");
  if (options.time == "writer" && !options.oracle.empty())
    return absl::InvalidArgumentError(
        "--time writer and --oracle exclude each other: in writer time there is no oracle");
  if (options.segment_bytes % 4096 != 0)
    return absl::InvalidArgumentError(
        fmt::format("storage.segment-bytes is {}; accepted: a multiple of 4096", options.segment_bytes));
  return check_addresses(options);
}

}  // namespace sluice::pump
