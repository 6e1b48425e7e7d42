#include "base/options.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
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

// Nothing for what isn't wholly a number, or doesn't fit: 99999999999999999999 must not become another one.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  if constexpr (std::is_floating_point_v<T>) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
  } else {
    const bool negative = text.starts_with('-');
    std::string_view digits = text.substr(negative ? 1 : 0);
    const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
    if (hex) digits.remove_prefix(2);
    if (!digits.empty() && digits[0] == '-') return std::nullopt;
    const std::string signed_digits = (negative ? "-" : "") + std::string(digits);
    T value{};
    const char* last = signed_digits.data() + signed_digits.size();
    const auto [end, error] = std::from_chars(signed_digits.data(), last, value, hex ? 16 : 10);
    return error == std::errc() && end == last ? std::optional(value) : std::nullopt;
  }
}

template <class T>
absl::Status set_number(const Option& option, T* field, std::string_view text, bool from_flag = true) {
  std::optional<T> value = parse_number<T>(text);
  if constexpr (std::is_same_v<T, uint64_t>)
    if (!value && option.unit == "bytes") value = parse_bytes(text);
  if (!value) return wrong_type(option, text, range_text(option), from_flag);
  SLUICE_RETURN_IF_ERROR(check_range(option, *value, from_flag));
  *field = *value;
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
    const auto is_one_of = [this](std::initializer_list<std::string_view> words) {
      return std::find(words.begin(), words.end(), text) != words.end();
    };
    if (is_one_of({"true", "1", "t", "T", "TRUE", "True"}))  // as Go's strconv.ParseBool
      *field = true;
    else if (is_one_of({"false", "0", "f", "F", "FALSE", "False"}))
      *field = false;
    else
      return wrong_type(option, text, "true, false", true);
    return absl::OkStatus();
  }
  absl::Status operator()(int64_t* field) const { return set_number(option, field, text); }
  absl::Status operator()(uint64_t* field) const { return set_number(option, field, text); }
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
    if (node.is_string() && option.unit == "bytes")
      return set_number(option, field, node.value<std::string>().value(), false);
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
  if (!option.no_effect.empty()) {
    if (warnings != nullptr)
      warnings->push_back(fmt::format("{} has no effect: {}", option_name(option, from_flag), option.no_effect));
    return absl::OkStatus();
  }
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

void note(const absl::Status& status, StringList& errors) {
  if (!status.ok()) errors.emplace_back(message_of(status));
}

// All of them, so that a file with three wrong keys is mended in one go.
absl::Status all_of(const StringList& errors) {
  if (errors.empty()) return absl::OkStatus();
  if (errors.size() == 1) return absl::InvalidArgumentError(errors.front());
  return absl::InvalidArgumentError(fmt::format("{} errors:\n  {}", errors.size(), fmt::join(errors, "\n  ")));
}

void apply_table(const OptionTable& options, const toml::table& table, const std::string& prefix, StringList& unknown,
                 StringList& errors, StringList* warnings) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    const auto found =
        std::find_if(options.options.begin(), options.options.end(), [&](const Option& o) { return o.key == name; });
    if (found != options.options.end()) {
      note(apply_node(*found, node, warnings), errors);
    } else if (node.is_table()) {
      apply_table(options, *node.as_table(), name + ".", unknown, errors, warnings);
    } else {
      unknown.push_back(name);
    }
  }
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

// What a command line says, before any of it is believed.
struct CommandLine {
  std::vector<std::pair<const Option*, std::string>> given;
  StringList positionals, errors;
  std::optional<std::string> config;
  bool help = false, version = false;
};

// Reads as Go's flag package does: one dash or two, =value or the argument after it, which a boolean never takes.
// A short flag may have its value attached (-Ldebug).
class CommandLineReader {
 public:
  CommandLineReader(const OptionTable& table, std::span<char* const> arguments)
      : table_(table), left_(arguments.begin(), arguments.end()) {}

  CommandLine read() {
    for (at_ = 1; at_ < left_.size(); ++at_) {
      const std::string_view argument = left_[at_];
      if (argument == "--") {
        for (++at_; at_ < left_.size(); ++at_) positional(left_[at_]);
      } else if (argument.size() < 2 || argument[0] != '-') {
        positional(argument);
      } else {
        flag(argument.substr(argument[1] == '-' ? 2 : 1), argument[1] == '-');
      }
    }
    return std::move(line_);
  }

