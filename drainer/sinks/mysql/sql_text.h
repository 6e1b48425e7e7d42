// SQL text: names and literals, written so that the server reads back exactly the bytes that were given.
// The session must have sql_mode without NO_BACKSLASH_ESCAPES and ANSI_QUOTES, and utf8mb4 as its character set
// (MysqlConnection sees to both).
#pragma once

#include <string>
#include <string_view>

#include "drainer/change/row_change.h"

namespace sluice::drainer::sinks::mysql {

// `name`, backquotes doubled.
[[nodiscard]] std::string quoted_name(std::string_view name);
// `schema`.`table`
[[nodiscard]] std::string quoted_table(std::string_view schema, std::string_view table);
// 'text', escaped.
[[nodiscard]] std::string quoted_text(std::string_view text);

void append_name(std::string& sql, std::string_view name);
void append_text(std::string& sql, std::string_view text);
// _binary'...': escaped rather than hex, because hex doubles a 20 MB blob.
void append_binary(std::string& sql, std::string_view bytes);
// The literal of `value` as `column` stores it. Not for absent values.
void append_literal(std::string& sql, const change::ColumnDef& column, const change::Datum& value);

}  // namespace sluice::drainer::sinks::mysql
