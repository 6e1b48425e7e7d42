// Whether pumps serve exactly what `loadgen write` of a seed wrote: nothing lost, repeated, reordered or altered. Pure.
//
// A worker takes the commit timestamps of its transactions in the order of their sequences, and writes to one pump; so
// whatever the interleaving, its sequences must come as 1, 2, 3 … with ascending commit timestamps, up to the count
// that its summary, the last it wrote, names. A pump's own stream must ascend, and nothing may lie at or below a
// resolved timestamp that came before it (INV-2, INV-3). So no merge is needed, and memory is a few words a worker.
//
// Contract: every fault is counted; the first kFaultsKept are told in words.
// Threads:  one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/tso.h"
#include "tools/loadgen/content.h"

namespace sluice::loadgen {

enum class FaultKind : uint8_t {
  lost,        // written and acked, and not served
  repeated,    // served twice
  reordered,   // served out of the order of commit timestamps, or after it was resolved
  altered,     // other bytes, or other timestamps, than were written; or one that was never committed
  unfinished,  // the write itself didn't end well, so nobody knows what there should be
};
[[nodiscard]] std::string_view to_string(FaultKind kind);

struct Fault {
  FaultKind kind{};
  std::string text;
};

struct RunSummary {
  uint64_t run = 0;
  uint64_t workers = 0;
  uint64_t transactions = 0;  // served
  uint64_t rolled_back = 0;   // written, by the summaries
  uint64_t open = 0;
};

class RunChecker {
 public:
  static constexpr size_t kFaultsKept = 20;

  RunChecker(uint64_t seed, std::vector<std::string> pumps);

  // Whose it is, when it is this seed's and unaltered.
  std::optional<PayloadHeader> on_transaction(size_t pump, CommitTs commit, StartTs start, ByteSpan payload);
  void on_resolved(size_t pump, ResolvedTs ts);
  void on_gap(size_t pump, std::string_view text);
  // Once all has been served: what is missing is lost.
  void finish();

  [[nodiscard]] uint64_t fault_count() const { return fault_count_; }
  [[nodiscard]] const std::vector<Fault>& faults() const { return faults_; }
  [[nodiscard]] const std::map<FaultKind, uint64_t>& fault_counts() const { return fault_counts_; }
  [[nodiscard]] uint64_t transactions() const { return transactions_; }
  [[nodiscard]] uint64_t payload_bytes() const { return payload_bytes_; }
  [[nodiscard]] uint64_t foreign() const { return foreign_; }  // not of this seed
  [[nodiscard]] std::vector<RunSummary> runs() const;          // by age

 private:
  struct Pump {
    std::string name;
    CommitTs last;
    ResolvedTs resolved;
  };
  struct Worker {
    size_t pump = 0;
    uint64_t served = 0;
    uint64_t next = 1;
    std::map<uint64_t, uint64_t> missing;  // sequences skipped so far: first to last
    CommitTs last_commit;
    uint64_t fold = 0;
    uint64_t faults = 0;
    bool has_summary = false;
    Summary summary;
  };
  using Workers = std::map<uint16_t, Worker>;

  void check_place(size_t pump, CommitTs commit);
  void take(Worker& worker, const PayloadHeader& header, CommitTs commit, const std::string& who);
  void take_summary(Worker& worker, ByteSpan payload, const std::string& who);
  void take_skipped(Worker& worker, uint64_t sequence, const std::string& who);
  void finish_run(uint64_t run, Workers& workers);
  void finish_worker(Worker& worker, const std::string& who);
  void add_fault(FaultKind kind, std::string text, uint64_t times = 1);

  const Content content_;
  std::vector<Pump> pumps_;
  std::map<uint64_t, Workers> runs_;
  uint64_t transactions_ = 0;
  uint64_t payload_bytes_ = 0;
  uint64_t foreign_ = 0;
  uint64_t fault_count_ = 0;
  std::map<FaultKind, uint64_t> fault_counts_;
  std::vector<Fault> faults_;
};

}  // namespace sluice::loadgen
