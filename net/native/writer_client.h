// The C++ pump client: pipelined, durable writes to one pump.
// Contract: `done` runs once per call, OK only after the pump has made all its records durable; never from inside the
//           call. Records are sent in the order of the calls, and OKs come in that order but for steps that the pump
//           asked to retry: these go out again, after a pause, before anything not yet sent. A lost connection is
//           re-made with backoff and everything un-acked is sent again in order; the pump is idempotent by start ts and
//           commit ts.
// Threads:  connect() and the destructor from any thread, everything else on the loop's, callbacks too. After the
//           destructor nothing is called any more, so what wasn't acked by then is unknown.
// Limits:   un-acked bytes on the wire stay below the pump's window (one step may exceed it); beyond that steps wait
//           here: callers bound what they hand over by unacked_bytes().
// Errors:   a NACK that may not be retried ends its record with FAILED_PRECONDITION (or ABORTED) and the pump's text; a
//           refusal (wrong cluster, version) ends all.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <absl/status/status.h>

#include "base/record.h"
#include "net/loop/event_loop.h"
#include "net/native/service.h"

namespace sluice::net {

struct WriterClientOptions {
  std::string address{};
  uint64_t cluster_id = 0;
  std::string name = "writer";
  TimeSource time_source = TimeSource::unspecified;
  std::chrono::milliseconds backoff_min{20};
  std::chrono::milliseconds backoff_max{1000};
  std::chrono::milliseconds give_up_after{0};  // of unreachability; 0: never
};

class WriterClient {
 public:
  using Done = std::function<void(const absl::Status&)>;

  [[nodiscard]] static std::unique_ptr<WriterClient> connect(WriterClientOptions options, EventLoop& loop);
  virtual ~WriterClient() = default;

  // One transaction step each, encoded with base/record.h; a large prewrite may be several parts, acked as one.
  virtual void prewrite(StartTs start, PayloadFormat format, ByteSpan payload, Done done) = 0;
  virtual void commit(StartTs start, CommitTs commit, Done done) = 0;
  virtual void rollback(StartTs start, Done done) = 0;
  virtual void progress(Tso ts, Done done) = 0;
  // Tells a pump that may hold this transaction's prewrite, unacked, that it committed through another pump.
  virtual void stray(StartTs start, CommitTs commit, Done done) = 0;

  [[nodiscard]] virtual uint64_t unacked_bytes() const = 0;
  // Says goodbye once everything is acked; `done` once the pump answered. No further steps after it.
  virtual void finish(Done done) = 0;
  [[nodiscard]] virtual uint64_t reconnects() const = 0;
  // Why nothing gets through right now: what the pump asked to retry for, or why it can't be reached. Else empty.
  [[nodiscard]] virtual std::string standstill() const = 0;
};

}  // namespace sluice::net
