#include "drainer/sinks/mysql/session_variables.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <iterator>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice::drainer::sinks::mysql {

namespace {

// Strict, so that no value is cut silently; but with what TiDB may have stored: zero dates, dates such as 2024-02-31,
// and 0 in an AUTO_INCREMENT column.
constexpr std::string_view kSqlMode = "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO";

// Those that every kind has, or may have.
constexpr SessionVariable kCommon[] = {
    {"sql_mode", kSqlMode, true},
    {"time_zone", "+00:00", true},
    {"autocommit", "1", true},
    // Foreign keys were checked upstream, and rows of one transaction come in its order.
    {"foreign_key_checks", "0", true},
    {"unique_checks", "1"},
    {"sql_safe_updates", "0"},
    {"sql_auto_is_null", "0"},
    {"sql_big_selects", "1"},
    {"sql_select_limit", "18446744073709551615"},
    {"character_set_client", "utf8mb4", true},
    {"collation_connection", "utf8mb4_bin"},
    // TiDB's default collation, for databases that a replicated CREATE DATABASE makes: under the server's own default,
    // keys that TiDB tells apart (e and é, a and A) would collide.
    {"character_set_server", "utf8mb4"},
    {"collation_server", "utf8mb4_bin"},
    // A chained transaction would begin where none is meant.
    {"completion_type", "NO_CHAIN"},
    {"default_storage_engine", "InnoDB"},
    // The older name stays beside the newer one for some versions.
    {"tx_read_only", "0"},
    {"transaction_read_only", "0"},
    {"tx_isolation", "REPEATABLE-READ"},
    {"transaction_isolation", "REPEATABLE-READ"},
    // Bounded waits: the end of each is logged, shown and tried again; unbounded, a lock would hold us silently.
    {"innodb_lock_wait_timeout", "20"},
    // A DDL that waits for a metadata lock holds up every reader behind it, so its waits are short.
    {"lock_wait_timeout", "10"},
    // An idle session keeps the owner's lock.
    {"wait_timeout", "28800"},
    {"explicit_defaults_for_timestamp", "1"},
};

constexpr SessionVariable kMariadb[] = {
    {"max_statement_time", "0.000000"},
    {"idle_transaction_timeout", "0"},
    {"idle_readonly_transaction_timeout", "0"},
    {"idle_write_transaction_timeout", "0"},
    // Upstream's CHECK constraints were enforced there, or, before TiDB 7.2, by nobody.
    {"check_constraint_checks", "0"},
    // Else a table that is to be InnoDB becomes what a DBA enforces.
    {"enforce_storage_engine", ""},
};

constexpr SessionVariable kMysql[] = {
    {"max_execution_time", "0"},
    // Tables without a key exist upstream.
    {"sql_require_primary_key", "0"},
    // A column that the row images don't know.
    {"sql_generate_invisible_primary_key", "0"},
};

constexpr SessionVariable kTidb[] = {
    {"max_execution_time", "0"},
    // Without it, the first row of an AUTO_RANDOM table is refused.
    {"allow_auto_random_explicit_insert", "1"},
    // The fence needs the row's lock at its statement, not at COMMIT, and rows found are counted from the newest state.
    {"tidb_txn_mode", "pessimistic", true},
    {"tidb_constraint_check_in_place_pessimistic", "1"},
    {"tidb_disable_txn_auto_retry", "1"},
    {"tidb_placement_mode", "IGNORE"},
    // Each of these splits a transaction or takes it out of one.
    {"tidb_batch_commit", "0"},
    {"tidb_batch_insert", "0"},
    {"tidb_batch_delete", "0"},
    {"tidb_dml_batch_size", "0"},
    {"tidb_dml_type", "standard"},
    // A session that reads the past would find what it deleted.
    {"tidb_snapshot", ""},
    {"tidb_read_staleness", ""},
};

std::span<const SessionVariable> own_variables(ServerKind kind) {
  switch (kind) {
    case ServerKind::mariadb:
      return kMariadb;
    case ServerKind::mysql:
      return kMysql;
    case ServerKind::tidb:
      return kTidb;
  }
  return {};
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// One spelling for what is one value: ON is 1, 0.000000 is 0, a list's order says nothing.
std::string normal(std::string_view value) {
  std::string text = upper(value);
  if (text == "ON" || text == "YES") return "1";
  if (text == "OFF" || text == "NO") return "0";
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number == 0) return "0";
  if (text.find(',') == std::string::npos) return text;
  std::vector<std::string> parts;
  for (size_t from = 0; from <= text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    parts.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  std::sort(parts.begin(), parts.end());
  return fmt::format("{}", fmt::join(parts, ","));
}

bool is_number(std::string_view value) {
  return !value.empty() && value.find_first_not_of(".0123456789") == std::string_view::npos;
}

std::string literal(const SessionVariable& variable) {
  if (variable.name == "enforce_storage_engine") return "NULL";
  return is_number(variable.value) ? std::string(variable.value) : fmt::format("'{}'", variable.value);
}

}  // namespace

std::vector<SessionVariable> session_variables(ServerKind kind) {
  const std::span<const SessionVariable> own = own_variables(kind);
  std::vector<SessionVariable> all(std::begin(kCommon), std::end(kCommon));
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

std::string show_variables_sql(ServerKind kind) {
  std::string names;
  for (const SessionVariable& variable : session_variables(kind))
    names += fmt::format("{}'{}'", names.empty() ? "" : ",", variable.name);
  return fmt::format("SHOW SESSION VARIABLES WHERE Variable_name IN ({})", names);
}

absl::StatusOr<std::string> set_variables_sql(ServerKind kind, const VariableValues& now) {
  std::string sql;
  for (const SessionVariable& variable : session_variables(kind)) {
    const auto found = now.find(variable.name);
    if (found == now.end()) {
      if (!variable.required) continue;
      return absl::FailedPreconditionError(
          fmt::format("the downstream ({}) has no session variable {}, without which rows can't be written exactly",
                      to_string(kind), variable.name));
    }
    if (normal(found->second) == normal(variable.value)) continue;
    sql += fmt::format("{} SESSION {}={}", sql.empty() ? "SET" : ",", variable.name, literal(variable));
  }
  return sql;
}

absl::Status check_variables(ServerKind kind, const VariableValues& now) {
  for (const SessionVariable& variable : session_variables(kind)) {
    const auto found = now.find(variable.name);
    if (found == now.end() || normal(found->second) == normal(variable.value)) continue;
    return absl::FailedPreconditionError(
        fmt::format("the downstream ({}) keeps the session variable {} at \"{}\", but \"{}\" is needed: a proxy or the "
                    "server ignores SET; connect to the server itself",
                    to_string(kind), variable.name, found->second, variable.value));
  }
  return absl::OkStatus();
}

}  // namespace sluice::drainer::sinks::mysql
