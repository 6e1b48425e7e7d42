#include "drainer/sinks/mysql/sql_tokenizer.h"

namespace sluice::drainer::sinks::mysql {

namespace {

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

bool starts_at(std::string_view sql, size_t at, std::string_view wanted) {
  return sql.substr(at, wanted.size()) == wanted;
}

// From the opening quote to past the closing one; a doubled quote, or in texts one after a backslash, belongs inside.
SqlToken quoted_token(std::string_view sql, size_t& at) {
  const char quote = sql[at++];
  SqlToken token{quote == '`' ? SqlToken::Kind::name : SqlToken::Kind::text, {}};
  while (at < sql.size()) {
    if (sql[at] == '\\' && quote != '`' && at + 1 < sql.size()) {
      ++at;
    } else if (sql[at] == quote) {
      if (++at == sql.size() || sql[at] != quote) break;
    }
    token.text += sql[at++];
  }
  return token;
}

// Past a comment; true when there was one. Of an executable comment only the opening is passed over, its "*/" later.
bool skip_comment(std::string_view sql, size_t& at) {
  if (starts_at(sql, at, "*/")) {
    at += 2;
    return true;
  }
  if (sql[at] == '#' || starts_at(sql, at, "-- ") || starts_at(sql, at, "--\n") || sql.substr(at) == "--") {
    const size_t end = sql.find('\n', at);
    at = end == std::string_view::npos ? sql.size() : end + 1;
    return true;
  }
  if (!starts_at(sql, at, "/*")) return false;
  if (starts_at(sql, at, "/*T!") || starts_at(sql, at, "/*!")) {
    at = sql.find('!', at) + 1;
    if (at < sql.size() && sql[at] == '[') {  // /*T![feature]
      const size_t end = sql.find(']', at);
      at = end == std::string_view::npos ? sql.size() : end + 1;
    }
    while (at < sql.size() && sql[at] >= '0' && sql[at] <= '9') ++at;  // /*!40000
    return true;
  }
  const size_t end = sql.find("*/", at + 2);
  at = end == std::string_view::npos ? sql.size() : end + 2;
  return true;
}

}  // namespace

std::vector<SqlToken> tokenize_sql(std::string_view sql) {
  std::vector<SqlToken> tokens;
  for (size_t at = 0; at < sql.size();) {
    const char c = sql[at];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at;
    } else if (skip_comment(sql, at)) {
      continue;
    } else if (c == '`' || c == '\'' || c == '"') {
      tokens.push_back(quoted_token(sql, at));
    } else if (is_word_char(c)) {
      SqlToken token{SqlToken::Kind::word, {}};
      while (at < sql.size() && is_word_char(sql[at])) token.text += upper(sql[at++]);
      tokens.push_back(std::move(token));
    } else {
      tokens.push_back({SqlToken::Kind::sign, std::string(1, c)});
      ++at;
    }
  }
  return tokens;
}

}  // namespace sluice::drainer::sinks::mysql
