#include "drainer/sinks/mysql/object_fingerprint.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/status.h"
#include "drainer/sinks/mysql/sql_text.h"

namespace sluice::drainer {

namespace {

constexpr unsigned kUnknownDatabase = 1049;
constexpr unsigned kUnknownTable = 1146;

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// The definition's text, or "absent".
absl::StatusOr<std::string> definition(MysqlConnection& connection, const std::string& schema,
                                       const std::string& table) {
  auto rows = connection.query(table.empty() ? "SHOW CREATE DATABASE " + quoted_name(schema)
                                             : "SHOW CREATE TABLE " + quoted_table(schema, table));
  const unsigned error = mysql_error_of(rows.status());
  if (error == kUnknownDatabase || error == kUnknownTable) return std::string("absent");
  if (!rows.ok()) return std::move(rows).status();
  return rows->at(0).at(1).value_or("");
}

// MariaDB's InnoDB names are in the file system's encoding: "db/@8868", "db/t#P#p0"; LEFT spares the escaping that LIKE
// needs.
std::string mariadb_ids_sql(const std::string& schema, const std::string& table) {
  const auto encoded = [](const std::string& name) {
    return fmt::format("CONVERT(CAST(CONVERT({} USING filename) AS BINARY) USING utf8mb4)", quoted_text(name));
  };
  const std::string prefix = fmt::format("CONCAT({},'/',{})", encoded(schema), table.empty() ? "''" : encoded(table));
  return fmt::format(
      "SELECT NAME, TABLE_ID FROM information_schema.INNODB_SYS_TABLES WHERE LEFT(NAME, CHAR_LENGTH({})) = {}{} ORDER "
      "BY NAME",
      prefix, prefix,
      table.empty() ? "" : fmt::format(" AND SUBSTR(NAME, CHAR_LENGTH({}) + 1, 1) IN ('', '#')", prefix));
}

// MySQL has no charset `filename` for users, but its tablespaces are named plainly: "db/表 x", "db/t#p#p0". A table in
// the system tablespace has only its encoded name, which is the plain one for ASCII letters.
std::string mysql_ids_sql(const std::string& schema, const std::string& table) {
  const std::string name = "CAST(IF(t.SPACE = 0, t.NAME, s.NAME) AS BINARY)";
  const std::string prefix = fmt::format("CAST({} AS BINARY)", quoted_text(schema + "/" + table));
  const std::string matches = table.empty()
                                  ? fmt::format("LEFT(n, LENGTH({0})) = {0}", prefix)
                                  : fmt::format(
                                        "(n = {0} OR LOWER(CONVERT(LEFT(n, LENGTH({0}) + 3) USING utf8mb4)) = "
                                        "LOWER(CONVERT(CONCAT({0}, '#p#') USING utf8mb4)))",
                                        prefix);
  return fmt::format(
      "SELECT n, TABLE_ID FROM (SELECT {} AS n, t.TABLE_ID FROM information_schema.INNODB_TABLES t LEFT JOIN "
      "information_schema.INNODB_TABLESPACES s ON s.SPACE = t.SPACE) ids WHERE {} ORDER BY n",
      name, matches);
}

// The engine's ids of the table and its partitions; of a whole schema when `table` is empty.
absl::StatusOr<std::string> engine_ids(MysqlConnection& connection, const std::string& schema,
                                       const std::string& table) {
  std::string sql;
  if (connection.kind() == ServerKind::tidb) {
    sql = fmt::format("SELECT TABLE_NAME, TIDB_TABLE_ID FROM information_schema.TABLES WHERE TABLE_SCHEMA={}",
                      quoted_text(schema));
    if (!table.empty()) sql += fmt::format(" AND TABLE_NAME={}", quoted_text(table));
    sql += " ORDER BY 1";
  } else if (connection.kind() == ServerKind::mysql) {
    sql = mysql_ids_sql(schema, table);
  } else {
    sql = mariadb_ids_sql(schema, table);
  }
  auto rows = connection.query(sql);
  if (!rows.ok()) return annotate(rows.status(), "reading table ids (needs the PROCESS privilege)");
  std::string text;
  for (const auto& row : *rows) text += fmt::format("{}={} ", row.at(0).value_or(""), row.at(1).value_or(""));
  return text;
}

}  // namespace

absl::StatusOr<std::string> fingerprint_objects(MysqlConnection& connection, const DdlChange& ddl) {
  std::set<std::pair<std::string, std::string>> objects;
  if (!ddl.schema.empty()) objects.emplace(ddl.schema, ddl.table);
  for (const DdlExpectation& expectation : ddl.expectations) objects.emplace(expectation.schema, expectation.table);
  std::string text;
  for (const auto& [schema, table] : objects) {
    SLUICE_ASSIGN_OR_RETURN(const std::string shape, definition(connection, schema, table));
    SLUICE_ASSIGN_OR_RETURN(const std::string ids, engine_ids(connection, schema, table));
    text += fmt::format("{}.{} ids {}: {}\n", schema, table, ids, shape);
  }
  // Definitions quote binary defaults byte by byte, which the text column that keeps this would refuse.
  return fmt::format("{:016x}", xxh3(as_bytes(text)));
}

absl::StatusOr<bool> meets_expectations(MysqlConnection& connection, const DdlChange& ddl) {
  for (const DdlExpectation& expectation : ddl.expectations) {
    SLUICE_ASSIGN_OR_RETURN(const std::string shape, definition(connection, expectation.schema, expectation.table));
    if ((shape != "absent") != expectation.exists) return false;
    if (!expectation.exists || expectation.columns.empty()) continue;
    SLUICE_ASSIGN_OR_RETURN(const auto rows, connection.query(fmt::format(
                                                 "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE "
                                                 "TABLE_SCHEMA={} AND TABLE_NAME={} ORDER BY ORDINAL_POSITION",
                                                 quoted_text(expectation.schema), quoted_text(expectation.table))));
    const bool same =
        std::ranges::equal(rows, expectation.columns, [](const MysqlConnection::Row& row, const std::string& name) {
          return same_name(row.at(0).value_or(""), name);
        });
    if (!same) return false;
  }
  return !ddl.expectations.empty();
}

}  // namespace sluice::drainer
