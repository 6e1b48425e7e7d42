#include "base/options.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>
#include <CLI/CLI.hpp>

#include "base/assert.h"
#include "base/status.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "0.1.0"
#endif

namespace sluice {
namespace {

std::string option_name(const Option& option, bool from_flag) {
  return from_flag ? "--" + option.flag : "key `" + option.key + "`";
}

std::string range_text(const Option& option) {
  const std::string unit = option.unit.empty() ? "" : " " + option.unit;
  if (option.min && option.max) return fmt::format("{} to {}{}", *option.min, *option.max, unit);
  if (option.min) return fmt::format("at least {}{}", *option.min, unit);
  if (option.max) return fmt::format("at most {}{}", *option.max, unit);
  return "a number" + (unit.empty() ? "" : " of" + unit);
}

template <class T>
absl::Status check_range(const Option& option, T value, bool from_flag) {
  const auto v = static_cast<double>(value);
  if ((option.min && v < *option.min) || (option.max && v > *option.max))
    return absl::InvalidArgumentError(
        fmt::format("{} is {}; accepted: {}", option_name(option, from_flag), value, range_text(option)));
  return absl::OkStatus();
}

absl::Status wrong_type(const Option& option, std::string_view value, std::string_view wanted, bool from_flag) {
  return absl::InvalidArgumentError(
      fmt::format("{} is `{}`; accepted: {}", option_name(option, from_flag), value, wanted));
}

template <class T>
absl::Status set_number(const Option& option, T* field, std::string_view text) {
  T value{};
  if (!CLI::detail::lexical_cast(std::string(text), value)) return wrong_type(option, text, range_text(option), true);
  SLUICE_RETURN_IF_ERROR(check_range(option, value, true));
  *field = value;
  return absl::OkStatus();
}

absl::Status check_choice(const Option& option, const std::string& value, bool from_flag) {
  if (option.choices.empty() || std::find(option.choices.begin(), option.choices.end(), value) != option.choices.end())
    return absl::OkStatus();
  return wrong_type(option, value, fmt::format("{}", fmt::join(option.choices, ", ")), from_flag);
}

StringList split_list(std::string_view text) {
  StringList list;
  std::stringstream stream{std::string(text)};
  for (std::string item; std::getline(stream, item, ',');)
    if (!item.empty()) list.push_back(item);
  return list;
}

// A flag's text into its field.
struct SetFromText {
  const Option& option;
  std::string_view text;

  absl::Status operator()(bool* field) const {
    if (text == "true" || text == "1")
      *field = true;
    else if (text == "false" || text == "0")
      *field = false;
    else
      return wrong_type(option, text, "true, false", true);
    return absl::OkStatus();
  }
  absl::Status operator()(int64_t* field) const { return set_number(option, field, text); }
  absl::Status operator()(uint64_t* field) const {
    if (text.starts_with('-')) return wrong_type(option, text, range_text(option), true);
    return set_number(option, field, text);
  }
  absl::Status operator()(double* field) const { return set_number(option, field, text); }
  absl::Status operator()(std::string* field) const {
    SLUICE_RETURN_IF_ERROR(check_choice(option, std::string(text), true));
    *field = text;
    return absl::OkStatus();
  }
  absl::Status operator()(StringList* field) const {
    *field = split_list(text);
    return absl::OkStatus();
  }
  absl::Status operator()(TableRows*) const {
    return wrong_type(option, text, "tables, in the config file only", true);
  }
};

absl::StatusOr<std::map<std::string, std::string>> table_row(const Option& option, const toml::node& node) {
  if (!node.is_table()) return wrong_type(option, "another value", "tables of strings", false);
  std::map<std::string, std::string> row;
  for (const auto& [key, value] : *node.as_table()) {
    if (!value.is_string())
      return wrong_type(option, std::string(key.str()) + " of another type", "tables of strings", false);
    row[std::string(key.str())] = value.value<std::string>().value();
  }
  return row;
}

// A TOML node into its field.
struct SetFromToml {
  const Option& option;
  const toml::node& node;

