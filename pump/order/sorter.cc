#include "pump/order/sorter.h"

#include <algorithm>

#include "base/assert.h"

namespace sluice::pump {
namespace {

using net::NackReason;

Admission refuse(NackReason reason, std::string text) {
  return {.verdict = Admission::Verdict::refuse, .reason = reason, .text = std::move(text)};
}

Admission accepted() {
  return {};
}
Admission absorbed() {
  return {.verdict = Admission::Verdict::absorb, .text = {}};
}

bool commits(RecordKind kind) {
  return kind == RecordKind::commit || kind == RecordKind::decided_commit;
}

uint64_t payload_hash(const RecordHeader& header) {
  return header.kind == RecordKind::prewrite_part ? header.whole_hash : header.body_hash;
}

// The largest timestamp that a record carries. A stray's commit ts belongs to another pump's copy, yet was given out.
Tso largest_of(const RecordHeader& header) {
  return Tso(std::max(header.start_ts, header.commit_ts));
}

}  // namespace

Sorter::Sorter(const storage::TsoIndex& index, SorterOptions options) : index_(index), options_(options) {}

Admission Sorter::admit(const RecordHeader& header) {
  Admission admission = decide(header);
  if (admission.verdict == Admission::Verdict::absorb) ++counters_.absorbed;
  if (admission.verdict == Admission::Verdict::refuse) ++counters_.refused;
  return admission;
}

Admission Sorter::decide(const RecordHeader& header) {
  switch (header.kind) {
    case RecordKind::prewrite:
      return admit_prewrite(header);
    case RecordKind::prewrite_part:
      return admit_part(header);
    case RecordKind::commit:
    case RecordKind::decided_commit:
      return admit_commit(header);
    case RecordKind::rollback:
    case RecordKind::decided_rollback:
    case RecordKind::stray:
    case RecordKind::abort:
      return admit_close(header);
    case RecordKind::progress:
      return admit_progress(header);
  }
  return refuse(NackReason::bad_record, fmt::format("record kind {} is unknown here", static_cast<int>(header.kind)));
}

void Sorter::accept(const RecordHeader& header, uint64_t pending_commit_ts) {
  const auto found = transactions_.find(header.start_ts);
  undo_.push_back({.start = header.start_ts,
                   .before = found == transactions_.end() ? std::nullopt : std::optional(found->second),
                   .pending_commit_ts = pending_commit_ts,
                   .largest_before = admitted_largest_});
  admitted_largest_ = std::max(admitted_largest_, largest_of(header));
}

void Sorter::withdraw() {
  for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) {
    if (undo->pending_commit_ts != 0) pending_.erase(CommitTs(undo->pending_commit_ts));
    if (undo->before)
      transactions_[undo->start] = *undo->before;
    else
      transactions_.erase(undo->start);
    admitted_largest_ = undo->largest_before;
  }
  undo_.clear();
}

std::optional<Admission> Sorter::judge_repeated_prewrite(const RecordHeader& header) const {
  Outcome outcome = Outcome::undecided;
  uint64_t hash = 0;
  if (const auto found = transactions_.find(header.start_ts); found != transactions_.end()) {
    // An incomplete set has no ack: it goes on, or gives way to another payload. One that was given up is settled.
    if (!found->second.complete && found->second.outcome == Outcome::undecided) return std::nullopt;
    outcome = found->second.outcome;
    hash = found->second.whole_hash;
  } else if (const auto settled = settled_.find(header.start_ts); settled != settled_.end()) {
    outcome = settled->second.outcome;
    hash = settled->second.whole_hash;
  } else {
    return std::nullopt;
  }
  if (outcome == Outcome::aborted)
    return refuse(NackReason::aborted,
                  fmt::format("transaction {} was aborted here; write it again with a new start ts", header.start_ts));
  if (hash == payload_hash(header)) return absorbed();
  return refuse(NackReason::bad_record,
                fmt::format("transaction {} has a payload with hash {:016x} here, one with hash {:016x} came; a "
                            "prewrite is repeated as it was, another transaction takes a new start ts",
                            header.start_ts, hash, payload_hash(header)));
}

