// Splits SQL text into words, quoted names, texts and signs; comments are dropped, the insides of /*! and /*T! kept.
// Just enough to see what kind of statement it is; not a parser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::drainer::sinks::mysql {

struct SqlToken {
  enum class Kind { word, name, text, sign };
  Kind kind{};
  std::string text;  // words upper-case; names and texts without their quotes

  friend bool operator==(const SqlToken&, const SqlToken&) = default;
};

[[nodiscard]] std::vector<SqlToken> tokenize_sql(std::string_view sql);

}  // namespace sluice::drainer::sinks::mysql
