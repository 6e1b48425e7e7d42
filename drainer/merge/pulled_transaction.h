// One committed transaction as it came from a pump, before anything looked into its payload.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/record.h"
#include "base/tso.h"

namespace sluice::drainer::merge {

struct PulledTransaction {
  StartTs start_ts{};
  CommitTs commit_ts{};
  PayloadFormat format = PayloadFormat::none;
  std::shared_ptr<const std::string> payload{};
  uint64_t wire_bytes = 0;  // of its records, padding included: what is given back to the pump as credit
};

}  // namespace sluice::drainer::merge
