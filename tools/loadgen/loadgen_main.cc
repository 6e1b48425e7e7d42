// loadgen: load for pumps, and the check that they kept all of it. `loadgen COMMAND --help` shows all; exit 0 done, 1 a
// failure (of a write, or what verify found), 2 wrong usage.
#include <unistd.h>
#include <csignal>

#include <cstdio>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/options.h"
#include "base/status.h"
#include "tools/loadgen/commands.h"

namespace {

using namespace sluice;
using namespace sluice::loadgen;

constexpr std::string_view kUsage =
    "loadgen: load for pumps, and the check that they kept all of it\n\n"
    "usage: loadgen write   writes transactions and measures\n"
    "       loadgen verify  pulls what a seed wrote; fails on anything lost, repeated, reordered or altered\n"
    "       loadgen pull    pulls and measures\n"
    "       loadgen mixed   writes and pulls at once: verifies, and measures how long a commit takes to be served\n\n"
    "loadgen COMMAND --help shows a command's options.\n";

extern "C" void on_stop_signal(int) {
  request_stop();
}

int fail(const absl::Status& status) {
  fmt::print(stderr, "loadgen: {}\n", message_of(status));
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

int run(const Command& command, std::span<char* const> arguments) {
  Settings settings;
  settings.command = command.name;
  const OptionTable table = option_table(command.name, command.summary, settings);
  const auto parsed = parse_options(table, arguments);
  if (!parsed.ok()) return fail(parsed.status());
  if (parsed->exit_now) {
    fmt::print("{}", parsed->text);
    return 0;
  }
  if (const absl::Status status = check(settings); !status.ok()) return fail(status);
  if (const absl::Status status = set_up_logging({.file = "", .level = settings.log_level}); !status.ok())
    return fail(status);
  const absl::Status status = command.run(settings);
  return status.ok() ? 0 : fail(status);
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESETHAND;  // a second one ends us at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h" || name == "-help") {
    fmt::print("{}", kUsage);
    return 0;
  }
  if (name == "-V" || name == "--version") {
    fmt::print("{}\n", version_line("loadgen"));
    return 0;
  }
  for (const Command& command : commands())
    if (command.name == name) return run(command, std::span<char* const>(argv + 1, static_cast<size_t>(argc - 1)));
  fmt::print(stderr, "loadgen: {}\n{}",
             name.empty() ? "a command is missing" : fmt::format("there is no command \"{}\"", name), kUsage);
  return 2;
}
