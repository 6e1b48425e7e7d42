// The recorded corpora (tests/data/README.md) as transactions in commit order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "base/tso.h"

namespace sluice::drainer::sinks::file {

struct RecordedTransaction {
  StartTs start_ts;
  CommitTs commit_ts;
  std::shared_ptr<const std::string> payload;  // the prewrite's binlog
};

// Merges the pumps' recorded messages: each prewrite with its commit, rolled back ones left out.
[[nodiscard]] absl::StatusOr<std::vector<RecordedTransaction>> read_recorded(const std::string& folder);

// A zstd file, decompressed.
[[nodiscard]] absl::StatusOr<std::string> read_zstd_file(const std::string& path);

}  // namespace sluice::drainer::sinks::file
