// What leaves the log: runs of records that are durable, told to whoever listens, and replayed when a log is opened.
#pragma once

#include <cstdint>
#include <functional>

#include <absl/status/status.h>

#include "base/bytes.h"
#include "base/log_position.h"

namespace sluice::storage {

// Whole records back to back, at consecutive positions from `position`; valid during the call.
struct DurableRun {
  LogPosition position;  // of the first record
  ByteSpan records;
};

// Appends get rising tickets from 1; "through ticket 7" means all appends up to and including the seventh.
using Ticket = uint64_t;

class LogListener {
 public:
  virtual ~LogListener() = default;
  // Once a durability event. `runs` in log order. All on the log thread: hand over and return.
  virtual void on_durable(const DurableRun& run, Ticket through) = 0;
  // Sticky: nothing after the last on_durable will become durable in this life of the log.
  virtual void on_failed(const absl::Status& why) = 0;
};

// Called with every durable run of a log, in log order, while it is opened; a status ends that.
using Replay = std::function<absl::Status(const DurableRun&)>;

}  // namespace sluice::storage
