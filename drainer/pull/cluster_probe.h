// Meets every pump before anything is pulled or written: which cluster and which log each is of, and how far the
// timestamps of all go. The SQL sink's progress row is named by the cluster, and a position above every timestamp
// can't be true.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "base/options.h"
#include "base/tso.h"
#include "net/native/service.h"

namespace sluice::net {
class EventLoop;
}

namespace sluice::drainer::pull {

struct ProbeOptions {
  StringList pumps;
  std::string drainer_name;
  // Who is waited for now, and why: "pump a:1 (connection refused)". Empty once all have answered. On the caller's
  // thread.
  std::function<void(std::string)> waits_for;
};

// Every pump's welcome, in the order of `pumps`; asks those that don't answer again until they do, and says so.
// Not on the loop's thread.
// Errors:   CANCELLED when `stop` becomes true, FAILED_PRECONDITION when a pump refuses.
[[nodiscard]] absl::StatusOr<std::vector<net::Welcome>> meet_pumps(net::EventLoop& loop, const ProbeOptions& options,
                                                                   const std::atomic<bool>& stop);

// No position of this cluster lies above it: in writer time the largest timestamp that any log has, else a fresh answer
// of the oracle. Nothing while nothing has been written, when any position may be true.
// Errors:   CANCELLED, or UNAVAILABLE when no pump gives timestamps out.
[[nodiscard]] absl::StatusOr<std::optional<CommitTs>> largest_position(net::EventLoop& loop,
                                                                       const ProbeOptions& options,
                                                                       const std::vector<net::Welcome>& welcomes,
                                                                       const std::atomic<bool>& stop);

}  // namespace sluice::drainer::pull
