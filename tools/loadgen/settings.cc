#include "tools/loadgen/settings.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/status.h"
#include "tools/loadgen/content.h"
#include "tools/loadgen/sysbench_tables.h"

namespace sluice::loadgen {
namespace {

constexpr double kSecondsDefault = 10;
constexpr uint64_t kInFlightDefault = 256;
// An open loop is held back by nothing but memory: its latency counts from the intended time anyway.
constexpr uint64_t kInFlightOpenLoop = 1u << 17;
constexpr uint64_t kInFlightMax = 1u << 18;  // what an oracle gives at once

std::vector<Option> common_options(Settings& s) {
  return {
      {.key = "", .flag = "pumps", .field = &s.pumps, .help = "HOST:PORT of each pump, comma-separated"},
      {.key = "",
       .flag = "oracle",
       .field = &s.oracle,
       .help = "HOST:PORT that timestamps come from; empty: the first pump"},
      {.key = "", .flag = "cluster-id", .field = &s.cluster_id, .help = "refuse pumps of another cluster; 0: any"},
      {.key = "",
       .flag = "give-up-after",
       .field = &s.give_up_after_s,
       .help = "of a pump that makes no progress; 0: never",
       .unit = "s",
       .min = 0,
       .max = 86400},
      {.key = "", .flag = "json", .field = &s.json, .help = "print the result as JSON"},
      {.key = "",
       .flag = "log-level",
       .field = &s.log_level,
       .help = "what is logged",
       .choices = {"debug", "info", "warn", "error"},
       .short_flag = "L"},
  };
}

void add_pull_options(Settings& s, std::vector<Option>& options) {
  options.push_back(
      {.key = "", .flag = "after", .field = &s.after, .help = "start above this commit ts; 0: from the oldest"});
  options.push_back(
      {.key = "", .flag = "until", .field = &s.until, .help = "end when this ts is resolved; 0: the oracle's present"});
}

void add_connection_options(Settings& s, std::vector<Option>& options) {
  options.push_back({.key = "",
                     .flag = "connections",
                     .field = &s.connections,
                     .help = "over all pumps, each a worker of its own; 0: one a pump",
                     .min = 0,
                     .max = 4096});
  options.push_back({.key = "",
                     .flag = "threads",
                     .field = &s.threads,
                     .help = "with an event loop each; 0: one a connection, two at most",
                     .min = 0,
                     .max = 64});
  options.push_back(
      {.key = "",
       .flag = "in-flight",
       .field = &s.in_flight,
       .help = "transactions a connection that are begun and not settled; 0: 256, with --rate as many as it takes",
       .min = 0,
       .max = static_cast<double>(kInFlightMax)});
  options.push_back({.key = "",
                     .flag = "rate",
                     .field = &s.rate,
                     .help = "begin this many transactions a second over all connections, whatever is acked (open "
                             "loop); 0: as fast as acked",
                     .unit = "1/s",
                     .min = 0,
                     .max = 1e8});
  options.push_back({.key = "",
                     .flag = "workload",
                     .field = &s.workload_file,
                     .help = "a file with phases of rates and huge transactions, in place of --rate, --seconds and "
                             "--transactions"});
  options.push_back(
      {.key = "", .flag = "protocol", .field = &s.protocol, .help = "how to write", .choices = {"native", "grpc"}});
}

// Of --format tidb.
void add_table_options(Settings& s, std::vector<Option>& options) {
  options.push_back({.key = "",
                     .flag = "rows",
                     .field = &s.rows,
                     .help = "of each transaction, with --format tidb; the most, where --rows-spread has them differ",
                     .min = 1,
                     .max = static_cast<double>(SysbenchTables::kRowsMax)});
  options.push_back({.key = "",
                     .flag = "rows-spread",
                     .field = &s.rows_spread,
                     .help = "sizes with --format tidb: all --rows; 1 to --rows, each as likely; or each order of "
                             "magnitude as likely",
                     .choices = {"fixed", "uniform", "log"}});
  options.push_back({.key = "",
                     .flag = "hot-rows",
                     .field = &s.hot_rows,
                     .help = "of each table, that --hot-share of the transactions write again and again, with --format "
                             "tidb",
                     .min = 0,
                     .max = 1'000'000});
  options.push_back({.key = "",
                     .flag = "hot-share",
                     .field = &s.hot_share,
                     .help = "of transactions that also write a hot row",
                     .min = 0,
                     .max = 1});
  options.push_back({.key = "",
                     .flag = "inserts-only",
                     .field = &s.inserts_only,
                     .help = "no updates and deletes, with --format tidb"});
  options.push_back({.key = "",
                     .flag = "schema-history",
                     .field = &s.schema_history,
                     .help = "with --format tidb: the file to write the tables' DDL history to, for a drainer; beside "
                             "it FILE.sql makes the tables downstream"});
  options.push_back(
      {.key = "",
       .flag = "model",
       .field = &s.model,
       .help =
           "with --format tidb: the file to write what the tables must end as to; a row a line: table, id, k, c, pad"});
}

void add_transaction_options(Settings& s, std::vector<Option>& options) {
  options.push_back({.key = "",
                     .flag = "transactions",
                     .field = &s.transactions,
                     .help = "to begin over all connections; 0: see --seconds"});
  options.push_back({.key = "",
                     .flag = "payload-bytes",
                     .field = &s.payload_bytes,
                     .help = "of each prewrite",
                     .unit = "bytes",
                     .min = kPayloadHeaderBytes,
                     .max = kPayloadBytesMax});
  options.push_back({.key = "",
                     .flag = "rollback-share",
                     .field = &s.rollback_share,
                     .help = "of transactions that are rolled back",
                     .min = 0,
                     .max = 1});
  options.push_back({.key = "",
                     .flag = "open-share",
                     .field = &s.open_share,
                     .help = "of transactions that are never ended; they hold the pump's resolved ts, and so verify, "
                             "until it aborts them",
                     .min = 0,
                     .max = 1});
  options.push_back(
      {.key = "", .flag = "format", .field = &s.format, .help = "of payloads", .choices = {"native", "tidb"}});
  options.push_back({.key = "",
                     .flag = "journal",
                     .field = &s.journal,
                     .help = "a file to write what became of each transaction to; a line each: worker, kind, sequence, "
                             "start ts, commit ts, the monotonic clock's nanoseconds at which its commit was sent"});
}

absl::Status check_workload(Settings& s) {
  if (s.rate > 0 || s.seconds > 0 || s.transactions != 0)
    return absl::InvalidArgumentError(
        "--workload says when what is written: leave out --rate, --seconds, --transactions");
  std::ifstream file(s.workload_file);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::InvalidArgumentError(fmt::format("--workload: cannot read {}", s.workload_file));
  auto workload = parse_workload(text.str());
  if (!workload.ok()) return annotate(workload.status(), s.workload_file);
  s.workload = *std::move(workload);
  for (const Phase& phase : s.workload) {
    if (!phase.is_huge()) continue;
    if (phase.huge_payload_bytes < kPayloadHeaderBytes || phase.huge_payload_bytes > kPayloadBytesMax)
      return absl::InvalidArgumentError(fmt::format("{}: {} has {} payload bytes; {} to {} can be", s.workload_file,
                                                    phase.name, phase.huge_payload_bytes, kPayloadHeaderBytes,
                                                    kPayloadBytesMax));
    if (phase.huge_rows > SysbenchTables::kHugeRowsMax)
      return absl::InvalidArgumentError(fmt::format("{}: {} has {} rows; at most {} can be", s.workload_file,
                                                    phase.name, phase.huge_rows, SysbenchTables::kHugeRowsMax));
  }
  return absl::OkStatus();
}

absl::Status check_tables(const Settings& s) {
  if (s.command != "write") return absl::InvalidArgumentError("--format tidb is of loadgen write only");
  if (s.schema_history.empty())
    return absl::InvalidArgumentError(
        "--format tidb needs --schema-history FILE, to be written: what a drainer takes with the same option");
  if (std::max<uint64_t>(s.connections, s.pumps.size()) > SysbenchTables::kTablesMax)
    return absl::InvalidArgumentError(
        fmt::format("--format tidb has {} tables, one a connection: give at most so many --connections",
                    SysbenchTables::kTablesMax));
  if (s.inserts_only && s.hot_rows != 0)
    return absl::InvalidArgumentError("--hot-rows are updated, and --inserts-only has no updates: leave out one");
  return absl::OkStatus();
}

}  // namespace

OptionTable option_table(std::string_view command, std::string_view summary, Settings& s) {
  OptionTable table;
  table.program = fmt::format("loadgen {}", command);
  table.summary = summary;
  table.has_config_file = false;
  table.options = common_options(s);
  const bool writes = command == "write" || command == "mixed";
  if (command != "pull")
    table.options.push_back(
        {.key = "", .flag = "seed", .field = &s.seed, .help = "decides every byte; verify needs the same"});
  if (command != "verify")
    table.options.push_back({.key = "",
                             .flag = "seconds",
                             .field = &s.seconds,
                             .help = writes ? "begin transactions for this long; 0: see --transactions"
                                            : "pull for this long; 0: until all that is committed now has been served",
                             .unit = "s",
                             .min = 0,
                             .max = 1e6});
  if (!writes) add_pull_options(s, table.options);
  if (writes) {
    add_connection_options(s, table.options);
    add_transaction_options(s, table.options);
    add_table_options(s, table.options);
  }
  return table;
}

absl::Status check(Settings& s) {
  if (s.pumps.empty()) return absl::InvalidArgumentError("--pumps is missing: HOST:PORT of each pump, comma-separated");
  if (s.protocol == "grpc")
    return absl::InvalidArgumentError("--protocol grpc is not supported yet; use --protocol native");
  if (s.format == "tidb") SLUICE_RETURN_IF_ERROR(check_tables(s));
  if (s.format != "tidb" &&
      (!s.schema_history.empty() || !s.model.empty() || s.hot_rows != 0 || s.inserts_only || s.rows_spread != "fixed"))
    return absl::InvalidArgumentError(
        "--schema-history, --model, --hot-rows, --inserts-only and --rows-spread are of --format tidb only");
  if (!s.workload_file.empty()) SLUICE_RETURN_IF_ERROR(check_workload(s));
  if (s.rollback_share + s.open_share > 1)
    return absl::InvalidArgumentError(
        fmt::format("--rollback-share {} and --open-share {} are more than all transactions together", s.rollback_share,
                    s.open_share));
  if (s.connections == 0) s.connections = s.pumps.size();
  if (s.connections < s.pumps.size())
    return absl::InvalidArgumentError(
        fmt::format("--connections {} leaves {} of {} pumps without one: give at least {}", s.connections,
                    s.pumps.size() - s.connections, s.pumps.size(), s.pumps.size()));
  if (s.threads == 0) s.threads = std::min<uint64_t>(s.connections, 2);
  const bool open_loop = s.rate > 0 || !s.workload.empty();
  if (s.in_flight == 0) s.in_flight = open_loop ? kInFlightOpenLoop : kInFlightDefault;
  if ((s.command == "write" || s.command == "mixed") && s.seconds <= 0 && s.transactions == 0 && s.workload.empty())
    s.seconds = kSecondsDefault;
  return absl::OkStatus();
}

}  // namespace sluice::loadgen
