// binlogctl: asks and steers the nodes of a binlog cluster. Exit codes: base/exit_code.h.
#include <cstdio>

#include "base/exit_code.h"
#include "base/status.h"
#include "ctl/command.h"

namespace {

using sluice::ExitCode;

absl::StatusOr<std::string> run(const sluice::ctl::CtlOptions& options) {
  std::string known;
  for (const sluice::ctl::Command& command : sluice::ctl::commands()) {
    if (command.name == options.command) return command.run(options);
    known += fmt::format("\n  {:<12} {}", command.name, command.help);
  }
  return absl::InvalidArgumentError(options.command.empty()
                                        ? fmt::format("-cmd is needed; one of:{}", known)
                                        : fmt::format("-cmd {} isn't known; one of:{}", options.command, known));
}

}  // namespace

int main(int argc, char** argv) {
  sluice::ctl::CtlOptions options;
  const auto parsed = sluice::parse_options(sluice::ctl::ctl_option_table(options), {argv, static_cast<size_t>(argc)});
  const auto text = !parsed.ok()       ? parsed.status()
                    : parsed->exit_now ? absl::StatusOr<std::string>(parsed->text)
                                       : run(options);
  if (!text.ok()) {
    std::fprintf(stderr, "binlogctl: %s\n", std::string(sluice::message_of(text.status())).c_str());
    return static_cast<int>(sluice::exit_code(text.status().code()));
  }
  std::fputs(text->c_str(), stdout);
  return static_cast<int>(ExitCode::done);
}
