// What a person does about a DDL that the server refuses: by its error number, because leaving a DDL out is the right
// advice only where the downstream can be made by hand what the DDL would have made it.
// Pure.
#pragma once

#include <string>

#include "base/tso.h"

namespace sluice::drainer::sinks::mysql {

// A sentence or two; `error`: the server's number, 0 without.
[[nodiscard]] std::string ddl_remedy(unsigned error, CommitTs commit_ts);

}  // namespace sluice::drainer::sinks::mysql
