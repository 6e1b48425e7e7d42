#include "pump/pump_options.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/status.h"
#include "net/address.h"

namespace sluice::pump {
namespace {

constexpr std::string_view kNotYet = "not supported yet";
constexpr std::string_view kNoEffect = "accepted, without effect here";

std::vector<Option> own_options(PumpOptions& o) {
  return {
      {.key = "addr", .flag = "addr", .field = &o.addr, .help = "where to listen, host:port"},
      {.key = "advertise-addr", .flag = "advertise-addr", .field = &o.advertise_addr, .help = "how others reach this pump; default: addr"},
      {.key = "data-dir", .flag = "data-dir", .field = &o.data_dir, .help = "the data folder"},
      {.key = "node-id", .flag = "node-id", .field = &o.node_id, .help = "this pump's name; default: the folder's, else host name and port"},
      {.key = "oracle", .flag = "oracle", .field = &o.oracle, .help = "take timestamps and the cluster id from the pump at host:port"},
      {.key = "cluster-id", .flag = "cluster-id", .field = &o.cluster_id, .help = "the cluster; 0: the folder's, the oracle's, or a new one"},
      {.key = "time",
       .flag = "time",
       .field = &o.time,
       .help = "the cluster's time source; empty: the folder's, or what the first writer declares, else embedded",
       .choices = {"", "pd", "embedded", "writer"}},
      {.key = "log-file", .flag = "log-file", .field = &o.log_file, .help = "log into this file; empty: stderr"},
      {.key = "log-level", .flag = "log-level", .field = &o.log_level, .help = "what is logged", .choices = {"debug", "info", "warn", "error"}, .short_flag = "L"},
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
  };
}

std::vector<Option> later_options(PumpOptions& o) {
  const std::string help(kNotYet);
  return {
      {.key = "pd-urls", .flag = "pd-urls", .field = &o.pd_urls, .help = help},
      {.key = "registry", .flag = "registry", .field = &o.registry, .help = help},
      {.key = "socket", .flag = "socket", .field = &o.socket, .help = help},
      {.key = "gc", .flag = "gc", .field = &o.gc, .help = help + ": nothing is deleted"},
      {.key = "", .flag = "metrics-addr", .field = &o.metrics_addr, .help = help + ": scrape GET /metrics"},
      {.key = "storage.stop-write-at-available-space", .flag = "", .field = &o.stop_write_at_available_space, .help = help + ": a full disk refuses writes, retryably"},
      {.key = "storage.sync-log", .flag = "", .field = &o.sync_log, .help = "must be true: what is acked is durable"},
      {.key = "security.ssl-ca", .flag = "", .field = &o.ssl_ca, .help = help},
      {.key = "security.ssl-cert", .flag = "", .field = &o.ssl_cert, .help = help},
      {.key = "security.ssl-key", .flag = "", .field = &o.ssl_key, .help = help},
      {.key = "security.cert-allowed-cn", .flag = "", .field = &o.cert_allowed_cn, .help = help},
  };
}

std::vector<Option> meaningless_options(PumpOptions& o) {
  const std::string help(kNoEffect);
  return {
      {.key = "heartbeat-interval", .flag = "heartbeat-interval", .field = &o.heartbeat_interval, .help = help, .unit = "s"},
      {.key = "gen-binlog-interval", .flag = "fake-binlog-interval", .field = &o.gen_binlog_interval, .help = help, .unit = "s"},
      {.key = "", .flag = "metrics-interval", .field = &o.metrics_interval, .help = help, .unit = "s"},
      {.key = "", .flag = "max-message-size", .field = &o.max_message_size, .help = help, .unit = "bytes"},
      {.key = "", .flag = "enable-debug", .field = &o.enable_debug, .help = help},
      {.key = "", .flag = "binlog-file-size", .field = &o.binlog_file_size, .help = help, .deprecated = true},
      {.key = "", .flag = "binlog-slice-size", .field = &o.binlog_slice_size, .help = help, .deprecated = true},
      {.key = "", .flag = "enable-binlog-slice", .field = &o.enable_binlog_slice, .help = help, .deprecated = true},
      {.key = "", .flag = "log-rotate", .field = &o.log_rotate, .help = help, .deprecated = true},
      {.key = "storage.kv_chan_cap", .flag = "", .field = &o.kv_chan_cap, .help = help},
      {.key = "storage.slow_write_threshold", .flag = "", .field = &o.slow_write_threshold, .help = help, .unit = "s"},
      {.key = "storage.kv.block-cache-capacity", .flag = "", .field = &o.kv_block_cache_capacity, .help = help, .unit = "bytes"},
      {.key = "storage.kv.block-restart-interval", .flag = "", .field = &o.kv_block_restart_interval, .help = help},
      {.key = "storage.kv.block-size", .flag = "", .field = &o.kv_block_size, .help = help, .unit = "bytes"},
      {.key = "storage.kv.compaction-L0-trigger", .flag = "", .field = &o.kv_compaction_l0_trigger, .help = help},
      {.key = "storage.kv.compaction-table-size", .flag = "", .field = &o.kv_compaction_table_size, .help = help, .unit = "bytes"},
      {.key = "storage.kv.compaction-total-size", .flag = "", .field = &o.kv_compaction_total_size, .help = help, .unit = "bytes"},
      {.key = "storage.kv.compaction-total-size-multiplier", .flag = "", .field = &o.kv_compaction_total_size_multiplier, .help = help},
      {.key = "storage.kv.write-buffer", .flag = "", .field = &o.kv_write_buffer, .help = help, .unit = "bytes"},
      {.key = "storage.kv.write-L0-pause-trigger", .flag = "", .field = &o.kv_write_l0_pause_trigger, .help = help},
      {.key = "storage.kv.write-L0-slowdown-trigger", .flag = "", .field = &o.kv_write_l0_slowdown_trigger, .help = help},
  };
}

bool same_value(const OptionField& a, const OptionField& b) {
  return std::visit([&](auto* field) { return *field == *std::get<decltype(field)>(b); }, a);
}

std::string name_of(const Option& option) { return option.key.empty() ? "--" + option.flag : "`" + option.key + "`"; }

absl::Status check_addresses(const PumpOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(const net::HostPort listen, net::parse_host_port(options.addr));
  if (!options.oracle.empty()) SLUICE_RETURN_IF_ERROR(annotate(net::parse_host_port(options.oracle).status(), "--oracle"));
  net::HostPort advertised = listen;
  if (!options.advertise_addr.empty()) {
    SLUICE_ASSIGN_OR_RETURN(advertised, net::parse_host_port(options.advertise_addr));
  }
  if (advertised.host.empty() || advertised.host == "0.0.0.0" || advertised.host == "::")
    return absl::InvalidArgumentError(fmt::format("others can't reach this pump at `{}`; give --advertise-addr HOST:PORT", options.advertise_addr.empty() ? options.addr : options.advertise_addr));
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
  OptionTable table{.program = "pump", .summary = "Takes binlogs, makes them durable and serves them in commit order."};
  for (const auto& part : {own_options(options), later_options(options), meaningless_options(options)})
    table.options.insert(table.options.end(), part.begin(), part.end());
  return table;
}

absl::Status check_options(const PumpOptions& given) {
  PumpOptions options = given;  // the tables point into what they describe
  PumpOptions defaults;
  const std::vector<Option> set = later_options(options);
  const std::vector<Option> unset = later_options(defaults);
  for (size_t i = 0; i < set.size(); ++i) {
    if (!same_value(set[i].field, unset[i].field))
      return absl::InvalidArgumentError(fmt::format("{} is set; {}: leave it out", name_of(set[i]), set[i].help));
  }
  if (options.time == "pd") return absl::InvalidArgumentError("--time pd: not supported yet; accepted: embedded, writer");
  if (options.time == "writer" && !options.oracle.empty()) return absl::InvalidArgumentError("--time writer and --oracle exclude each other: in writer time there is no oracle");
  if (options.segment_bytes % 4096 != 0) return absl::InvalidArgumentError(fmt::format("storage.segment-bytes is {}; accepted: a multiple of 4096", options.segment_bytes));
  return check_addresses(options);
}

StringList ineffective_options(const PumpOptions& given) {
  PumpOptions options = given;
  PumpOptions defaults;
  const std::vector<Option> set = meaningless_options(options);
  const std::vector<Option> unset = meaningless_options(defaults);
  StringList lines;
  for (size_t i = 0; i < set.size(); ++i)
    if (!same_value(set[i].field, unset[i].field)) lines.push_back(fmt::format("{} has no effect here", name_of(set[i])));
  return lines;
}

}  // namespace sluice::pump
