#include "drainer/sinks/mysql/row_statements.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/status.h"
#include "drainer/sinks/mysql/sql_text.h"

namespace sluice::drainer::sinks::mysql {

namespace {

constexpr size_t kWhatBytesMax = 300;
// The session's own, without STRICT_ALL_TABLES.
constexpr std::string_view kLenientMode = "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO";

// Generated columns compute themselves downstream; columns that a DDL is adding or dropping aren't there (yet or any
// more).
bool is_written(const change::ColumnDef& column, const change::Datum& value) {
  return !column.generated && !column.hidden && column.is_public && !value.is_absent();
}

// A value that the row image itself carries: only by such ones is a row found, and only such ones change it.
bool is_known(const change::ColumnDef& column, const change::Datum& value) {
  return is_written(column, value) && !value.is_presumed();
}

bool is_text(const change::ColumnDef& column) {
  if (column.is_binary()) return false;
  switch (column.type) {
    case change::MysqlType::varchar:
    case change::MysqlType::var_string:
    case change::MysqlType::string:
    case change::MysqlType::tiny_blob:
    case change::MysqlType::blob:
    case change::MysqlType::medium_blob:
    case change::MysqlType::long_blob:
      return true;
    default:
      return false;
  }
}

// CHAR reads back without trailing spaces, BINARY(n) with zero bytes up to n: the image is brought to the same form.
std::string stored_form(const change::ColumnDef& column, std::string_view value) {
  std::string text(value);
  if (column.type != change::MysqlType::string) return text;
  if (!column.is_binary()) {
    text.erase(text.find_last_not_of(' ') + 1);
  } else if (column.length > 0 && text.size() < static_cast<size_t>(column.length)) {
    text.resize(static_cast<size_t>(column.length), '\0');
  }
  return text;
}

// `column` = value through an index: the key makes the row the only one that can match.
void append_key_condition(std::string& sql, const change::ColumnDef& column, const change::Datum& value) {
  append_name(sql, column.name);
  sql += " = ";
  if (value.kind() == change::Datum::Kind::bytes && column.type == change::MysqlType::string) {
    const std::string form = stored_form(column, value.as_bytes());
    append_literal(sql, column, change::Datum::bytes(form));
  } else {
    append_literal(sql, column, value);
  }
}

// Exactly this value, where no key helps: text by its bytes, because collations call "a", "A" and "a " equal; all text
// columns are compared in utf8mb4, which the image is in.
void append_exact_condition(std::string& sql, const change::ColumnDef& column, const change::Datum& value,
                            ServerKind server) {
  if (value.is_null()) {
    append_name(sql, column.name);
    sql += " IS NULL";
  } else if (column.type == change::MysqlType::json && server != ServerKind::mariadb) {
    append_name(sql, column.name);
    sql += " = CAST(";
    append_text(sql, value.as_bytes());
    sql += " AS JSON)";
  } else if (value.kind() == change::Datum::Kind::bytes &&
             (is_text(column) || column.type == change::MysqlType::json)) {
    sql += "CAST(CONVERT(";
    append_name(sql, column.name);
    sql += " USING utf8mb4) AS BINARY) = ";
    append_binary(sql, stored_form(column, value.as_bytes()));
  } else if (column.type == change::MysqlType::set) {
    // The server compares a SET as a signed number: its 64th member is the sign.
    sql += "CAST(";
    append_name(sql, column.name);
    sql += " AS UNSIGNED) = ";
    append_literal(sql, column, value);
  } else {
    append_key_condition(sql, column, value);
  }
}

void append_where(std::string& sql, const change::TableDef& table, std::span<const change::Datum> row,
                  const std::vector<uint32_t>& key, ServerKind server) {
  bool first = true;
  const auto separate = [&] {
    if (!first) sql += " AND ";
    first = false;
  };
  for (const uint32_t ordinal : key) {
    separate();
    append_key_condition(sql, table.columns[ordinal], row[ordinal]);
  }
  if (!key.empty()) return;
  for (size_t i = 0; i < row.size(); ++i) {
    if (!is_known(table.columns[i], row[i])) continue;
    separate();
    append_exact_condition(sql, table.columns[i], row[i], server);
  }
}

bool same_value(const change::Datum& a, const change::Datum& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case change::Datum::Kind::absent:
    case change::Datum::Kind::null:
      return true;
    case change::Datum::Kind::int64:
      return a.as_int64() == b.as_int64();
    case change::Datum::Kind::uint64:
      return a.as_uint64() == b.as_uint64();
    case change::Datum::Kind::float32:
      return a.as_float32() == b.as_float32();
    case change::Datum::Kind::float64:
      return a.as_float64() == b.as_float64();
    case change::Datum::Kind::bytes:
      return a.as_bytes() == b.as_bytes();
  }
  return false;
}

// Only what changed, so that an untouched 20 MB column isn't sent; but times always: left out, an ON UPDATE
// CURRENT_TIMESTAMP column would take the downstream's clock.
void append_assignments(std::string& sql, const change::RowChange& change) {
  const auto& columns = change.table->columns;
  const size_t start = sql.size();
  const auto assign = [&](size_t i) {
    if (sql.size() != start) sql += ", ";
    append_name(sql, columns[i].name);
    sql += " = ";
    append_literal(sql, columns[i], change.after[i]);
  };
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!is_known(columns[i], change.after[i])) continue;
    const bool is_time =
        columns[i].type == change::MysqlType::timestamp || columns[i].type == change::MysqlType::datetime;
    if (is_time || !same_value(change.before[i], change.after[i])) assign(i);
  }
  // Nothing changed but generated columns: still name the row, so that its absence is noticed.
  for (size_t i = 0; i < columns.size() && sql.size() == start; ++i)
    if (is_known(columns[i], change.after[i])) assign(i);
}

