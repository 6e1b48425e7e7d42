// Decides which records the log takes, pairs prewrites with their commits, and raises the resolved ts
// (docs/architecture.md). Each record is seen twice: admit() in append order, before the log takes it; durable() in log
// order, after. Replay feeds the same two steps, so what a restart rebuilds is by construction what was there (ADR 2).
// Contract: entries leave advance() in strictly ascending commit ts (INV-2); none is at or below a ts that was
//           published before it (INV-3); each committed transaction leaves exactly once.
// Threads:  one; no I/O, no clock.
// Owns:     the open transactions, the commits above the resolved ts, and the recently settled start ts's. Borrows the
//           index that its entries go to: it recognises repeated commits of any age there.
// Limits:   SorterOptions::settled_remembered. A repeated prewrite older than that opens again as a stale copy: its
//           (repeated) commit closes it without an entry.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include "base/log_position.h"
#include "base/record.h"
#include "base/tso.h"
#include "net/native/service.h"
#include "storage/tso_index.h"

namespace sluice::pump {

struct Admission {
  enum class Verdict : uint8_t {
    accept,  // append it
    absorb,  // nothing to append: acked once everything admitted before it is durable
    refuse,
  };
  Verdict verdict = Verdict::accept;
  net::NackReason reason = net::NackReason::bad_record;  // of a refusal
  std::string text;                                      // of a refusal: names the values

  [[nodiscard]] bool accepted() const { return verdict == Verdict::accept; }
};

struct SorterOptions {
  size_t settled_remembered = 1u << 18;
};

struct SorterCounters {
  uint64_t prewrites = 0, commits = 0, rollbacks = 0;  // durable ones
  uint64_t absorbed = 0, refused = 0, stale_copies = 0;
  uint64_t strays = 0;  // copies closed because another pump has the transaction
};

class Sorter {
 public:
  explicit Sorter(const storage::TsoIndex& index, SorterOptions options = {});

  // The next record in append order. Decision records are admitted too: who may send them is the caller's to check.
  [[nodiscard]] Admission admit(const RecordHeader& header);
  // The log took (keep) or did not take (withdraw) what was accepted since the last of these two calls. No durable() or
  // advance() may come between.
  void keep() { undo_.clear(); }
  void withdraw();

  // The next accepted record in log order. For a part, `position` is that part's.
  void durable(LogPosition position, const RecordHeader& header);
  // Raises the resolved ts to what the durable records allow and returns the transactions that it passed. The caller
  // appends them to the index before the next admit().
  [[nodiscard]] std::vector<storage::OrderEntry> advance();
  // An oracle's answer, asked for after everything settled so far had settled: resolves an idle pump. False, and
  // nothing changes, while a transaction is open (its commit ts may lie below `ts`).
  bool publish(Tso ts);
  // A published answer above everything in the log: a PROGRESS record of it must be admitted before the next record
  // that completes a prewrite, so that the prewrite's bound covers it after a restart too (INV-3).
  [[nodiscard]] std::optional<Tso> unpersisted_publish() const;

  // What may be told to pullers: max(R, published oracle answers).
  [[nodiscard]] ResolvedTs resolved() const { return published_; }
  [[nodiscard]] Tso largest_durable() const { return durable_largest_; }  // W
  [[nodiscard]] bool nothing_admitted() const { return admitted_largest_ == Tso(); }

  // The decision record that "the transaction committed at `commit`", said by whoever knows, asks for: a decided
  // commit, or a stray when `commit` is not above the bound, since then it went through another pump. Nothing: it isn't
  // open.
  [[nodiscard]] std::optional<RecordHeader> decision_for(StartTs start, CommitTs commit) const;

