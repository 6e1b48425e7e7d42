#include "drainer/schema/rename_targets.h"

#include <algorithm>
#include <cctype>

namespace sluice::drainer::schema {
namespace {

struct Token {
  std::string text;
  bool quoted = false;
};

// Comments and quotes as MySQL has them; everything else that isn't a name is a token of one byte.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  bool next(Token& token) {
    skip_space();
    if (at_ >= text_.size()) return false;
    token = {};
    if (text_[at_] == '`') return token = {quoted_name(), true}, true;
    while (at_ < text_.size() && is_name(text_[at_])) token.text += text_[at_++];
    if (token.text.empty()) token.text = text_[at_++];
    return true;
  }

 private:
  static bool is_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || (c & 0x80) != 0;
  }

  std::string quoted_name() {
    std::string name;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '`') {  // doubled: one of the name's own
        if (++at_ >= text_.size() || text_[at_] != '`') break;
      }
      name += text_[at_];
    }
    return name;
  }

  void skip_space() {
    for (;;) {
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
      if (text_.substr(at_).starts_with("/*"))
        at_ = after("*/");
      else if (text_.substr(at_).starts_with("-- ") || text_.substr(at_).starts_with("#"))
        at_ = after("\n");
      else
        return;
    }
  }
  size_t after(std::string_view end) const {
    const size_t found = text_.find(end, at_);
    return found == std::string_view::npos ? text_.size() : found + end.size();
  }

  std::string_view text_;
  size_t at_ = 0;
};

bool is_word(const Token& token, std::string_view upper) {
  const auto same = [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; };
  return !token.quoted && std::ranges::equal(token.text, upper, same);
}

bool is_byte(const Token& token, char byte) {
  return !token.quoted && token.text.size() == 1 && token.text[0] == byte;
}

// The database of the name that begins at `at`.
std::string schema_at(const std::vector<Token>& tokens, size_t at) {
  return at + 1 < tokens.size() && is_byte(tokens[at + 1], '.') ? tokens[at].text : std::string();
}

std::vector<RenameStep> alter_step(const std::vector<Token>& tokens) {
  const auto word = [&](std::string_view upper) {
    return std::ranges::find_if(tokens, [&](const Token& token) { return is_word(token, upper); }) - tokens.begin();
  };
  const auto table = static_cast<size_t>(word("TABLE"));
  auto to = static_cast<size_t>(word("RENAME")) + 1;
  if (to < tokens.size() && (is_word(tokens[to], "TO") || is_word(tokens[to], "AS") || is_byte(tokens[to], '='))) ++to;
  if (to >= tokens.size()) return {};
  return {{.from_schema = schema_at(tokens, table + 1), .to_schema = schema_at(tokens, to)}};
}

}  // namespace

std::vector<RenameStep> rename_steps(std::string_view statement) {
  std::vector<Token> tokens;
  Tokens reader(statement);
  for (Token token; reader.next(token);) tokens.push_back(token);
  if (!tokens.empty() && is_word(tokens[0], "ALTER")) return alter_step(tokens);
  std::vector<RenameStep> steps;
  for (size_t i = 1; i + 1 < tokens.size(); ++i) {
    if (!is_word(tokens[i], "TO")) continue;
    const bool qualified = i >= 3 && is_byte(tokens[i - 2], '.');
    steps.push_back(
        {.from_schema = qualified ? tokens[i - 3].text : std::string(), .to_schema = schema_at(tokens, i + 1)});
  }
  return steps;
}

}  // namespace sluice::drainer::schema