// TiDB keeps ENUM's error value, 0, which strict mode refuses.
bool has_enum_error_value(const change::RowChange& change) {
  const auto& columns = change.table->columns;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].type != change::MysqlType::enumeration || !is_written(columns[i], change.after[i])) continue;
    const change::Datum& value = change.after[i];
    if ((value.kind() == change::Datum::Kind::uint64 && value.as_uint64() == 0) ||
        (value.kind() == change::Datum::Kind::int64 && value.as_int64() == 0))
      return true;
  }
  return false;
}

// `verb` for one statement that isn't strict: the session stays as it is, whatever becomes of the statement.
void append_verb(std::string& sql, std::string_view verb, bool lenient, ServerKind server) {
  if (!lenient) {
    sql += verb;
  } else if (server == ServerKind::mariadb) {
    sql += fmt::format("SET STATEMENT sql_mode='{}' FOR {}", kLenientMode, verb);
  } else {
    const size_t space = verb.find(' ');
    sql += fmt::format("{} /*+ SET_VAR(sql_mode='{}') */", verb.substr(0, space), kLenientMode);
    if (space != std::string_view::npos) sql += verb.substr(space);
  }
}

void append_update(std::string& sql, const change::RowChange& change, ServerKind server) {
  const change::TableDef& table = *change.table;
  append_verb(sql, "UPDATE", has_enum_error_value(change), server);
  sql += " " + quoted_table(table.schema, table.name) + " SET ";
  append_assignments(sql, change);
  const auto key = best_key(table, change.before);
  sql += " WHERE ";
  append_where(sql, table, change.before, key, server);
  if (key.empty()) sql += " LIMIT 1";
}