 private:
  void positional(std::string_view text) {
    if (table_.positionals != nullptr)
      line_.positionals.emplace_back(text);
    else
      line_.errors.push_back(fmt::format("'{}' is not a valid flag", text));
  }

  void flag(std::string_view body, bool two_dashes) {
    const size_t equals = body.find('=');
    const std::string_view name = body.substr(0, equals);
    std::optional<std::string> value;
    if (equals != std::string_view::npos) value = std::string(body.substr(equals + 1));
    if (name == "help" || name == "h") return void(line_.help = true);
    if (name == "version" || name == "V") return void(line_.version = true);
    if (name == "config" && table_.has_config_file) return void(line_.config = value_of(name, value));
    const auto named = [&](const Option& o) {
      return !name.empty() && ((!o.flag.empty() && o.flag == name) || (!o.short_flag.empty() && o.short_flag == name));
    };
    const auto found = std::find_if(table_.options.begin(), table_.options.end(), named);
    if (found != table_.options.end()) {
      if (std::holds_alternative<bool*>(found->field)) return take(*found, value.value_or("true"));
      if (auto text = value_of(name, value)) take(*found, *std::move(text));
      return;
    }
    if (!two_dashes && attached(body)) return;
    line_.errors.push_back(fmt::format("flag provided but not defined: --{}", name));
    // Most likely its value, which must not be reported as well.
    if (!value && at_ + 1 < left_.size() && !left_[at_ + 1].starts_with('-')) ++at_;
  }

  bool attached(std::string_view body) {
    for (const Option& option : table_.options)
      if (!option.short_flag.empty() && body.starts_with(option.short_flag)) {
        take(option, std::string(body.substr(option.short_flag.size())));
        return true;
      }
    return false;
  }

  std::optional<std::string> value_of(std::string_view name, std::optional<std::string> value) {
    if (value) return value;
    if (at_ + 1 < left_.size()) return std::string(left_[++at_]);
    line_.errors.push_back(fmt::format("flag needs an argument: --{}", name));
    return std::nullopt;
  }

  void take(const Option& option, std::string text) { line_.given.emplace_back(&option, std::move(text)); }

  const OptionTable& table_;
  std::vector<std::string_view> left_;
  size_t at_ = 1;
  CommandLine line_;
};

std::string environment_name(const OptionTable& table, const Option& option) {
  std::string name = table.program + "_" + option.flag;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return name;
}

void apply_environment(const OptionTable& table, const CommandLine& line, StringList& errors, StringList& warnings) {
  StringList ignored;
  for (const Option& option : table.options) {
    if (option.flag.empty()) continue;
    const std::string name = environment_name(table, option);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) continue;
    const bool flag_wins =
        std::any_of(line.given.begin(), line.given.end(), [&](const auto& given) { return given.first == &option; });
    if (!table.environment) {
      ignored.push_back(name);
    } else if (!flag_wins) {
      warnings.push_back(fmt::format("--{} is taken from the environment: {}={}", option.flag, name, value));
      note(annotate(set_option(option, true, &warnings,
                               [&] {
                                 return std::visit(SetFromText{option, value}, option.field);
                               }),
                    name),
           errors);
    }
  }
  if (!ignored.empty()) warnings.push_back(fmt::format("the environment is ignored: {}", fmt::join(ignored, ", ")));
}

void apply_config(const OptionTable& table, const std::string& config, StringList& errors, StringList& warnings) {
  std::error_code unknown;
  if (std::filesystem::is_directory(config, unknown))
    return errors.push_back(fmt::format("config file {} is a folder", config));
  std::ifstream file(config);
  if (!file) return errors.push_back(fmt::format("cannot read config file {}: {}", config, std::strerror(errno)));
  std::stringstream text;
  text << file.rdbuf();
  note(apply_toml(table, text.str(), config, &warnings), errors);
}

