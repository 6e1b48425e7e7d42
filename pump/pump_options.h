// The pump's options: its own, and every flag and key that TiDB-Binlog's pump takes. What doesn't work yet is
// refused when it is set to something; what has no meaning here is accepted, and each is warned about with the reason.
// Page: docs/config/pump.md
#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>

#include "base/options.h"
#include "net/native/service.h"

namespace sluice::pump {

struct PumpOptions {
  std::string addr = "127.0.0.1:8250";
  std::string advertise_addr;
  std::string data_dir = "data.pump";
  std::string node_id;
  std::string oracle;
  uint64_t cluster_id = 0;
  std::string time;
  uint64_t writer_time_lead_max_s = 24 * 3600;
  std::string log_file;
  std::string log_level = "info";
  uint64_t segment_bytes = 256u << 20;
  std::string backend = "automatic";
  uint64_t memory_budget = 512u << 20;
  uint64_t connections_per_address_max = 0;

  // Known by name, not working yet: nothing but the default is accepted.
  std::string pd_urls;
  std::string registry;
  std::string socket;
  std::string metrics_addr;
  std::string ssl_ca, ssl_cert, ssl_key;
  StringList cert_allowed_cn;
  bool sync_log = true;

  // Of options without a meaning here: accepted, never set, warned about.
  std::string ignored;
  bool ignored_switch = false;

  [[nodiscard]] net::TimeSource time_source() const;
};

[[nodiscard]] OptionTable pump_option_table(PumpOptions& options);

// What no single option's range can say. INVALID_ARGUMENT names the option and what to do.
[[nodiscard]] absl::Status check_options(const PumpOptions& options);

}  // namespace sluice::pump