// The row by its key alone: other values aren't for a log.
std::string label_of(const change::RowChange& change, ServerKind server) {
  const std::span<const change::Datum> row =
      change.kind == change::RowChangeKind::insert ? change.after : change.before;
  const std::string_view verb = change.kind == change::RowChangeKind::insert   ? "INSERT INTO"
                                : change.kind == change::RowChangeKind::update ? "UPDATE"
                                                                               : "DELETE FROM";
  std::string label = fmt::format("{} {} WHERE ", verb, quoted_table(change.table->schema, change.table->name));
  const auto key = best_key(*change.table, row);
  if (key.empty()) return label + fmt::format("all {} columns are as upstream", row.size());
  append_where(label, *change.table, row, key, server);
  if (label.size() > kWhatBytesMax) label = label.substr(0, kWhatBytesMax) + "...";
  return label;
}

bool same_columns(const change::RowChange& a, const change::RowChange& b) {
  for (size_t i = 0; i < a.after.size(); ++i)
    if (a.after[i].is_absent() != b.after[i].is_absent()) return false;
  return true;
}

void append_insert_head(std::string& sql, const change::RowChange& change, ServerKind server) {
  const auto& columns = change.table->columns;
  append_verb(sql, "INSERT INTO", has_enum_error_value(change), server);
  sql += " " + quoted_table(change.table->schema, change.table->name) + " (";
  bool first = true;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!is_written(columns[i], change.after[i])) continue;
    if (!first) sql += ", ";
    first = false;
    append_name(sql, columns[i].name);
  }
  sql += ") VALUES ";
}

void append_insert_values(std::string& sql, const change::RowChange& change) {
  const auto& columns = change.table->columns;
  char separator = '(';
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!is_written(columns[i], change.after[i])) continue;
    sql += separator;
    separator = ',';
    append_literal(sql, columns[i], change.after[i]);
  }
  sql += separator == '(' ? "()" : ")";
}

}  // namespace

