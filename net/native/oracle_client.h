// Timestamps and the cluster id from another pump, for a pump that runs with --oracle HOST:PORT.
// Contract: `done` runs once per fetch, never from inside it; answers are fresh: given out after the fetch was called.
//           A lost connection is re-made with backoff and what is unanswered is asked again.
// Threads:  open() and the destructor from any thread, everything else on the loop's, callbacks too. After the
//           destructor nothing is called any more.
// Errors:   DEADLINE_EXCEEDED after `timeout`, with the reason the oracle can't be reached; FAILED_PRECONDITION when it
//           refuses us, then and for every later fetch.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "base/tso.h"
#include "net/loop/event_loop.h"
#include "net/native/service.h"

namespace sluice::net {

struct OracleClientOptions {
  std::string address{};
  uint64_t cluster_id = 0;  // 0: any
  std::string name = "pump";
  std::chrono::milliseconds timeout{5'000};
  std::chrono::milliseconds backoff_min{20};
  std::chrono::milliseconds backoff_max{1'000};
  std::function<void(const Welcome&)> on_welcome{};  // on each connection; the oracle's cluster id
};

// `count` timestamps from `first` on, consecutive.
struct TsoRange {
  Tso first;
  uint32_t count = 0;
};

class OracleClient {
 public:
  using Done = std::function<void(absl::StatusOr<TsoRange>)>;
  [[nodiscard]] static std::unique_ptr<OracleClient> open(OracleClientOptions options, EventLoop& loop);
  virtual ~OracleClient() = default;
  virtual void fetch(uint32_t count, Done done) = 0;
};

}  // namespace sluice::net