void Sorter::complete_prewrite(Transaction& transaction) {
  SLUICE_ASSERT(!unpersisted_publish(), "published={} admitted={}", published_, admitted_largest_);  // INV-3
  transaction.complete = true;
  transaction.bound = admitted_largest_;  // accept() has folded the start ts in
}

Admission Sorter::admit_prewrite(const RecordHeader& header) {
  if (auto repeated = judge_repeated_prewrite(header)) return *std::move(repeated);
  accept(header);
  Transaction& transaction = transactions_[header.start_ts];
  transaction = {.whole_hash = payload_hash(header)};  // parts of an earlier attempt are superseded
  complete_prewrite(transaction);
  return accepted();
}

Admission Sorter::admit_part(const RecordHeader& header) {
  const auto found = transactions_.find(header.start_ts);
  const bool known = found != transactions_.end();
  if (auto repeated = judge_repeated_prewrite(header)) return *std::move(repeated);

  const bool same =
      known && found->second.whole_hash == header.whole_hash && found->second.whole_bytes == header.whole_bytes;
  // A writer that lost its connection sends again what wasn't acked; what the log has of the same payload stands.
  if (same && header.part_offset < found->second.part_end) return absorbed();
  const uint32_t expected = same ? found->second.part_end : 0;
  if (header.part_offset != expected)
    return refuse(
        NackReason::bad_record,
        fmt::format("transaction {}: a part at offset {} came, the next is at {}; send it again from its first part",
                    header.start_ts, header.part_offset, expected));
  accept(header);
  Transaction& transaction = transactions_[header.start_ts];
  if (header.part_offset == 0) transaction = {.whole_hash = header.whole_hash, .whole_bytes = header.whole_bytes};
  transaction.part_end = header.part_offset + header.body_bytes;
  if (header.completes_prewrite()) complete_prewrite(transaction);
  return accepted();
}

std::optional<StartTs> Sorter::owner_of(CommitTs commit) const {
  if (const auto found = pending_.find(commit); found != pending_.end()) return found->second.start;
  if (const auto entry = index_.find(commit)) return entry->start_ts;
  return std::nullopt;
}

bool Sorter::is_ordered(StartTs start, CommitTs commit) const {
  return owner_of(commit) == start;
}

Admission Sorter::judge_second_end(const RecordHeader& header, Outcome outcome, uint64_t commit_ts) const {
  const bool same_commit = commit_ts == header.commit_ts;
  if (commits(header.kind)) {
    if (outcome == Outcome::aborted || outcome == Outcome::rolled_back)
      return refuse(NackReason::aborted,
                    fmt::format("transaction {} was {} here; its commit at {} cannot take effect", header.start_ts,
                                outcome == Outcome::aborted ? "aborted" : "rolled back", header.commit_ts));
    if (same_commit) return absorbed();  // of a stray too: another pump has it, at this ts
    return refuse(NackReason::bad_record,
                  fmt::format("transaction {} has committed at {}{}; a commit at {} came", header.start_ts, commit_ts,
                              outcome == Outcome::stray ? " through another pump" : "", header.commit_ts));
  }
  // Both pumps emit it then, with the same two timestamps, and the merge takes it once.
  if (header.kind == RecordKind::stray && (outcome != Outcome::committed || same_commit)) return absorbed();
  if (outcome != Outcome::committed) return absorbed();
  return refuse(NackReason::bad_record,
                fmt::format("transaction {} has committed at {}; {} came", header.start_ts, commit_ts,
                            header.kind == RecordKind::stray
                                ? fmt::format("a stray, committed at {} elsewhere,", header.commit_ts)
                                : "a rollback"));
}

Admission Sorter::judge_commit_without_prewrite(StartTs start, CommitTs commit) const {
  if (is_ordered(start, commit)) return absorbed();
  const auto found = transactions_.find(start.value);
  if (found != transactions_.end())
    return refuse(NackReason::unknown_prewrite,
                  fmt::format("commit {} of transaction {}: only {} of {} bytes of its prewrite have come", commit,
                              start, found->second.part_end, found->second.whole_bytes));
  return refuse(NackReason::unknown_prewrite,
                fmt::format("commit {} of transaction {}: its prewrite never came to this pump", commit, start));
}

