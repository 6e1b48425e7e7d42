// One transaction as a pump serves it: a commit record, then its prewrite, whole or in parts.
// Errors:   DATA_LOSS for records that don't follow each other so, or a payload that is no prewrite of the commit's
//           transaction.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <absl/status/status.h>

#include "base/record.h"
#include "base/tso.h"

namespace sluice::probe {

class TransactionJoiner {
 public:
  using OnTransaction = std::function<absl::Status(CommitTs, StartTs, const std::string& payload)>;
  explicit TransactionJoiner(OnTransaction on_transaction) : on_transaction_(std::move(on_transaction)) {}
  [[nodiscard]] absl::Status add(const RecordView& record);

 private:
  OnTransaction on_transaction_;
  std::optional<RecordHeader> commit_;
  std::string payload_;
};

// {"commit_ts":…,"start_ts":…,"ddl_job_id":…,"ddl":…,"prewrite_bytes":…,"prewrite_sha1":…}, as in
// tests/data/*/pump-N.pulled.jsonl.
[[nodiscard]] absl::StatusOr<std::string> describe(CommitTs commit, StartTs start, const std::string& payload);

}  // namespace sluice::probe
