// Options: one table per program {key, flag, field, default, min, max, unit, reloadable, help} yields TOML, flags,
// --help, validation and docs/config/*.md. Go's flag syntax is accepted beside ours: -name, --name, =value or a
// following value. Precedence as in TiDB-Binlog: flag, then environment (PROGRAM_FLAG_NAME), then config file, then
// default.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace sluice {

using StringList = std::vector<std::string>;

// An array of TOML tables with string values: `[[syncer.ignore-table]] db-name = "a"`. Also takes a single table.
using TableRows = std::vector<std::map<std::string, std::string>>;

// Where an option's value goes; the pointer's type is the option's type.
using OptionField = std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, StringList*, TableRows*>;

struct Option {
  std::string key;    // TOML, dotted: "syncer.to.host"; empty: no such key
  std::string flag;   // long name without dashes; empty: no such flag
  OptionField field;  // its value at parse time is the default
  std::string help;
  std::string unit{};  // "bytes", "ms", "s"; empty: none
  std::optional<double> min{};
  std::optional<double> max{};
  StringList choices{};      // of a string: anything else is refused
  std::string short_flag{};  // one letter
  bool reloadable = false;
  bool deprecated = false;  // accepted, ignored, said so in the log
  bool supported = true;    // false: known, but has no function yet; anything but its default is refused
  std::string no_effect{};  // why any value is taken, warned about and left without effect; empty: it has one
};

struct OptionTable {
  std::string program{};
  std::string summary{};  // one line for --help
  std::vector<Option> options{};
  bool has_config_file = true;  // adds --config
  std::string positional{};     // "FILE..." when arguments without a flag are wanted; empty: they are errors
  StringList* positionals = nullptr;
  bool environment = false;  // PUMP_DATA_DIR sets --data-dir of pump; false: such a variable is warned about
};

struct ParsedOptions {
  bool exit_now = false;  // --help or -V was given: print `text` and exit 0
  std::string text;
  StringList warnings;  // what was given and has no effect, or came from the environment
};

// Parses flags, environment and the file that --config names.
// Errors:   INVALID_ARGUMENT, naming each wrong flag and key at once, with the value and what is accepted.
[[nodiscard]] absl::StatusOr<ParsedOptions> parse_options(const OptionTable& table, std::span<char* const> arguments);

// The same checks over a TOML text; `origin` names it in errors. Warnings, if asked for, are added to.
[[nodiscard]] absl::Status apply_toml(const OptionTable& table, std::string_view text, std::string_view origin,
                                      StringList* warnings = nullptr);

// A size: bytes, or a number with a unit as Go's programs write it ("10 gib", "512MB", "1.5 GiB"; kib = 1024, kb =
// 1000).
[[nodiscard]] std::optional<uint64_t> parse_bytes(std::string_view text);

// Options that differ between two tables of one program: what a reload found changed.
struct ChangedOptions {
  StringList reloadable, need_restart;
};
[[nodiscard]] ChangedOptions changed_options(const OptionTable& before, const OptionTable& after);

// docs/config/<program>.md.
[[nodiscard]] std::string options_page(const OptionTable& table);

// "name version (commit)", for -V and logs.
[[nodiscard]] std::string version_line(std::string_view program);

}  // namespace sluice