Admission Sorter::admit_commit(const RecordHeader& header) {
  const StartTs start(header.start_ts);
  const CommitTs commit(header.commit_ts);
  const auto found = transactions_.find(start.value);
  if (found == transactions_.end() || !found->second.complete) {
    if (const auto settled = settled_.find(start.value); settled != settled_.end())
      return judge_second_end(header, settled->second.outcome, settled->second.commit_ts);
    return judge_commit_without_prewrite(start, commit);
  }
  Transaction& transaction = found->second;
  if (transaction.outcome != Outcome::undecided)
    return judge_second_end(header, transaction.outcome, transaction.commit_ts);

  const std::optional<StartTs> owner = owner_of(commit);
  if (owner && *owner != start)
    return refuse(NackReason::bad_record,
                  fmt::format("commit ts {} of transaction {} is transaction {}'s", commit, start, *owner));
  const bool stale = owner.has_value();
  if (const Tso floor = std::max(transaction.bound, any_ts(published_)); !stale && any_ts(commit) <= floor)
    return refuse(NackReason::commit_too_low, fmt::format("commit ts {} of transaction {} is not above {}: take the "
                                                          "commit ts from the oracle after the prewrite's ack",
                                                          commit, start, floor));
  accept(header, stale ? 0 : commit.value);
  if (!stale) pending_.emplace(commit, Pending{.start = start});
  transaction.stale = stale;
  transaction.outcome = Outcome::committed;
  transaction.commit_ts = commit.value;
  return accepted();
}

Admission Sorter::admit_close(const RecordHeader& header) {
  const auto found = transactions_.find(header.start_ts);
  if (found == transactions_.end()) {
    const auto settled = settled_.find(header.start_ts);
    // Of a prewrite that never came, or was settled long ago: there is nothing to close.
    if (settled == settled_.end()) return absorbed();
    return judge_second_end(header, settled->second.outcome, settled->second.commit_ts);
  }
  Transaction& transaction = found->second;
  if (transaction.outcome != Outcome::undecided)
    return judge_second_end(header, transaction.outcome, transaction.commit_ts);
  accept(header);
  switch (header.kind) {
    case RecordKind::abort:
      transaction.outcome = Outcome::aborted;
      break;
    case RecordKind::stray:
      transaction.outcome = Outcome::stray;
      transaction.commit_ts = header.commit_ts;
      break;
    default:
      transaction.outcome = Outcome::rolled_back;
  }
  return accepted();
}

Admission Sorter::admit_progress(const RecordHeader& header) {
  if (Tso(header.start_ts) <= admitted_largest_) return absorbed();
  // No transaction has this ts as its start; accept() finds none, and withdraw() only takes W back.
  undo_.push_back({.start = 0, .before = std::nullopt, .pending_commit_ts = 0, .largest_before = admitted_largest_});
  admitted_largest_ = Tso(header.start_ts);
  return accepted();
}

void Sorter::durable(LogPosition position, const RecordHeader& header) {
  SLUICE_ASSERT(undo_.empty(), "records were neither kept nor withdrawn, count={}", undo_.size());
  durable_largest_ = std::max(durable_largest_, largest_of(header));
  if (header.is_payload())
    durable_prewrite(position, header);
  else if (header.kind != RecordKind::progress)
    durable_end(header);
}

void Sorter::durable_prewrite(LogPosition position, const RecordHeader& header) {
  const auto found = transactions_.find(header.start_ts);
  SLUICE_ASSERT(found != transactions_.end(), "start_ts={} position={}", header.start_ts, position);
  Transaction& transaction = found->second;
  if (header.kind == RecordKind::prewrite || (header.flags & kPartFirst) != 0) {
    transaction.position = position;
    transaction.prewrite_bytes = 0;
  }
  transaction.prewrite_bytes += header.record_bytes();
  if (!header.completes_prewrite()) return;
  open_.emplace(transaction.bound, header.start_ts);
  ++counters_.prewrites;
}

