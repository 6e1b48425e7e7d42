// binlogctl's options: TiDB-Binlog's flags as they are (one dash or two), and --addr and --json beside them.
#pragma once

#include <string>

#include "base/options.h"

namespace sluice::ctl {

struct CtlOptions {
  std::string command{};  // -cmd
  std::string addr{};     // one node, without a registry
  std::string pd_urls{};  // not yet
  std::string node_id{};  // not yet: commands that change one node of a registry
  bool json = false;
};

[[nodiscard]] OptionTable ctl_option_table(CtlOptions& options);

}  // namespace sluice::ctl
