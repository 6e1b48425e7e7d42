#include "drainer/drainer_options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <set>

#include <unistd.h>

#include "base/status.h"
#include "drainer/merge/merger.h"

namespace sluice::drainer {
namespace {

// Known keys without a function: their values are never read, only compared with the default.
struct Unsupported {
  std::string pd_urls, compressor, metrics_addr, sql_mode, relay_dir, to_encrypted_password, to_params,
      to_oracle_service, to_oracle_connect;
  std::string zookeeper, kafka_addrs = "127.0.0.1:9092", kafka_version = "0.8.2.0", kafka_client = "tidb_binlog", topic;
  std::string read_timeout = "1m";
  std::string ssl_ca, ssl_cert, ssl_key, to_ssl_ca, to_ssl_cert, to_ssl_key;
  std::string checkpoint_type, checkpoint_schema = "tidb_binlog", checkpoint_table = "checkpoint",
                               checkpoint_host = "127.0.0.1", checkpoint_user = "root", checkpoint_password,
                               checkpoint_encrypted;
  StringList cert_allowed_cn, to_cert_allowed_cn;
  TableRows params, migrate_rules, filter_rules, checkpoint_security;
  uint64_t detect_interval = 5, metrics_interval = 15, txn_batch = 20, worker_count = 16, channel_id = 0,
           relay_bytes = 10485760, sync_mode = 0, retention_days = 0, kafka_messages = 1024,
           kafka_message_bytes = 1073741824, checkpoint_port = 3306;
  bool loopback = false, sync_ddl = true, safe_mode = false, dispatch = true, no_dispatch = false, detect = true,
       no_detect = false, snapshot = false, case_sensitive = false, merge = false;
};

struct Deprecated {
  std::string log_rotate;
  uint64_t cache_binlog_count = 8;
};

Option later(Option option) {
  option.supported = false;
  return option;
}

void add_main_options(std::vector<Option>& o, DrainerConfig& c) {
  o.push_back({.key = "addr", .flag = "addr", .field = &c.addr, .help = "host:port to listen on for HTTP"});
  o.push_back({.key = "advertise-addr",
               .flag = "advertise-addr",
               .field = &c.advertise_addr,
               .help = "host:port that others are told; empty: addr"});
  o.push_back({.key = "data-dir",
               .flag = "data-dir",
               .field = &c.data_dir,
               .help = "folder of the checkpoint, the list of known pumps and, by default, binlog files"});
  o.push_back(
      {.key = "node-id", .flag = "node-id", .field = &c.node_id, .help = "this drainer's name; empty: hostname:port"});
  o.push_back({.key = "pumps",
               .flag = "pumps",
               .field = &c.pumps,
               .help = "every pump's host:port, comma-separated: the static list in place of a registry"});
  o.push_back(
      {.key = "initial-commit-ts",
       .flag = "initial-commit-ts",
       .field = &c.initial_commit_ts,
       .help =
           "where to start without a checkpoint, exclusive; -1: with --pumps, the oldest binlog that the pumps have",
       .min = -1});
  o.push_back({.key = "",
               .flag = "until",
               .field = &c.until,
               .help = "exit 0 once everything at or below this commit ts is durable downstream; 0: never"});
  o.push_back({.key = "schema-history",
               .flag = "schema-history",
               .field = &c.schema_history,
               .help = "file with TiDB's answer to GET /ddl/history, JSON or zstd"});
  o.push_back({.key = "ddl-skip",
               .flag = "ddl-skip",
               .field = &c.ddl_skip,
               .help = "commit ts of DDLs not to run, comma-separated"});
  o.push_back({.key = "pull-buffer-bytes",
               .flag = "pull-buffer-bytes",
               .field = &c.pull_buffer_bytes,
               .help = "memory for what was pulled and isn't merged yet, all pumps together",
               .unit = "bytes",
               .min = 1 << 20});
  o.push_back({.key = "synced-check-time",
               .flag = "synced-check-time",
               .field = &c.synced_check_minutes,
               .help = "minutes without a transaction until /status says synced",
               .unit = "min",
               .min = 1});
  o.push_back({.key = "log-level",
               .flag = "log-level",
               .field = &c.log_level,
               .help = "what is logged",
               .choices = {"debug", "info", "warn", "error", "fatal"},
               .short_flag = "L"});
  o.push_back(
      {.key = "log-file", .flag = "log-file", .field = &c.log_file, .help = "where the log goes; empty: stderr"});
}

void add_syncer_options(std::vector<Option>& o, DrainerConfig& c) {
  o.push_back({.key = "syncer.db-type",
               .flag = "dest-db-type",
               .field = &c.dest_db_type,
               .help = "what to write to; pb is the old name of file",
               .choices = {"mysql", "tidb", "kafka", "file", "pb", "oracle"}});
  o.push_back({.key = "syncer.ignore-schemas",
               .flag = "ignore-schemas",
               .field = &c.ignore_schemas,
               .help = "schemas not replicated; ~ begins a regular expression"});
  o.push_back({.key = "syncer.ignore-table",
               .flag = "",
               .field = &c.ignore_tables,
               .help = "tables not replicated: db-name, tbl-name"});
  o.push_back({.key = "syncer.replicate-do-db",
               .flag = "replicate-do-db",
               .field = &c.do_schemas,
               .help = "if given, only these schemas"});
  o.push_back({.key = "syncer.replicate-do-table",
               .flag = "",
               .field = &c.do_tables,
               .help = "if given, only these tables: db-name, tbl-name"});
  o.push_back({.key = "syncer.ignore-txn-commit-ts",
               .flag = "ignore-txn-commit-ts",
               .field = &c.ignore_txns,
               .help = "commit ts of transactions to leave out without decoding them, comma-separated; not of DDLs"});
  o.push_back({.key = "syncer.to.host", .flag = "to-host", .field = &c.to.host, .help = "downstream server"});
  o.push_back(
      {.key = "syncer.to.port", .flag = "to-port", .field = &c.to.port, .help = "its port", .min = 1, .max = 65535});
  o.push_back({.key = "syncer.to.user", .flag = "to-user", .field = &c.to.user, .help = "its user"});
  o.push_back({.key = "syncer.to.password",
               .flag = "",
               .field = &c.to.password,
               .help = "its password; empty: the environment's MYSQL_PWD"});
  o.push_back({.key = "syncer.to.allow-replica",
               .flag = "to-allow-replica",
               .field = &c.to.allow_replica,
               .help = "write to a server that is read-only or a running replica, too"});
  o.push_back({.key = "syncer.to.log-row-values",
               .flag = "log-row-values",
               .field = &c.to.log_row_values,
               .help = "errors about rows show all their values, not only the key's"});
  o.push_back({.key = "syncer.to.dir",
               .flag = "to-dir",
               .field = &c.to.dir,
               .help = "folder of binlog files; empty: data-dir"});
}

void add_unsupported_main(std::vector<Option>& o, Unsupported& u) {
  o.push_back(later({.key = "pd-urls", .flag = "pd-urls", .field = &u.pd_urls, .help = "PD's addresses"}));
  o.push_back(later({.key = "detect-interval",
                     .flag = "detect-interval",
                     .field = &u.detect_interval,
                     .help = "how often to look for pumps",
                     .unit = "s"}));
  o.push_back(
      later({.key = "compressor", .flag = "compressor", .field = &u.compressor, .help = "compression of pulls"}));
  o.push_back(later({.key = "metrics-addr",
                     .flag = "metrics-addr",
                     .field = &u.metrics_addr,
                     .help = "push gateway; metrics are served at /metrics"}));
  o.push_back(later({.key = "metrics-interval",
                     .flag = "metrics-interval",
                     .field = &u.metrics_interval,
                     .help = "how often to push",
                     .unit = "s"}));
  o.push_back(later({.key = "security.ssl-ca", .flag = "", .field = &u.ssl_ca, .help = "CA of the cluster"}));
  o.push_back(later({.key = "security.ssl-cert", .flag = "", .field = &u.ssl_cert, .help = "own certificate"}));
  o.push_back(later({.key = "security.ssl-key", .flag = "", .field = &u.ssl_key, .help = "own key"}));
  o.push_back(later({.key = "security.cert-allowed-cn",
                     .flag = "",
                     .field = &u.cert_allowed_cn,
                     .help = "names that clients' certificates must have"}));
}

void add_unsupported_syncer(std::vector<Option>& o, Unsupported& u) {
  o.push_back(later({.key = "syncer.sql-mode",
                     .flag = "",
                     .field = &u.sql_mode,
                     .help = "mode of DDL parsing and of downstream sessions"}));
  o.push_back(later({.key = "syncer.txn-batch",
                     .flag = "txn-batch",
                     .field = &u.txn_batch,
                     .help = "row changes a downstream transaction"}));
  o.push_back(later({.key = "syncer.worker-count",
                     .flag = "worker-count",
                     .field = &u.worker_count,
                     .help = "parallel downstream sessions",
                     .short_flag = "c"}));
  o.push_back(later({.key = "syncer.loopback-control",
                     .flag = "loopback-control",
                     .field = &u.loopback,
                     .help = "mark and drop what came from here"}));
  o.push_back(later(
      {.key = "syncer.channel-id", .flag = "channel-id", .field = &u.channel_id, .help = "mark of loopback-control"}));
  o.push_back(
      later({.key = "syncer.sync-ddl", .flag = "sync-ddl", .field = &u.sync_ddl, .help = "run DDL downstream"}));
  o.push_back(later(
      {.key = "syncer.safe-mode", .flag = "safe-mode", .field = &u.safe_mode, .help = "REPLACE in place of INSERT"}));
  o.push_back(later({.key = "syncer.enable-dispatch",
                     .flag = "enable-dispatch",
                     .field = &u.dispatch,
                     .help = "split transactions over workers"}));
  o.push_back(later(
      {.key = "syncer.disable-dispatch", .flag = "disable-dispatch", .field = &u.no_dispatch, .help = "the opposite"}));
  o.push_back(later({.key = "syncer.enable-detect",
                     .flag = "enable-detect",
                     .field = &u.detect,
                     .help = "detect conflicts between workers"}));
  o.push_back(
      later({.key = "syncer.disable-detect", .flag = "disable-detect", .field = &u.no_detect, .help = "the opposite"}));
  o.push_back(later({.key = "syncer.load-schema-snapshot",
                     .flag = "load-schema-snapshot",
                     .field = &u.snapshot,
                     .help = "schema from a snapshot in place of the history"}));
  o.push_back(
      later({.key = "syncer.case-sensitive", .flag = "", .field = &u.case_sensitive, .help = "of the rules below"}));
  o.push_back(later({.key = "syncer.table-migrate-rule",
                     .flag = "",
                     .field = &u.migrate_rules,
                     .help = "routing and event filters by table"}));
  o.push_back(
      later({.key = "syncer.binlog-filter-rule", .flag = "", .field = &u.filter_rules, .help = "event filters"}));
  o.push_back(later({.key = "syncer.relay.log-dir",
                     .flag = "relay-log-dir",
                     .field = &u.relay_dir,
                     .help = "relay log; the sink is exactly-once without one"}));
  o.push_back(later({.key = "syncer.relay.max-file-size",
                     .flag = "relay-max-file-size",
                     .field = &u.relay_bytes,
                     .help = "size of its files",
                     .unit = "bytes"}));
}

void add_unsupported_downstream(std::vector<Option>& o, Unsupported& u) {
  o.push_back(later({.key = "syncer.to.encrypted_password",
                     .flag = "",
                     .field = &u.to_encrypted_password,
                     .help = "password as binlogctl encrypts it"}));
  o.push_back(later(
      {.key = "syncer.to.sync-mode", .flag = "", .field = &u.sync_mode, .help = "how differing columns are treated"}));
  o.push_back(later({.key = "syncer.to.merge", .flag = "", .field = &u.merge, .help = "merge row changes of one key"}));
  o.push_back(later({.key = "syncer.to.params", .flag = "", .field = &u.params, .help = "session variables"}));
  o.push_back(later(
      {.key = "syncer.to.read-timeout", .flag = "", .field = &u.read_timeout, .help = "of the downstream connection"}));
  o.push_back(later({.key = "syncer.to.retention-time",
                     .flag = "",
                     .field = &u.retention_days,
                     .help = "days that binlog files are kept"}));
  o.push_back(
      later({.key = "syncer.to.security.ssl-ca", .flag = "", .field = &u.to_ssl_ca, .help = "CA of the downstream"}));
  o.push_back(later({.key = "syncer.to.security.ssl-cert",
                     .flag = "",
                     .field = &u.to_ssl_cert,
                     .help = "certificate for the downstream"}));
  o.push_back(later(
      {.key = "syncer.to.security.ssl-key", .flag = "", .field = &u.to_ssl_key, .help = "key for the downstream"}));
  o.push_back(later({.key = "syncer.to.security.cert-allowed-cn",
                     .flag = "",
                     .field = &u.to_cert_allowed_cn,
                     .help = "as in [security]"}));
  o.push_back(
      later({.key = "syncer.to.zookeeper-addrs", .flag = "", .field = &u.zookeeper, .help = "Kafka's ZooKeeper"}));
  o.push_back(later(
      {.key = "syncer.to.kafka-addrs", .flag = "to-brokers", .field = &u.kafka_addrs, .help = "Kafka's brokers"}));
  o.push_back(
      later({.key = "syncer.to.kafka-version", .flag = "", .field = &u.kafka_version, .help = "Kafka's version"}));
  o.push_back(later(
      {.key = "syncer.to.kafka-max-messages", .flag = "", .field = &u.kafka_messages, .help = "messages in flight"}));
  o.push_back(
      later({.key = "syncer.to.kafka-client-id", .flag = "", .field = &u.kafka_client, .help = "our name there"}));
  o.push_back(later({.key = "syncer.to.kafka-max-message-size",
                     .flag = "",
                     .field = &u.kafka_message_bytes,
                     .help = "largest message",
                     .unit = "bytes"}));
  o.push_back(later({.key = "syncer.to.topic-name", .flag = "to-topic", .field = &u.topic, .help = "Kafka topic"}));
  o.push_back(later(
      {.key = "syncer.to.oracle-service-name", .flag = "", .field = &u.to_oracle_service, .help = "Oracle service"}));
  o.push_back(later({.key = "syncer.to.oracle-connect-string",
                     .flag = "",
                     .field = &u.to_oracle_connect,
                     .help = "Oracle connection"}));
  o.push_back(later({.key = "syncer.to.checkpoint.type",
                     .flag = "",
                     .field = &u.checkpoint_type,
                     .help = "where the checkpoint lies; empty: with the data"}));
  o.push_back(
      later({.key = "syncer.to.checkpoint.schema", .flag = "", .field = &u.checkpoint_schema, .help = "its schema"}));
  o.push_back(
      later({.key = "syncer.to.checkpoint.table", .flag = "", .field = &u.checkpoint_table, .help = "its table"}));
  o.push_back(
      later({.key = "syncer.to.checkpoint.host", .flag = "", .field = &u.checkpoint_host, .help = "its server"}));
  o.push_back(later(
      {.key = "syncer.to.checkpoint.port", .flag = "", .field = &u.checkpoint_port, .help = "its server's port"}));
  o.push_back(later(
      {.key = "syncer.to.checkpoint.user", .flag = "", .field = &u.checkpoint_user, .help = "its server's user"}));
  o.push_back(later({.key = "syncer.to.checkpoint.password",
                     .flag = "",
                     .field = &u.checkpoint_password,
                     .help = "its server's password"}));
  o.push_back(later({.key = "syncer.to.checkpoint.encrypted_password",
                     .flag = "",
                     .field = &u.checkpoint_encrypted,
                     .help = "the same, encrypted"}));
  o.push_back(later({.key = "syncer.to.checkpoint.security",
                     .flag = "",
                     .field = &u.checkpoint_security,
                     .help = "TLS to its server"}));
}

// Keys that tune machinery which isn't there: any value is taken and warned about, since without effect it loses
// nothing.
void mark_without_effect(std::vector<Option>& options) {
  constexpr std::string_view kWhole = "each transaction is applied whole, in commit order";
  const std::map<std::string_view, std::string_view> why = {
      {"detect-interval", "the pumps are those of --pumps"},
      {"metrics-interval", "metrics are scraped: GET /metrics"},
      {"syncer.txn-batch", kWhole},
      {"syncer.worker-count", kWhole},
      {"syncer.enable-dispatch", kWhole},
      {"syncer.disable-dispatch", kWhole},
      {"syncer.enable-detect", kWhole},
      {"syncer.disable-detect", kWhole},
      {"syncer.relay.max-file-size", "there is no relay log"},
  };
  for (Option& option : options)
    if (const auto found = why.find(option.key); found != why.end()) option.no_effect = found->second;
}

absl::Status check_pumps(const StringList& pumps) {
  if (pumps.empty())
    return absl::InvalidArgumentError("--pumps is missing: give every pump's host:port, comma-separated");
  if (pumps.size() > merge::kSourcesMax)
    return absl::InvalidArgumentError(
        fmt::format("--pumps names {} pumps, at most {} are accepted", pumps.size(), merge::kSourcesMax));
  std::set<std::string> seen;
  for (const std::string& pump : pumps) {
    const size_t colon = pump.rfind(':');
    uint64_t port = 0;
    const char* end = pump.data() + pump.size();
    const bool ok = colon != std::string::npos && colon > 0 &&
                    std::from_chars(pump.data() + colon + 1, end, port).ptr == end && port >= 1 && port <= 65535;
    if (!ok)
      return absl::InvalidArgumentError(fmt::format("--pumps has `{}`; accepted: host:port, comma-separated", pump));
    if (!seen.insert(pump).second) return absl::InvalidArgumentError(fmt::format("--pumps names {} twice", pump));
  }
  return absl::OkStatus();
}

absl::Status check_commit_ts(std::string_view flag, const StringList& list) {
  for (const std::string& ts : list) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(ts.data(), ts.data() + ts.size(), value);
    if (error != std::errc() || end != ts.data() + ts.size() || value == 0)
      return absl::InvalidArgumentError(fmt::format("{} has `{}`; accepted: commit ts, comma-separated", flag, ts));
  }
  return absl::OkStatus();
}

absl::Status check_downstream(const DrainerConfig& config) {
  if (config.dest_db_type == "kafka" || config.dest_db_type == "oracle")
    return absl::InvalidArgumentError(
        fmt::format("--dest-db-type {} is not supported yet; accepted: mysql, tidb, file", config.dest_db_type));
  SLUICE_RETURN_IF_ERROR(check_commit_ts("--ddl-skip", config.ddl_skip));
  SLUICE_RETURN_IF_ERROR(check_commit_ts("--ignore-txn-commit-ts", config.ignore_txns));
  if (config.schema_history.empty())
    return absl::InvalidArgumentError(
        "--schema-history is missing: save TiDB's schema history with `curl http://TIDB:10080/ddl/history > FILE` and "
        "give the file");
  return absl::OkStatus();
}

std::string host_name() {
  char name[256] = "localhost";
  (void)gethostname(name, sizeof name - 1);  // on failure the default stays
  return name;
}

}  // namespace

