// What the pump knows of the oracle's time: which source the cluster has, the newest answer, and calls for fresher
// ones.
// Contract: each ask() gets an answer that was requested after it; asks that wait share one call.
// Threads:  the event loop's.
// Owns:     nothing. Borrows the DataFolder, which keeps the decision, and the oracle, if any.
#pragma once

#include <functional>
#include <vector>

#include <absl/status/status.h>

#include "base/tso.h"
#include "pump/state/data_folder.h"
#include "pump/time/oracle.h"

namespace sluice::pump {

class Timekeeper {
 public:
  // `oracle` may be null: writer time, known beforehand.
  Timekeeper(DataFolder& folder, Oracle* oracle) : folder_(folder), oracle_(oracle) {}

  [[nodiscard]] net::TimeSource source() const { return folder_.meta().time; }
  // False in writer time, and while nothing is decided: then only records tell time.
  [[nodiscard]] bool has_oracle() const;
  // Whether a writer that declares `declared` in its hello may stay; decides nothing. FAILED_PRECONDITION when the
  // source is another, or writer time is asked of a pump with records in its log.
  [[nodiscard]] absl::Status check(net::TimeSource declared, bool log_is_empty) const;
  // A record of such a writer comes: decides an undecided source durably, writer time if that was declared, else
  // embedded.
  [[nodiscard]] absl::Status settle(net::TimeSource declared, bool log_is_empty);

  [[nodiscard]] Tso newest() const { return newest_; }
  // May answer before it returns; then newest() has been raised. Not to be called without an oracle.
  void ask(std::function<void(const absl::StatusOr<Tso>&)> then);
  // Timestamps for a client. UNIMPLEMENTED without an oracle.
  void take(uint32_t count, Oracle::Answer answer);

 private:
  void call();

  DataFolder& folder_;
  Oracle* oracle_;
  Tso newest_;
  bool calling_ = false;
  std::vector<std::function<void(const absl::StatusOr<Tso>&)>> waiting_;
};

}  // namespace sluice::pump
