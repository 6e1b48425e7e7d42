#include "ctl/ctl_options.h"

namespace sluice::ctl {

OptionTable ctl_option_table(CtlOptions& options) {
  OptionTable table;
  table.program = "binlogctl";
  table.summary = "Asks and steers the nodes of a binlog cluster.";
  table.has_config_file = false;
  table.options = {
      {.key = "", .flag = "cmd", .field = &options.command, .help = "what to do: pumps"},
      {.key = "", .flag = "addr", .field = &options.addr, .help = "HOST:PORT of one node, asked without a registry"},
      {.key = "",
       .flag = "pd-urls",
       .field = &options.pd_urls,
       .help = "PD endpoints with the registry",
       .supported = false},
      {.key = "", .flag = "node-id", .field = &options.node_id, .help = "the node of the registry", .supported = false},
      {.key = "", .flag = "json", .field = &options.json, .help = "print JSON, one document, to standard output"},
  };
  return table;
}

}  // namespace sluice::ctl