  struct Blocker {
    StartTs start;
    Tso bound;
  };
  // What holds the resolved ts down.
  [[nodiscard]] std::optional<Blocker> blocker() const;
  // No transaction is between the admission of its prewrite and the durability of its end. Sets of parts that aren't
  // complete don't count: they have no ack.
  [[nodiscard]] bool nothing_admitted_is_open() const;
  [[nodiscard]] size_t open_count() const { return open_.size(); }
  // Admitted and not yet ended durably: the open ones, those on their way to the disk, those whose end is.
  [[nodiscard]] size_t unfinished_count() const { return transactions_.size(); }
  [[nodiscard]] bool is_unfinished(StartTs start) const { return transactions_.contains(start.value); }
  [[nodiscard]] size_t pending_count() const { return pending_.size(); }
  [[nodiscard]] const SorterCounters& counters() const { return counters_; }

 private:
  enum class Outcome : uint8_t { undecided, committed, rolled_back, aborted, stray };

  // One transaction from the admission of its prewrite (or first part) until its end is durable.
  struct Transaction {
    // As admitted.
    Tso bound{};               // B(P)
    uint64_t whole_hash = 0;   // of the whole payload
    uint32_t whole_bytes = 0;  // of a prewrite in parts
    uint32_t part_end = 0;     // parts admitted so far
    bool complete = false;     // the prewrite is in its place
    bool stale = false;        // its commit is in order already: this one only closes the copy
    Outcome outcome = Outcome::undecided;
    uint64_t commit_ts = 0;
    // As durable.
    LogPosition position{};
    uint64_t prewrite_bytes = 0;
  };
  struct Pending {
    StartTs start{};
    LogPosition prewrite{};
    uint64_t prewrite_bytes = 0;
    bool durable = false;
  };
  struct Settled {
    Outcome outcome{};
    uint64_t commit_ts = 0;
    uint64_t whole_hash = 0;
  };
  struct Undo {
    uint64_t start;
    std::optional<Transaction> before{};
    uint64_t pending_commit_ts;  // inserted with the record; 0: none
    Tso largest_before;
  };

  Admission decide(const RecordHeader& header);
  Admission admit_prewrite(const RecordHeader& header);
  Admission admit_part(const RecordHeader& header);
  Admission admit_commit(const RecordHeader& header);
  Admission admit_close(const RecordHeader& header);
  Admission admit_progress(const RecordHeader& header);
  // What a prewrite that is in its place, or of an ended transaction, gets; nothing when it is new here.
  [[nodiscard]] std::optional<Admission> judge_repeated_prewrite(const RecordHeader& header) const;
  [[nodiscard]] Admission judge_commit_without_prewrite(StartTs start, CommitTs commit) const;
  [[nodiscard]] Admission judge_second_end(const RecordHeader& header, Outcome outcome, uint64_t commit_ts) const;
  [[nodiscard]] bool is_ordered(StartTs start, CommitTs commit) const;
  [[nodiscard]] std::optional<StartTs> owner_of(CommitTs commit) const;
  void complete_prewrite(Transaction& transaction);
  // Remembers how to take back what is about to be accepted for `start`, and folds its timestamps into W.
  void accept(const RecordHeader& header, uint64_t pending_commit_ts = 0);

  void durable_prewrite(LogPosition position, const RecordHeader& header);
  void durable_end(const RecordHeader& header);
  void remember_settled(uint64_t start, Settled settled);

  const storage::TsoIndex& index_;
  const SorterOptions options_;
  absl::flat_hash_map<uint64_t, Transaction> transactions_;  // by start ts
  absl::btree_set<std::pair<Tso, uint64_t>> open_;           // B(P) and start ts of durable prewrites
  absl::btree_map<CommitTs, Pending> pending_;               // admitted commits above the resolved ts
  absl::flat_hash_map<uint64_t, Settled> settled_;
  std::deque<uint64_t> settled_order_;
  std::vector<Undo> undo_;
  Tso admitted_largest_;
  Tso durable_largest_;
  ResolvedTs resolved_;   // R, of the durable records alone
  ResolvedTs published_;  // never below R
  SorterCounters counters_;
};

}  // namespace sluice::pump
