#include "drainer/translator/table_filter.h"

#include <algorithm>
#include <regex>

#include <absl/strings/ascii.h>

#include "base/status.h"

namespace sluice::drainer::translator {
namespace {

std::string lower(std::string_view text) {
  return absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
}

// One entry of a list.
class Pattern {
 public:
  static absl::StatusOr<Pattern> make(std::string_view text) {
    if (text.empty())
      return absl::InvalidArgumentError("filter: an entry is empty; remove it or name a schema or table");
    Pattern pattern;
    pattern.anywhere_ = text.starts_with('~');
    pattern.literal_ = lower(text);
    if (text.find_first_of("~.*+?()[]{}|\\^") == std::string_view::npos) return pattern;
    // Adapters catch at their edge: std::regex has no other way to say it.
    try {
      pattern.regex_.assign(std::string(text.substr(pattern.anywhere_ ? 1 : 0)),
                            std::regex::ECMAScript | std::regex::icase);
    } catch (const std::regex_error& error) {
      return absl::InvalidArgumentError(fmt::format("filter: '{}' is no regular expression: {}", text, error.what()));
    }
    pattern.is_regex_ = true;
    return pattern;
  }

  // `name` in lower case.
  [[nodiscard]] bool matches(const std::string& name) const {
    if (!is_regex_) return name == literal_;
    return anywhere_ ? std::regex_search(name, regex_) : name == literal_ || std::regex_match(name, regex_);
  }

 private:
  std::string literal_;
  std::regex regex_;
  bool is_regex_ = false;
  bool anywhere_ = false;
};

struct TablePattern {
  Pattern schema;
  Pattern table;
};

absl::Status append(const std::vector<std::string>& texts, std::vector<Pattern>& patterns) {
  for (const std::string& text : texts) {
    SLUICE_ASSIGN_OR_RETURN(patterns.emplace_back(), Pattern::make(text));
  }
  return absl::OkStatus();
}

absl::Status append(const std::vector<TableName>& names, std::vector<TablePattern>& patterns) {
  for (const TableName& name : names) {
    SLUICE_ASSIGN_OR_RETURN(Pattern schema, Pattern::make(name.schema));
    SLUICE_ASSIGN_OR_RETURN(Pattern table, Pattern::make(name.table));
    patterns.push_back({std::move(schema), std::move(table)});
  }
  return absl::OkStatus();
}

}  // namespace

struct TableFilter::Rules {
  std::vector<Pattern> ignore_schemas;
  std::vector<TablePattern> ignore_tables;
  std::vector<Pattern> do_schemas;
  std::vector<TablePattern> do_tables;
};

TableFilter::TableFilter() : TableFilter(std::make_shared<const Rules>()) {
  *this = make({}).value();
}

TableFilter::TableFilter(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}

absl::StatusOr<TableFilter> TableFilter::make(const TableFilterOptions& options) {
  auto rules = std::make_shared<Rules>();
  SLUICE_RETURN_IF_ERROR(append(options.ignore_schemas, rules->ignore_schemas));
  SLUICE_RETURN_IF_ERROR(append(options.ignore_tables, rules->ignore_tables));
  SLUICE_RETURN_IF_ERROR(append(options.do_schemas, rules->do_schemas));
  SLUICE_RETURN_IF_ERROR(append(options.do_tables, rules->do_tables));
  return TableFilter(std::move(rules));
}

bool TableFilter::passes(std::string_view schema, std::string_view table) const {
  const std::string schema_name = lower(schema);
  const std::string table_name = lower(table);
  const auto in = [&](const std::vector<Pattern>& list) {
    return std::ranges::any_of(list, [&](const Pattern& p) { return p.matches(schema_name); });
  };
  const auto names = [&](const std::vector<TablePattern>& list) {
    return std::ranges::any_of(
        list, [&](const TablePattern& p) { return p.schema.matches(schema_name) && p.table.matches(table_name); });
  };
  if (in(rules_->ignore_schemas)) return false;
  if (!rules_->do_schemas.empty() || !rules_->do_tables.empty()) {
    if (!in(rules_->do_schemas) && !names(rules_->do_tables)) return false;
  }
  return !names(rules_->ignore_tables);
}

}  // namespace sluice::drainer::translator