void Sorter::durable_end(const RecordHeader& header) {
  const auto found = transactions_.find(header.start_ts);
  SLUICE_ASSERT(found != transactions_.end(), "start_ts={}", header.start_ts);
  const Transaction& transaction = found->second;
  if (transaction.complete) {
    const size_t closed = open_.erase({transaction.bound, header.start_ts});
    SLUICE_ASSERT(closed == 1, "start_ts={} bound={}", header.start_ts, transaction.bound);
  }
  if (transaction.outcome == Outcome::committed) {
    ++counters_.commits;
    if (transaction.stale) {
      ++counters_.stale_copies;
    } else {
      Pending& pending = pending_.at(CommitTs(header.commit_ts));
      pending.prewrite = transaction.position;
      pending.prewrite_bytes = transaction.prewrite_bytes;
      pending.durable = true;
    }
  } else if (transaction.outcome == Outcome::stray) {
    ++counters_.strays;
  } else {
    ++counters_.rollbacks;
  }
  remember_settled(
      header.start_ts,
      {.outcome = transaction.outcome, .commit_ts = transaction.commit_ts, .whole_hash = transaction.whole_hash});
  transactions_.erase(found);
}

void Sorter::remember_settled(uint64_t start, Settled settled) {
  if (!settled_.insert_or_assign(start, settled).second) return;
  settled_order_.push_back(start);
  if (settled_order_.size() <= options_.settled_remembered) return;
  settled_.erase(settled_order_.front());
  settled_order_.pop_front();
}

std::vector<storage::OrderEntry> Sorter::advance() {
  const ResolvedTs resolved(open_.empty() ? durable_largest_.value : open_.begin()->first.value);
  SLUICE_ASSERT(resolved >= resolved_, "resolved={} before={}", resolved, resolved_);  // INV-3
  resolved_ = resolved;
  std::vector<storage::OrderEntry> entries;
  auto next = pending_.begin();
  for (; next != pending_.end() && any_ts(next->first) <= any_ts(resolved_); ++next) {
    const Pending& pending = next->second;
    SLUICE_ASSERT(pending.durable, "commit_ts={} resolved={}", next->first, resolved_);  // INV-4
    SLUICE_ASSERT(any_ts(next->first) > any_ts(published_), "commit_ts={} published={}", next->first,
                  published_);  // INV-3
    entries.push_back({.commit_ts = next->first,
                       .start_ts = pending.start,
                       .prewrite = pending.prewrite,
                       .prewrite_bytes = pending.prewrite_bytes});
  }
  pending_.erase(pending_.begin(), next);
  published_ = std::max(published_, resolved_);
  return entries;
}

bool Sorter::publish(Tso ts) {
  // Prewrites that aren't durable yet count as open: a careless writer may have sent their commit already.
  if (!nothing_admitted_is_open()) return false;
  published_ = std::max(published_, ResolvedTs(ts.value));
  return true;
}

std::optional<Tso> Sorter::unpersisted_publish() const {
  if (any_ts(published_) <= admitted_largest_) return std::nullopt;
  return any_ts(published_);
}

std::optional<RecordHeader> Sorter::decision_for(StartTs start, CommitTs commit) const {
  const auto found = transactions_.find(start.value);
  if (found == transactions_.end() || !found->second.complete || found->second.outcome != Outcome::undecided)
    return std::nullopt;
  const bool here = any_ts(commit) > std::max(found->second.bound, any_ts(published_));
  return RecordHeader{.kind = here ? RecordKind::decided_commit : RecordKind::stray,
                      .start_ts = start.value,
                      .commit_ts = commit.value};
}

bool Sorter::nothing_admitted_is_open() const {
  return open_.empty() &&
         std::none_of(transactions_.begin(), transactions_.end(), [](const auto& t) { return t.second.complete; });
}

std::optional<Sorter::Blocker> Sorter::blocker() const {
  if (open_.empty()) return std::nullopt;
  return Blocker{.start = StartTs(open_.begin()->second), .bound = open_.begin()->first};
}

}  // namespace sluice::pump
