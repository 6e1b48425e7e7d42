// The drainer's configuration: every flag and TOML key of TiDB-Binlog's drainer, and ours beside them
// (docs/config/drainer.md). Keys whose function isn't built yet are known and refused unless they have their default;
// those that lose nothing without effect are taken with a warning.
#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>

#include "base/options.h"

namespace sluice::drainer {

struct DownstreamConfig {
  std::string host = "127.0.0.1";
  uint64_t port = 3306;
  std::string user = "root";
  std::string password;
  bool allow_replica = false;
  bool log_row_values = false;
  std::string dir;  // of the file sink; empty: the data folder
};

struct DrainerConfig {
  std::string addr = "127.0.0.1:8249";
  std::string advertise_addr;
  std::string data_dir = "data.drainer";
  std::string node_id;
  StringList pumps;
  int64_t initial_commit_ts = -1;
  uint64_t until = 0;  // 0: never ends by itself
  std::string schema_history;
  StringList ddl_skip;
  StringList ignore_txns;  // commit ts; complete() checks that each is one
  std::string dest_db_type = "mysql";
  DownstreamConfig to;
  uint64_t pull_buffer_bytes = 64u << 20;
  uint64_t synced_check_minutes = 5;
  StringList ignore_schemas = {"INFORMATION_SCHEMA", "PERFORMANCE_SCHEMA", "mysql"};
  TableRows ignore_tables;
  StringList do_schemas;
  TableRows do_tables;
  std::string log_file;
  std::string log_level = "info";
};

// The table writes into `config` and into statics of unsupported options, so it must be used where `config` lives.
[[nodiscard]] OptionTable drainer_options(DrainerConfig& config);

// Fills in what follows from other options and the environment (MYSQL_PWD), and checks what one option alone can't
// show.
// Errors:   INVALID_ARGUMENT naming the flag and what is accepted.
[[nodiscard]] absl::Status complete(DrainerConfig& config);

}  // namespace sluice::drainer
