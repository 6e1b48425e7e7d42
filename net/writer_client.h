// The C++ pump client: pipelined, durable writes to one pump.
// Contract: `done` runs once per record, OK only after the pump has made it durable; in sequence order for OKs. Records are
//           appended in the order of write() calls. A lost connection is re-made with backoff and everything un-acked is sent
//           again in order; the pump is idempotent by start ts and commit ts.
// Threads:  everything on the loop's thread, callbacks too.
// Errors:   a NACK that may not be retried ends its record with FAILED_PRECONDITION (or ABORTED) and the pump's text;
//           a refusal (wrong cluster, version) ends all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <absl/status/status.h>

#include "base/record.h"
#include "net/event_loop.h"
#include "net/service.h"

namespace sluice::net {

struct WriterClientOptions {
  std::string address;
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

  [[nodiscard]] virtual uint64_t unacked_bytes() const = 0;
  // Says goodbye once everything is acked; `done` then.
  virtual void finish(Done done) = 0;
  [[nodiscard]] virtual uint64_t reconnects() const = 0;
};

}  // namespace sluice::net