  [[nodiscard]] absl::Status wrong(std::string_view wanted) const {
    return absl::InvalidArgumentError(
        fmt::format("{} at line {}: accepted: {}", option_name(option, false), node.source().begin.line, wanted));
  }
  absl::Status operator()(bool* field) const {
    if (!node.is_boolean()) return wrong("true, false");
    *field = node.value<bool>().value();
    return absl::OkStatus();
  }
  absl::Status operator()(int64_t* field) const {
    if (!node.is_integer()) return wrong(range_text(option));
    const int64_t value = node.value<int64_t>().value();
    SLUICE_RETURN_IF_ERROR(check_range(option, value, false));
    *field = value;
    return absl::OkStatus();
  }
  absl::Status operator()(uint64_t* field) const {
    if (!node.is_integer() || node.value<int64_t>().value() < 0) return wrong(range_text(option));
    const auto value = static_cast<uint64_t>(node.value<int64_t>().value());
    SLUICE_RETURN_IF_ERROR(check_range(option, value, false));
    *field = value;
    return absl::OkStatus();
  }
  absl::Status operator()(double* field) const {
    if (!node.is_number()) return wrong(range_text(option));
    const double value = node.value<double>().value();
    SLUICE_RETURN_IF_ERROR(check_range(option, value, false));
    *field = value;
    return absl::OkStatus();
  }
  absl::Status operator()(std::string* field) const {
    if (!node.is_string()) return wrong("a string");
    const auto value = node.value<std::string>().value();
    SLUICE_RETURN_IF_ERROR(check_choice(option, value, false));
    *field = value;
    return absl::OkStatus();
  }
  absl::Status operator()(StringList* field) const {
    if (node.is_string()) {
      *field = split_list(node.value<std::string>().value());
      return absl::OkStatus();
    }
    if (!node.is_array()) return wrong("a string or an array of strings");
    StringList list;
    for (const toml::node& item : *node.as_array()) {
      if (!item.is_string() && !item.is_integer()) return wrong("an array of strings or integers");
      list.push_back(item.is_string() ? item.value<std::string>().value()
                                      : fmt::format("{}", item.value<int64_t>().value()));
    }
    *field = std::move(list);
    return absl::OkStatus();
  }
  absl::Status operator()(TableRows* field) const {
    TableRows rows;
    if (node.is_array()) {
      for (const toml::node& item : *node.as_array()) {
        SLUICE_ASSIGN_OR_RETURN(auto row, table_row(option, item));
        rows.push_back(std::move(row));
      }
    } else {
      SLUICE_ASSIGN_OR_RETURN(auto row, table_row(option, node));
      rows.push_back(std::move(row));
    }
    *field = std::move(rows);
    return absl::OkStatus();
  }
};

std::string default_text(const OptionField& field);

bool is_empty(const toml::node& node) {
  if (node.is_table()) return node.as_table()->empty();
  return node.is_array() && node.as_array()->empty();
}

absl::Status not_supported(const Option& option, bool from_flag, std::string_view standard) {
  return absl::InvalidArgumentError(fmt::format("{} is not supported yet; leave it out, or at its default `{}`",
                                                option_name(option, from_flag), standard));
}

// Sets one option through `set`, with what holds for deprecated and unsupported ones.
template <class Set>
absl::Status set_option(const Option& option, bool from_flag, StringList* warnings, Set set) {
  if (option.deprecated) {
    if (warnings != nullptr) warnings->push_back(option_name(option, from_flag) + " is deprecated and ignored");
    return absl::OkStatus();
  }
  const std::string before = option.supported ? "" : default_text(option.field);
  SLUICE_RETURN_IF_ERROR(set());
  const bool changed = !option.supported && default_text(option.field) != before;
  return changed ? not_supported(option, from_flag, before) : absl::OkStatus();
}

absl::Status apply_node(const Option& option, const toml::node& node, StringList* warnings) {
  // Tables of an unsupported option may have any shape, so they aren't looked into.
  if (!option.supported && (node.is_table() || node.is_array_of_tables()))
    return is_empty(node) ? absl::OkStatus() : not_supported(option, false, "");
  return set_option(option, false, warnings, [&] { return std::visit(SetFromToml{option, node}, option.field); });
}

absl::Status apply_table(const OptionTable& options, const toml::table& table, const std::string& prefix,
                         StringList& unknown, StringList* warnings) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    const auto found =
        std::find_if(options.options.begin(), options.options.end(), [&](const Option& o) { return o.key == name; });
    if (found != options.options.end()) {
      SLUICE_RETURN_IF_ERROR(apply_node(*found, node, warnings));
    } else if (node.is_table()) {
      SLUICE_RETURN_IF_ERROR(apply_table(options, *node.as_table(), name + ".", unknown, warnings));
    } else {
      unknown.push_back(name);
    }
  }
  return absl::OkStatus();
}

std::string default_text(const OptionField& field) {
  struct Show {
    std::string operator()(const TableRows* v) const { return v->empty() ? "" : fmt::format("{} tables", v->size()); }
    std::string operator()(const bool* v) const { return *v ? "true" : "false"; }
    std::string operator()(const int64_t* v) const { return fmt::format("{}", *v); }
    std::string operator()(const uint64_t* v) const { return fmt::format("{}", *v); }
    std::string operator()(const double* v) const { return fmt::format("{}", *v); }
    std::string operator()(const std::string* v) const { return *v; }
    std::string operator()(const StringList* v) const { return fmt::format("{}", fmt::join(*v, ",")); }
  };
  return std::visit(Show{}, field);
}

