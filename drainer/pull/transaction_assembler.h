// Turns the runs of one pull session into whole transactions: pairs each commit record with the prewrite that follows
// it and joins the parts of large payloads.
// Contract: payload bytes are copied once, from the run into the transaction's own string, and handed on shared.
// Threads:  one.
// Errors:   DATA_LOSS for a record out of place, a prewrite of another transaction, parts that don't join or whose
//           whole doesn't hash to what the writer said (INV-11). Final: the session is to be closed.
// Format:   docs/formats/record.md; order within a session: net/native/pull_client.h
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <absl/status/status.h>

#include "base/record.h"
#include "drainer/merge/pulled_transaction.h"

namespace sluice::drainer::pull {

class TransactionAssembler {
 public:
  using Emit = std::function<absl::Status(merge::PulledTransaction)>;

  // Feeds a run whose record hashes are verified already; a transaction may span runs.
  [[nodiscard]] absl::Status feed(ByteSpan run, const Emit& emit);

  // A transaction has begun and isn't whole yet.
  [[nodiscard]] bool is_partial() const { return commit_ts_.value != 0; }
  // Forgets it: the session is lost, the next one sends it again from its start.
  void reset();

 private:
  [[nodiscard]] absl::Status take(const RecordView& record, const Emit& emit);
  [[nodiscard]] absl::Status begin(const RecordView& record);
  [[nodiscard]] absl::Status append_part(const RecordView& record);
  [[nodiscard]] absl::Status finish(PayloadFormat format, const Emit& emit);

  StartTs start_ts_;
  CommitTs commit_ts_;  // 0: between transactions
  std::shared_ptr<std::string> payload_;
  uint64_t wire_bytes_ = 0;
};

}  // namespace sluice::drainer::pull
