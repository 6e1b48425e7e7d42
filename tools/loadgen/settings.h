// What a loadgen command was asked to do, and the tables of options that say so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "base/options.h"
#include "tools/loadgen/workload.h"

namespace sluice::loadgen {

// All options of all commands; each command's table shows the ones it has.
struct Settings {
  std::string command;
  std::vector<std::string> pumps;
  std::string oracle;
  uint64_t cluster_id = 0;
  uint64_t seed = 1;
  uint64_t connections = 0;  // 0: one a pump
  uint64_t threads = 0;      // 0: one a connection, two at most
  uint64_t in_flight = 0;    // 0: 256, or what an open loop may need
  uint64_t payload_bytes = 1024;
  uint64_t rows = 1;
  uint64_t transactions = 0;
  double seconds = 0;
  double rate = 0;
  std::string workload_file;
  Workload workload;  // what it says; empty: none
  double rollback_share = 0;
  double open_share = 0;
  std::string format = "native";
  std::string rows_spread = "fixed";
  uint64_t hot_rows = 0;
  double hot_share = 0.1;
  bool inserts_only = false;
  std::string schema_history;
  std::string model;
  std::string journal;
  std::string protocol = "native";
  double give_up_after_s = 60;
  uint64_t after = 0;
  uint64_t until = 0;
  bool json = false;
  std::string log_level = "warn";
};

[[nodiscard]] OptionTable option_table(std::string_view command, std::string_view summary, Settings& settings);
// What one option alone can't say; fills what follows from others.
// Errors:   INVALID_ARGUMENT naming the options.
[[nodiscard]] absl::Status check(Settings& settings);

}  // namespace sluice::loadgen