std::string help_text(const OptionTable& table) {
  CLI::App app(table.summary, table.program);
  app.set_version_flag("-V,--version", version_line(table.program));
  std::string config;
  if (table.has_config_file) app.add_option("--config", config, "TOML file; flags win over it");
  std::vector<std::unique_ptr<std::string>> texts;
  for (const Option& option : table.options) {
    if (option.flag.empty()) continue;
    const std::string names = (option.short_flag.empty() ? "" : "-" + option.short_flag + ",") + "--" + option.flag;
    std::string help = option.help;
    if (!option.choices.empty()) help += fmt::format(" [{}]", fmt::join(option.choices, "|"));
    if (!option.unit.empty()) help += fmt::format(" ({})", option.unit);
    if (!option.supported) help += "; not supported yet";
    if (!option.no_effect.empty()) help = "no effect: " + option.no_effect;
    if (option.deprecated) help = "deprecated, ignored";
    CLI::Option* added = app.add_option(names, *texts.emplace_back(std::make_unique<std::string>()), help);
    added->default_str(default_text(option.field))->type_name("");
  }
  StringList positionals;
  if (table.positionals != nullptr) app.add_option(table.positional, positionals);
  std::string text = app.help();
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

}  // namespace

std::optional<uint64_t> parse_bytes(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  std::string unit;
  for (const char* c = end; c != text.data() + text.size(); ++c)
    if (*c != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
  constexpr std::string_view kPrefixes = "kmgtpe";
  double factor = 1;
  if (!unit.empty() && unit != "b") {
    const size_t power = kPrefixes.find(unit[0]);
    if (power == std::string_view::npos) return std::nullopt;
    const std::string_view rest = std::string_view(unit).substr(1);
    if (rest != "" && rest != "b" && rest != "i" && rest != "ib") return std::nullopt;
    factor = std::pow(rest.starts_with('i') ? 1024.0 : 1000.0, static_cast<double>(power + 1));
  }
  const double bytes = number * factor;
  if (bytes >= 18446744073709551616.0) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

ChangedOptions changed_options(const OptionTable& before, const OptionTable& after) {
  ChangedOptions changed;
  SLUICE_ASSERT(before.options.size() == after.options.size(), "program={}", before.program);
  for (size_t i = 0; i < before.options.size(); ++i) {
    const Option& option = before.options[i];
    if (default_text(option.field) == default_text(after.options[i].field)) continue;
    (option.reloadable ? changed.reloadable : changed.need_restart)
        .push_back(option.key.empty() ? option.flag : option.key);
  }
  return changed;
}

std::string version_line(std::string_view program) {
  return fmt::format("{} (sluice {})", program, SLUICE_VERSION);
}

absl::Status apply_toml(const OptionTable& table, std::string_view text, std::string_view origin,
                        StringList* warnings) {
  StringList unknown, errors;
  try {
    const toml::table parsed = toml::parse(text, std::string(origin));
    apply_table(table, parsed, "", unknown, errors, warnings);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(fmt::format("{}:{}: {}", origin, error.source().begin.line, error.description()));
  }
  if (!unknown.empty())
    errors.push_back(fmt::format("component {}'s config file {} contained unknown configuration options: {}",
                                 table.program, origin, fmt::join(unknown, ", ")));
  for (std::string& error : errors)
    if (error.find(origin) == std::string::npos) error = fmt::format("{}: {}", origin, error);
  return all_of(errors);
}

absl::StatusOr<ParsedOptions> parse_options(const OptionTable& table, std::span<char* const> arguments) {
  CommandLine line = CommandLineReader(table, arguments).read();
  ParsedOptions result;
  if (line.help || line.version) {
    result.exit_now = true;
    result.text = line.help ? help_text(table) : version_line(table.program) + "\n";
    return result;
  }
  StringList errors = std::move(line.errors);
  if (!errors.empty()) errors.back() += fmt::format("; try {} --help", table.program);
  if (line.config) apply_config(table, *line.config, errors, result.warnings);
  apply_environment(table, line, errors, result.warnings);
  for (const auto& [option, text] : line.given)
    note(set_option(*option, true, &result.warnings,
                    [&, option = option, &text = text] {
                      return std::visit(SetFromText{*option, text}, option->field);
                    }),
         errors);
  SLUICE_RETURN_IF_ERROR(all_of(errors));
  if (table.positionals != nullptr) *table.positionals = std::move(line.positionals);
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
                        option.deprecated           ? "deprecated, ignored"
                        : !option.no_effect.empty() ? "no effect: " + option.no_effect
                        : option.supported          ? option.help
                                                    : option.help + "; not supported yet",
                        option.reloadable ? " (reloadable)" : "");
  }
  return page;
}

}  // namespace sluice
