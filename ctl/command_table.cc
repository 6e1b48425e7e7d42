#include "ctl/command.h"
#include "ctl/pumps_command.h"

namespace sluice::ctl {

std::span<const Command> commands() {
  static constexpr Command kCommands[] = {
      {.name = "pumps", .help = "the pumps, with state and position", .run = run_pumps},
  };
  return kCommands;
}

}  // namespace sluice::ctl
