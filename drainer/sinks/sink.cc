#include "drainer/sinks/sink.h"

#include <string>

#include <absl/strings/cord.h>

namespace sluice::drainer::sinks {

namespace {

constexpr char kRewindPayload[] = "sluice/rewind";

}  // namespace

absl::Status rewind_error(std::string_view message) {
  absl::Status status = absl::AbortedError(std::string(message));
  status.SetPayload(kRewindPayload, absl::Cord("1"));
  return status;
}

bool asks_for_rewind(const absl::Status& status) {
  return status.GetPayload(kRewindPayload).has_value();
}

}  // namespace sluice::drainer::sinks
