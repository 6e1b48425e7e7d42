// Asks the pumps which cluster they are of, before anything is pulled: the SQL sink's progress row is named by it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

#include "base/options.h"

namespace sluice::net {
class EventLoop;
}

namespace sluice::drainer {

// The answer of the first pump that gives one; asks until then, and says once what it waits for. Not on the loop's
// thread.
// Errors:   CANCELLED when `stop` becomes true, FAILED_PRECONDITION when a pump refuses.
[[nodiscard]] absl::StatusOr<uint64_t> ask_cluster_id(net::EventLoop& loop, const StringList& pumps,
                                                      const std::string& drainer_name, const std::atomic<bool>& stop);

}  // namespace sluice::drainer
