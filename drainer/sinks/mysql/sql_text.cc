#include "drainer/sinks/mysql/sql_text.h"

#include <cmath>

#include <fmt/format.h>

namespace sluice::drainer::sinks::mysql {

namespace {

void append_escaped(std::string& sql, std::string_view bytes) {
  sql += '\'';
  size_t clean_from = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    char escape = 0;
    switch (bytes[i]) {
      case '\0':
        escape = '0';
        break;
      case '\n':
        escape = 'n';
        break;
      case '\r':
        escape = 'r';
        break;
      case '\x1a':
        escape = 'Z';
        break;
      case '\'':
        escape = '\'';
        break;
      case '\\':
        escape = '\\';
        break;
      default:
        continue;
    }
    sql.append(bytes, clean_from, i - clean_from);
    sql += '\\';
    sql += escape;
    clean_from = i + 1;
  }
  sql.append(bytes, clean_from, bytes.size() - clean_from);
  sql += '\'';
}

[[nodiscard]] bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("+-.0123456789") == std::string_view::npos;
}

// Always with an exponent: a literal without one is a DECIMAL, and comparing that with a float column rounds.
void append_double(std::string& sql, double value) {
  std::string text = fmt::format("{}", value);  // shortest text that reads back as the same value
  if (text.find('e') == std::string::npos) text += "e0";
  sql += text;
}

}  // namespace

void append_name(std::string& sql, std::string_view name) {
  sql += '`';
  for (const char c : name) {
    if (c == '`') sql += '`';
    sql += c;
  }
  sql += '`';
}

void append_text(std::string& sql, std::string_view text) {
  append_escaped(sql, text);
}

void append_binary(std::string& sql, std::string_view bytes) {
  sql += "_binary";
  append_escaped(sql, bytes);
}

std::string quoted_name(std::string_view name) {
  std::string sql;
  append_name(sql, name);
  return sql;
}

std::string quoted_table(std::string_view schema, std::string_view table) {
  return quoted_name(schema) + "." + quoted_name(table);
}

std::string quoted_text(std::string_view text) {
  std::string sql;
  append_text(sql, text);
  return sql;
}

void append_literal(std::string& sql, const change::ColumnDef& column, const change::Datum& value) {
  switch (value.kind()) {
    case change::Datum::Kind::absent:
      SLUICE_ASSERT(false, "column={}", column.name);
      break;
    case change::Datum::Kind::null:
      sql += "NULL";
      break;
    case change::Datum::Kind::int64:
      fmt::format_to(std::back_inserter(sql), "{}", value.as_int64());
      break;
    case change::Datum::Kind::uint64:
      fmt::format_to(std::back_inserter(sql), "{}", value.as_uint64());
      break;
    // Widened: the double nearest to the float is the float, both when stored and when compared.
    case change::Datum::Kind::float32:
      append_double(sql, static_cast<double>(value.as_float32()));
      break;
    case change::Datum::Kind::float64:
      append_double(sql, value.as_float64());
      break;
    case change::Datum::Kind::bytes:
      if (column.type == change::MysqlType::decimal && is_number(value.as_bytes()))
        sql += value.as_bytes();  // quoted, it would be compared as a double
      else if (column.is_binary() && column.type != change::MysqlType::json)
        append_binary(sql, value.as_bytes());
      else
        append_text(sql, value.as_bytes());
      break;
  }
}

}  // namespace sluice::drainer::sinks::mysql
