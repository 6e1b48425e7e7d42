// One pull session with one pump: data and resolved timestamps in, byte credits out. Reconnecting is the caller's.
// Contract: runs and resolved timestamps arrive in the pump's order; every run's frame and record hashes are verified.
//           What was granted is all that is taken, whatever the pump sends: while there is no credit the connection
//           isn't read, and the run that uses it up overdraws it by less than kOverdrawBytesMax.
// Threads:  open() and the destructor from any thread, everything else on the loop's, callbacks too. After on_closed,
//           or after close() or the destructor, nothing is called any more.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <absl/status/status.h>

#include "base/tso.h"
#include "net/loop/event_loop.h"
#include "net/native/frame.h"
#include "net/native/service.h"

namespace sluice::net {

struct PullClientOptions {
  std::string address{};
  uint64_t cluster_id = 0;  // 0: any
  std::string name = "drainer";
  CommitTs after;
  uint64_t credit_bytes = 8u << 20;
};

struct PullEvents {
  std::function<void(const Welcome&)> on_welcome;
  // Per transaction: its commit record, then its prewrite record or parts. A transaction may span runs.
  std::function<void(std::string run)> on_data;
  std::function<void(ResolvedTs)> on_resolved;
  std::function<void(const Gap&)> on_gap;
  std::function<void(CommitTs)> on_end;
  std::function<void(const absl::Status&)> on_closed;  // FAILED_PRECONDITION: refused; retrying won't help
};

class PullClient {
 public:
  static constexpr uint64_t kOverdrawBytesMax = kBulkBodyBytesTarget;

  [[nodiscard]] static std::unique_ptr<PullClient> open(PullClientOptions options, EventLoop& loop, PullEvents events);
  virtual ~PullClient() = default;
  virtual void grant(uint64_t bytes) = 0;  // credit for what was consumed
  virtual void want(CommitTs ts) = 0;      // "I wait for your resolved ts to reach this"
  virtual void close() = 0;                // says goodbye; on_closed isn't called
};

}  // namespace sluice::net
