#include "drainer/schema/rename_targets.h"

#include <cctype>

namespace sluice::drainer {
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

bool is_to(const Token& token) {
  return !token.quoted && token.text.size() == 2 && (token.text[0] | 0x20) == 't' && (token.text[1] | 0x20) == 'o';
}

}  // namespace

std::vector<std::string> rename_target_schemas(std::string_view statement) {
  std::vector<std::string> schemas;
  Tokens tokens(statement);
  Token token;
  while (tokens.next(token)) {
    if (!is_to(token)) continue;
    Token name;
    Token dot;
    if (!tokens.next(name)) break;
    const bool qualified = tokens.next(dot) && !dot.quoted && dot.text == ".";
    schemas.push_back(qualified ? name.text : std::string());
  }
  return schemas;
}

}  // namespace sluice::drainer
