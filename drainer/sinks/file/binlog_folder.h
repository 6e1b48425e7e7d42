// The folder of a file sink: which binlog files are there, where they end, and the repair of a torn end.
// Contract: repair cuts only bytes that no durable position covers: a write that a crash cut off, or records above
//           `at_least` that will be pulled again. Everything else is left as it is.
// Errors:   DATA_LOSS with file and offset for damage, and for an index that is missing between two others.
// Format:   docs/formats/binlog-file.md
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"

namespace sluice::drainer::sinks::file {

struct BinlogFile {
  uint64_t index = 0;
  std::string path;
};

// Ascending, consecutive indexes; other files are passed over.
[[nodiscard]] absl::StatusOr<std::vector<BinlogFile>> list_binlog_files(const std::string& folder);

struct BinlogEnd {
  CommitTs last;       // of the last record; 0 when there is none
  uint64_t bytes = 0;  // of the last file, repaired
};
// Reads the last file that has records, whole, and cuts a torn end off. `at_least`: what was said to be durable.
[[nodiscard]] absl::StatusOr<BinlogEnd> repair_binlog_end(const std::vector<BinlogFile>& files, CommitTs at_least);

}  // namespace sluice::drainer::sinks::file
