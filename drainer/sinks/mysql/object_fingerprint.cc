#include "drainer/sinks/mysql/object_fingerprint.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/status.h"
#include "drainer/sinks/mysql/sql_text.h"

namespace sluice::drainer::sinks::mysql {

namespace {

constexpr unsigned kUnknownDatabase = 1049;
constexpr unsigned kUnknownTable = 1146;
constexpr std::string_view kAbsent = "absent";

// Rows move AUTO_INCREMENT's value, which stands among the options behind the last parenthesis.
std::string without_auto_increment(std::string text) {
  const size_t options = text.rfind(") ENGINE=");
  const size_t at = options == std::string::npos ? options : text.find(" AUTO_INCREMENT=", options);
  if (at == std::string::npos) return text;
  size_t end = at + std::string_view(" AUTO_INCREMENT=").size();
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  return text.erase(at, end - at);
}

// The definition's text, or "absent".
absl::StatusOr<std::string> definition(MysqlConnection& connection, const std::string& schema,
                                       const std::string& table) {
  auto rows = connection.query(table.empty() ? "SHOW CREATE DATABASE " + quoted_name(schema)
                                             : "SHOW CREATE TABLE " + quoted_table(schema, table));
  const unsigned error = mysql_error_of(rows.status());
  if (error == kUnknownDatabase || error == kUnknownTable) return std::string(kAbsent);
  if (!rows.ok()) return std::move(rows).status();
  return without_auto_increment(rows->at(0).at(1).value_or(""));
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

std::string place(const std::string& schema, const std::string& table) {
  return fmt::format("TABLE_SCHEMA={} AND TABLE_NAME={}", quoted_text(schema), quoted_text(table));
}

absl::Status read_columns(MysqlConnection& connection, const ObjectName& name, ObjectState& state) {
  SLUICE_ASSIGN_OR_RETURN(
      const auto rows,
      connection.query(fmt::format(
          "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLLATION_NAME, "
          "COLUMN_COMMENT, GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE {} ORDER BY ORDINAL_POSITION",
          place(name.first, name.second))));
  for (const auto& row : rows) {
    const std::string column = row.at(0).value_or("");
    ColumnState& made = state.columns[lower_name(column)];
    state.column_order.push_back(column);
    made.data_type = lower_name(row.at(1).value_or(""));
    made.is_unsigned = lower_name(row.at(2).value_or("")).find("unsigned") != std::string::npos;
    for (size_t i = 2; i < row.size(); ++i)
      made.shape += fmt::format("{}{};", row[i] ? "=" : "null", row[i].value_or(""));
  }
  return absl::OkStatus();
}

absl::Status read_indexes(MysqlConnection& connection, const ObjectName& name, ObjectState& state) {
  SLUICE_ASSIGN_OR_RETURN(
      const auto rows,
      connection.query(fmt::format("SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE {} ORDER "
                                   "BY INDEX_NAME, SEQ_IN_INDEX",
                                   place(name.first, name.second))));
  for (const auto& row : rows)
    state.indexes[lower_name(row.at(0).value_or(""))].push_back(lower_name(row.at(1).value_or("")));
  return absl::OkStatus();
}

absl::Status read_partitions(MysqlConnection& connection, const ObjectName& name, ObjectState& state) {
  SLUICE_ASSIGN_OR_RETURN(const auto rows, connection.query(fmt::format(
                                               "SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE {} AND "
                                               "PARTITION_NAME IS NOT NULL ORDER BY PARTITION_ORDINAL_POSITION",
                                               place(name.first, name.second))));
  for (const auto& row : rows) state.partitions.push_back(lower_name(row.at(0).value_or("")));
  return absl::OkStatus();
}

absl::Status read_constraints(MysqlConnection& connection, const ObjectName& name, ObjectState& state) {
  SLUICE_ASSIGN_OR_RETURN(
      const auto rows,
      connection.query(fmt::format("SELECT CONSTRAINT_TYPE, CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS "
                                   "WHERE {} AND CONSTRAINT_TYPE IN ('FOREIGN KEY','CHECK') ORDER BY 1, 2",
                                   place(name.first, name.second))));
  for (const auto& row : rows)
    state.constraints += fmt::format("{} {};", row.at(0).value_or(""), row.at(1).value_or(""));
  return absl::OkStatus();
}

absl::StatusOr<ObjectState> read_object(MysqlConnection& connection, const ObjectName& name) {
  ObjectState state;
  SLUICE_ASSIGN_OR_RETURN(state.definition, definition(connection, name.first, name.second));
  SLUICE_ASSIGN_OR_RETURN(state.contents_ids, engine_ids(connection, name.first, name.second));
  state.exists = state.definition != kAbsent;
  if (!state.exists || name.second.empty()) return state;
  SLUICE_RETURN_IF_ERROR(read_columns(connection, name, state));
  SLUICE_RETURN_IF_ERROR(read_indexes(connection, name, state));
  SLUICE_RETURN_IF_ERROR(read_partitions(connection, name, state));
  SLUICE_RETURN_IF_ERROR(read_constraints(connection, name, state));
  return state;
}

// Lengths keep "a", "bc" and "ab", "c" apart.
uint64_t hash_of(std::initializer_list<std::string_view> texts) {
  std::string joined;
  for (const std::string_view text : texts) joined += fmt::format("{}:{};", text.size(), text);
  return xxh3(as_bytes(joined));
}

uint64_t key_of(const ObjectName& object, Fingerprint::Part part, std::string_view name) {
  const char kind = static_cast<char>(part);
  return hash_of({std::string_view(&kind, 1), object.first, object.second, name});
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += fmt::format("{}:{};", name.size(), name);
  return text;
}

constexpr std::string_view kVersion = "v2";
constexpr size_t kLineBytes = 34;  // "<16 hex> <16 hex>\n"

}  // namespace

std::string lower_name(std::string_view name) {
  std::string text(name);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

absl::StatusOr<ObjectStates> read_objects(MysqlConnection& connection, const change::DdlChange& ddl) {
  ObjectStates objects;
  if (!ddl.schema.empty()) objects[{ddl.schema, ddl.table}];
  for (const change::DdlExpectation& expectation : ddl.expectations) objects[{expectation.schema, expectation.table}];
  for (auto& [name, state] : objects) {
    SLUICE_ASSIGN_OR_RETURN(state, read_object(connection, name));
  }
  return objects;
}

Fingerprint Fingerprint::of(const ObjectStates& objects) {
  Fingerprint made;
  for (const auto& [name, state] : objects) {
    const auto add = [&, &object = name](Part part, std::string_view of, std::string_view text) {
      made.hashes_[key_of(object, part, of)] = hash_of({text});
    };
    add(Part::definition, {}, state.definition);
    add(Part::contents, {}, state.contents_ids);
    add(Part::constraints, {}, state.constraints);
    add(Part::partitions, {}, joined(state.partitions));
    for (const auto& [column, of] : state.columns) add(Part::column, column, of.shape);
    for (const auto& [index, columns] : state.indexes) add(Part::index, index, joined(columns));
  }
  return made;
}

std::string Fingerprint::text() const {
  std::string text(kVersion);
  text += '\n';
  for (const auto& [key, hash] : hashes_) text += fmt::format("{:016x} {:016x}\n", key, hash);
  return text;
}

std::optional<Fingerprint> Fingerprint::parse(std::string_view text) {
  if (!text.starts_with(kVersion) || text.substr(kVersion.size(), 1) != "\n") return std::nullopt;
  text.remove_prefix(kVersion.size() + 1);
  if (text.size() % kLineBytes != 0) return std::nullopt;
  Fingerprint made;
  for (; !text.empty(); text.remove_prefix(kLineBytes)) {
    uint64_t key = 0;
    uint64_t hash = 0;
    const auto number = [&](size_t at, uint64_t& out) {
      const char* end = text.data() + at + 16;
      return std::from_chars(text.data() + at, end, out, 16).ptr == end;
    };
    if (!number(0, key) || !number(17, hash)) return std::nullopt;
    made.hashes_[key] = hash;
  }
  return made;
}

bool Fingerprint::same(const Fingerprint& other, const ObjectName& object, Part part, std::string_view name) const {
  const uint64_t key = key_of(object, part, name);
  const auto ours = hashes_.find(key);
  const auto theirs = other.hashes_.find(key);
  const bool there = ours != hashes_.end();
  if (there != (theirs != other.hashes_.end())) return false;
  return !there || ours->second == theirs->second;
}

bool meets_expectations(const ObjectStates& objects, const change::DdlChange& ddl) {
  return !ddl.expectations.empty() &&
         std::ranges::all_of(ddl.expectations, [&](const change::DdlExpectation& expectation) {
           const ObjectState& state = objects.at({expectation.schema, expectation.table});
           if (state.exists != expectation.exists) return false;
           return !expectation.exists || expectation.columns.empty() ||
                  std::ranges::equal(state.column_order, expectation.columns, {}, lower_name, lower_name);
         });
}

absl::StatusOr<bool> meets_expectations(MysqlConnection& connection, const change::DdlChange& ddl) {
  SLUICE_ASSIGN_OR_RETURN(const ObjectStates objects, read_objects(connection, ddl));
  return meets_expectations(objects, ddl);
}

}  // namespace sluice::drainer::sinks::mysql