bool is_own_schema(std::string_view schema) {
  return std::ranges::equal(schema, kOwnSchema,
                            [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

std::vector<uint32_t> best_key(const change::TableDef& table, std::span<const change::Datum> row) {
  const auto usable = [&](const change::IndexDef& index) {
    return (index.unique || index.primary) && !index.parts.empty() &&
           std::ranges::all_of(index.parts, [&](const change::IndexDef::Part& part) {
             return part.column < row.size() && !row[part.column].is_null() &&
                    is_known(table.columns[part.column], row[part.column]);
           });
  };
  const change::IndexDef* best = nullptr;
  for (const change::IndexDef& index : table.indexes) {
    if (!usable(index)) continue;
    if (best == nullptr) best = &index;
    if (index.primary) {
      best = &index;
      break;
    }
  }
  std::vector<uint32_t> ordinals;
  if (best != nullptr)
    for (const change::IndexDef::Part& part : best->parts) ordinals.push_back(part.column);
  return ordinals;
}

void SqlPacket::append(std::string_view statement, StatementExpectation expectation) {
  if (!sql.empty()) sql += ';';
  sql += statement;
  expectations.push_back(std::move(expectation));
}

RowStatements::RowStatements(std::span<const std::shared_ptr<const change::Transaction>> transactions,
                             ServerKind server, RowStatementLimits limits)
    : transactions_(transactions), server_(server), limits_(limits) {
  skip_to_row();
}

// To the next row to apply, over empty transactions and our own schema's rows.
void RowStatements::skip_to_row() {
  while (transaction_ < transactions_.size()) {
    const auto& rows = transactions_[transaction_]->rows;
    while (row_ < rows.size() && is_own_schema(rows[row_].table->schema)) ++row_;
    if (row_ < rows.size()) return;
    ++transaction_;
    row_ = 0;
  }
}

void RowStatements::advance() {
  ++row_;
  skip_to_row();
}

absl::Status RowStatements::fill(SqlPacket& packet) {
  const size_t statements_before = packet.expectations.size();
  while (!done()) {
    if (held_.empty()) {
      held_expectation_ = {};
      held_ = build_statement(held_expectation_, limits_.packet_bytes_target);
    }
    const uint64_t bytes = packet.sql.size() + 1 + held_.size();
    if (held_.size() + 1 > limits_.packet_bytes_max) {
      const change::TableDef& table = *held_expectation_.table;
      return absl::FailedPreconditionError(fmt::format(
          "a row of {}.{} needs a statement of {} bytes, but the downstream's max_allowed_packet is {}: raise it there "
          "(SET GLOBAL max_allowed_packet) and start again; commit_ts={}",
          table.schema, table.name, held_.size(), limits_.packet_bytes_max, held_expectation_.commit_ts));
    }
    // A packet that has something is sent first; a row above the target goes alone.
    if (!packet.expectations.empty() && bytes > limits_.packet_bytes_target &&
        (packet.expectations.size() > statements_before || bytes > limits_.packet_bytes_max))
      return absl::OkStatus();
    packet.append(held_, std::move(held_expectation_));
    held_.clear();
  }
  return absl::OkStatus();
}

std::string RowStatements::build_statement(StatementExpectation& expectation, uint64_t bytes_max) {
  const change::RowChange& first = row();
  expectation.commit_ts = transactions_[transaction_]->commit_ts;
  expectation.table = first.table;
  std::string sql;
  switch (first.kind) {
    case change::RowChangeKind::insert:
      insert_rows(sql, expectation, bytes_max);
      break;
    case change::RowChangeKind::remove:
      delete_rows(sql, expectation, bytes_max);
      break;
    case change::RowChangeKind::update:
      append_update(sql, first, server_);
      expectation.rows = 1;
      advance();
      break;
  }
  if (!limits_.show_values) {
    expectation.what = label_of(first, server_);
    return sql;
  }
  // An UPDATE's end names the row, the others' beginning does.
  if (sql.size() <= kWhatBytesMax)
    expectation.what = sql;
  else if (first.kind == change::RowChangeKind::update)
    expectation.what =
        fmt::format("{}... {}", sql.substr(0, kWhatBytesMax / 3), sql.substr(sql.size() - kWhatBytesMax * 2 / 3));
  else
    expectation.what = sql.substr(0, kWhatBytesMax) + "...";
  return sql;
}

void RowStatements::insert_rows(std::string& sql, StatementExpectation& expectation, uint64_t bytes_max) {
  const change::RowChange& first = row();
  append_insert_head(sql, first, server_);
  const bool lenient = has_enum_error_value(first);
  while (!at_end() && expectation.rows < limits_.statement_rows_max) {
    const change::RowChange& next = row();
    if (next.kind != change::RowChangeKind::insert || next.table != first.table || !same_columns(first, next)) break;
    if (has_enum_error_value(next) != lenient) break;
    const size_t size_before = sql.size();
    if (expectation.rows > 0) sql += ',';
    append_insert_values(sql, next);
    if (expectation.rows > 0 && sql.size() > bytes_max) {
      sql.resize(size_before);  // it opens the next statement
      break;
    }
    ++expectation.rows;
    advance();
  }
}

void RowStatements::delete_rows(std::string& sql, StatementExpectation& expectation, uint64_t bytes_max) {
  const change::RowChange& first = row();
  const change::TableDef& table = *first.table;
  const auto key = best_key(table, first.before);
  sql += "DELETE FROM " + quoted_table(table.schema, table.name) + " WHERE ";
  if (key.empty()) {
    append_where(sql, table, first.before, key, server_);
    sql += " LIMIT 1";
    expectation.rows = 1;
    return advance();
  }
  while (!at_end() && expectation.rows < limits_.statement_rows_max) {
    const change::RowChange& next = row();
    if (next.kind != change::RowChangeKind::remove || next.table != first.table || best_key(table, next.before) != key)
      break;
    const size_t size_before = sql.size();
    if (expectation.rows > 0) sql += " OR ";
    sql += '(';
    append_where(sql, table, next.before, key, server_);
    sql += ')';
    if (expectation.rows > 0 && sql.size() > bytes_max) {
      sql.resize(size_before);
      break;
    }
    ++expectation.rows;
    advance();
  }
}

}  // namespace sluice::drainer::sinks::mysql
