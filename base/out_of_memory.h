// The end of a process whose memory has run out.
#pragma once

#include <string_view>

namespace sluice {

// From now on an allocation that fails ends the process: one clear log line, exit code 1. What was acked is durable
// whenever that happens, and a state after a half-done step is nothing to go on from.
void exit_when_out_of_memory(std::string_view program);

}  // namespace sluice
