// The pump's options: contract.md's, and every flag and key that TiDB-Binlog's pump takes. What doesn't work yet is refused
// when it is set to something; what has no meaning here is accepted and warned about.
// Page: docs/config/pump.md
#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>

#include "base/options.h"
#include "net/service.h"

namespace sluice::pump {

struct PumpOptions {
  std::string addr = "127.0.0.1:8250";
  std::string advertise_addr;
  std::string data_dir = "data.pump";
  std::string node_id;
  std::string oracle;
  uint64_t cluster_id = 0;
  std::string time;
  std::string log_file;
  std::string log_level = "info";
  uint64_t segment_bytes = 256u << 20;
  std::string backend = "automatic";

  // Accepted by name, not working yet.
  std::string pd_urls;
  std::string registry;
  std::string socket;
  std::string gc;
  std::string metrics_addr;
  std::string stop_write_at_available_space;
  std::string ssl_ca, ssl_cert, ssl_key;
  StringList cert_allowed_cn;
  bool sync_log = true;

  // Accepted, without a meaning here.
  int64_t heartbeat_interval = 2;
  int64_t gen_binlog_interval = 3;
  int64_t metrics_interval = 15;
  int64_t max_message_size = INT64_MAX - (4 << 20);
  bool enable_debug = false;
  std::string binlog_file_size, binlog_slice_size, log_rotate;
  bool enable_binlog_slice = false;
  int64_t kv_chan_cap = 1 << 20;
  double slow_write_threshold = 1.0;
  int64_t kv_block_cache_capacity = 8 << 20, kv_block_restart_interval = 16, kv_block_size = 4096, kv_compaction_l0_trigger = 8;
  int64_t kv_compaction_table_size = 64 << 20, kv_compaction_total_size = 512 << 20;
  double kv_compaction_total_size_multiplier = 8.0;
  int64_t kv_write_buffer = 64 << 20, kv_write_l0_pause_trigger = 24, kv_write_l0_slowdown_trigger = 17;

  [[nodiscard]] net::TimeSource time_source() const;
};

[[nodiscard]] OptionTable pump_option_table(PumpOptions& options);

// What no single option's range can say. INVALID_ARGUMENT names the option and what to do.
[[nodiscard]] absl::Status check_options(const PumpOptions& options);

// One line for each option that is set and has no effect.
[[nodiscard]] StringList ineffective_options(const PumpOptions& options);

}  // namespace sluice::pump