// Go's flags have one dash, and a boolean never takes the argument after it: -name becomes --name, a bare boolean
// --name=true, so that one parser reads both styles.
StringList normalised(const OptionTable& table, std::span<char* const> arguments) {
  StringList result;
  bool only_positionals = false;
  for (const std::string_view argument : arguments.subspan(1)) {
    if (argument == "--") only_positionals = true;
    if (only_positionals || argument.size() < 3 || argument[0] != '-') {
      result.emplace_back(argument);
      continue;
    }
    const std::string_view body = argument.substr(argument[1] == '-' ? 2 : 1);
    const std::string_view name = body.substr(0, body.find('='));
    const auto found =
        std::find_if(table.options.begin(), table.options.end(), [&](const Option& o) { return o.flag == name; });
    const bool ours = found != table.options.end() || name == "config" || name == "help" || name == "version";
    std::string text = ours ? "--" + std::string(body) : std::string(argument);
    if (found != table.options.end() && std::holds_alternative<bool*>(found->field) && name.size() == body.size())
      text += "=true";
    result.push_back(std::move(text));
  }
  return result;
}

}  // namespace

std::string version_line(std::string_view program) {
  return fmt::format("{} (sluice {})", program, SLUICE_VERSION);
}

absl::Status apply_toml(const OptionTable& table, std::string_view text, std::string_view origin,
                        StringList* warnings) {
  StringList unknown;
  try {
    const toml::table parsed = toml::parse(text, std::string(origin));
    SLUICE_RETURN_IF_ERROR(annotate(apply_table(table, parsed, "", unknown, warnings), origin));
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(fmt::format("{}:{}: {}", origin, error.source().begin.line, error.description()));
  }
  if (!unknown.empty())
    return absl::InvalidArgumentError(
        fmt::format("component {}'s config file {} contained unknown configuration options: {}", table.program, origin,
                    fmt::join(unknown, ", ")));
  return absl::OkStatus();
}

absl::StatusOr<ParsedOptions> parse_options(const OptionTable& table, std::span<char* const> arguments) {
  CLI::App app(table.summary, table.program);
  app.set_version_flag("-V,--version", version_line(table.program));
  std::string config;
  if (table.has_config_file) app.add_option("--config", config, "TOML file; flags win over it");
  std::vector<std::unique_ptr<std::string>> texts;
  std::vector<std::pair<const Option*, CLI::Option*>> given;
  for (const Option& option : table.options) {
    if (option.flag.empty()) continue;
    const std::string names = (option.short_flag.empty() ? "" : "-" + option.short_flag + ",") + "--" + option.flag;
    auto& text = *texts.emplace_back(std::make_unique<std::string>());
    std::string help = option.help;
    if (!option.choices.empty()) help += fmt::format(" [{}]", fmt::join(option.choices, "|"));
    if (!option.unit.empty()) help += fmt::format(" ({})", option.unit);
    if (!option.supported) help += "; not supported yet";
    if (option.deprecated) help = "deprecated, ignored";
    CLI::Option* added = app.add_option(names, text, help);
    added->default_str(default_text(option.field))->type_name("");
    added->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    given.emplace_back(&option, added);
  }
  StringList positionals;
  if (table.positionals != nullptr) app.add_option(table.positional, positionals);

  ParsedOptions result;
  StringList list = normalised(table, arguments);
  std::reverse(list.begin(), list.end());  // CLI11 takes its vector from the back
  try {
    app.parse(list);
  } catch (const CLI::Success& done) {
    result.exit_now = true;
    result.text = done.get_name() == "CallForVersion" ? std::string(done.what()) : app.help();
    if (!result.text.ends_with('\n')) result.text += '\n';
    return result;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(fmt::format("{}; try {} --help", error.what(), table.program));
  }

  if (!config.empty()) {
    std::ifstream file(config);
    if (!file)
      return absl::InvalidArgumentError(fmt::format("cannot read config file {}: {}", config, std::strerror(errno)));
    std::stringstream text;
    text << file.rdbuf();
    SLUICE_RETURN_IF_ERROR(apply_toml(table, text.str(), config, &result.warnings));
  }
  for (const auto& [option, parsed] : given) {
    if (parsed->count() == 0) continue;
    const std::string text = parsed->results().back();
    SLUICE_RETURN_IF_ERROR(set_option(*option, true, &result.warnings, [&] {
      return std::visit(SetFromText{*option, text}, option->field);
    }));
  }
  if (table.positionals != nullptr) *table.positionals = positionals;
  return result;
}

std::string options_page(const OptionTable& table) {
  std::string page = fmt::format("# {}\n\n{}\n\n| key | flag | default | accepted | meaning |\n|---|---|---|---|---|\n",
                                 table.program, table.summary);
  for (const Option& option : table.options) {
    std::string accepted = option.choices.empty() ? "" : fmt::format("{}", fmt::join(option.choices, ", "));
    if (option.min || option.max) accepted = range_text(option);
    page += fmt::format("| {} | {} | {} | {} | {}{} |\n", option.key.empty() ? "" : "`" + option.key + "`",
                        option.flag.empty() ? "" : "`--" + option.flag + "`", default_text(option.field), accepted,
                        option.deprecated  ? "deprecated, ignored"
                        : option.supported ? option.help
                                           : option.help + "; not supported yet",
                        option.reloadable ? " (reloadable)" : "");
  }
  return page;
}

}  // namespace sluice