OptionTable drainer_options(DrainerConfig& config) {
  // One set a process is enough: nothing reads them.
  static Unsupported unsupported;
  static Deprecated deprecated;
  unsupported = Unsupported();
  OptionTable table{.program = "drainer",
                    .summary = "Merges the binlogs of all pumps into commit order and applies them downstream.",
                    .environment = true};
  add_main_options(table.options, config);
  add_syncer_options(table.options, config);
  add_unsupported_main(table.options, unsupported);
  add_unsupported_syncer(table.options, unsupported);
  add_unsupported_downstream(table.options, unsupported);
  mark_without_effect(table.options);
  table.options.push_back(
      {.key = "log-rotate", .flag = "log-rotate", .field = &deprecated.log_rotate, .help = "", .deprecated = true});
  table.options.push_back({.key = "",
                           .flag = "cache-binlog-count",
                           .field = &deprecated.cache_binlog_count,
                           .help = "",
                           .deprecated = true});
  return table;
}

absl::Status complete(DrainerConfig& config) {
  SLUICE_RETURN_IF_ERROR(check_pumps(config.pumps));
  SLUICE_RETURN_IF_ERROR(check_downstream(config));
  if (config.dest_db_type == "pb") config.dest_db_type = "file";
  if (config.advertise_addr.empty()) config.advertise_addr = config.addr;
  if (config.node_id.empty())
    config.node_id = fmt::format("{}:{}", host_name(), config.addr.substr(config.addr.rfind(':') + 1));
  if (config.to.dir.empty()) config.to.dir = config.data_dir;
  if (const char* password = std::getenv("MYSQL_PWD"); config.to.password.empty() && password != nullptr)
    config.to.password = password;
  return absl::OkStatus();
}

}  // namespace sluice::drainer
