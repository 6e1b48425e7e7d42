#include "tools/loadgen/run_checker.h"

#include <algorithm>

#include "base/status.h"

namespace sluice::loadgen {

std::string_view to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::lost:
      return "lost";
    case FaultKind::repeated:
      return "repeated";
    case FaultKind::reordered:
      return "reordered";
    case FaultKind::altered:
      return "altered";
    case FaultKind::unfinished:
      return "unfinished";
  }
  return "unknown";
}

RunChecker::RunChecker(uint64_t seed, std::vector<std::string> pumps) : content_(seed) {
  for (std::string& name : pumps) pumps_.push_back({.name = std::move(name), .last = {}, .resolved = {}});
}

void RunChecker::add_fault(FaultKind kind, std::string text, uint64_t times) {
  fault_count_ += times;
  fault_counts_[kind] += times;
  if (faults_.size() < kFaultsKept) faults_.push_back({.kind = kind, .text = std::move(text)});
}

void RunChecker::check_place(size_t pump, CommitTs commit) {
  Pump& from = pumps_[pump];
  if (commit <= from.last)
    add_fault(FaultKind::reordered,
              fmt::format("{}: commit ts {} came after {}", from.name, commit, from.last));  // INV-2
  else if (commit.value <= from.resolved.value)
    add_fault(FaultKind::reordered, fmt::format("{}: commit ts {} came after {} was resolved", from.name, commit,
                                                from.resolved));  // INV-3
  from.last = std::max(from.last, commit);
}

void RunChecker::on_resolved(size_t pump, ResolvedTs ts) {
  pumps_[pump].resolved = std::max(pumps_[pump].resolved, ts);
}

void RunChecker::on_gap(size_t pump, std::string_view text) {
  add_fault(FaultKind::lost, fmt::format("{}: the pump itself reports a gap: {}", pumps_[pump].name, text));
}

std::optional<PayloadHeader> RunChecker::on_transaction(size_t pump, CommitTs commit, StartTs start, ByteSpan payload) {
  check_place(pump, commit);
  const auto header = content_.check(payload);
  if (absl::IsNotFound(header.status())) {
    ++foreign_;
    return std::nullopt;
  }
  ++transactions_;
  payload_bytes_ += payload.size();
  if (!header.ok()) {
    add_fault(FaultKind::altered, fmt::format("{}: transaction of commit ts {}: {}", pumps_[pump].name, commit,
                                              message_of(header.status())));
    return std::nullopt;
  }
  const std::string who = fmt::format("run {} worker {}", header->run, header->worker);
  auto [found, is_new] = runs_[header->run].try_emplace(header->worker);
  Worker& worker = found->second;
  if (is_new) worker.pump = pump;
  const uint64_t faults_before = fault_count_;
  if (worker.pump != pump)
    add_fault(FaultKind::altered,
              fmt::format("{}: served by {} and by {}", who, pumps_[worker.pump].name, pumps_[pump].name));
  if (header->start != start)
    add_fault(FaultKind::altered, fmt::format("{} transaction {}: served with start ts {}, written with {}", who,
                                              header->sequence, start, header->start));
  switch (header->kind) {
    case PayloadKind::transaction:
      take(worker, *header, commit, who);
      break;
    case PayloadKind::summary:
      take_summary(worker, payload, who);
      break;
    case PayloadKind::rolled_back:
      add_fault(FaultKind::altered, fmt::format("{}: its rolled back transaction {} was served as committed at {}", who,
                                                header->sequence, commit));
      break;
    case PayloadKind::open:
      add_fault(FaultKind::altered,
                fmt::format("{}: its transaction {}, which it never committed, was served as committed at {}", who,
                            header->sequence, commit));
      break;
  }
  worker.faults += fault_count_ - faults_before;
  return *header;
}

void RunChecker::take(Worker& worker, const PayloadHeader& header, CommitTs commit, const std::string& who) {
  if (header.sequence < worker.next) return take_skipped(worker, header.sequence, who);
  if (header.sequence > worker.next) worker.missing[worker.next] = header.sequence - 1;
  if (commit <= worker.last_commit)
    add_fault(FaultKind::reordered, fmt::format("{} transaction {}: commit ts {} isn't above {} of the one before", who,
                                                header.sequence, commit, worker.last_commit));
  worker.next = header.sequence + 1;
  worker.last_commit = std::max(worker.last_commit, commit);
  worker.fold += fold_transaction(header.sequence, header.start, commit);
  ++worker.served;
  if (worker.has_summary)
    add_fault(FaultKind::reordered,
              fmt::format("{} transaction {} came after the worker's last", who, header.sequence));
}

// Below what is expected next: one that was skipped, so it comes too late, or one that was served already.
void RunChecker::take_skipped(Worker& worker, uint64_t sequence, const std::string& who) {
  auto range = worker.missing.upper_bound(sequence);
  if (range == worker.missing.begin() || std::prev(range)->second < sequence)
    return add_fault(FaultKind::repeated, fmt::format("{} transaction {} was served twice", who, sequence));
  --range;
  const auto [first, last] = *range;
  worker.missing.erase(range);
  if (first < sequence) worker.missing[first] = sequence - 1;
  if (sequence < last) worker.missing[sequence + 1] = last;
  ++worker.served;
  add_fault(FaultKind::reordered,
            fmt::format("{} transaction {} came after transaction {}", who, sequence, worker.next - 1));
}

void RunChecker::take_summary(Worker& worker, ByteSpan payload, const std::string& who) {
  if (worker.has_summary) return add_fault(FaultKind::repeated, fmt::format("{}: its summary was served twice", who));
  worker.has_summary = true;
  worker.summary = Content::read_summary(payload);
}

void RunChecker::finish() {
  for (auto& [run, workers] : runs_) finish_run(run, workers);
  if (runs_.empty())
    add_fault(FaultKind::lost,
              fmt::format("nothing that seed {} wrote is served by {}: check --seed and --pumps", content_.seed(),
                          pumps_.size() == 1 ? pumps_.front().name : "any of these pumps"));
}

void RunChecker::finish_run(uint64_t run, Workers& workers) {
  uint64_t expected = 0;
  for (const auto& [id, worker] : workers) expected = std::max({expected, worker.summary.workers, uint64_t{id} + 1});
  for (uint64_t id = 0; id < expected; ++id) {
    const std::string who = fmt::format("run {} worker {}", run, id);
    const auto found = workers.find(static_cast<uint16_t>(id));
    if (found == workers.end())
      add_fault(FaultKind::lost, fmt::format("{}: nothing of it is served, and there were {} workers", who, expected));
    else
      finish_worker(found->second, who);
  }
}

void RunChecker::finish_worker(Worker& worker, const std::string& who) {
  for (const auto& [first, last] : worker.missing)
    add_fault(FaultKind::lost,
              first == last ? fmt::format("{} transaction {} is not served", who, first)
                            : fmt::format("{} transactions {} to {} are not served", who, first, last),
              last - first + 1);
  if (!worker.has_summary)
    return add_fault(FaultKind::unfinished,
                     fmt::format("{} has no summary after its {} transactions: its write failed, was cut off or still "
                                 "goes on, or what it wrote last is lost",
                                 who, worker.served));
  if (worker.summary.transactions >= worker.next)
    return add_fault(
        FaultKind::lost,
        fmt::format("{} transactions {} to {} are not served", who, worker.next, worker.summary.transactions),
        worker.summary.transactions - worker.next + 1);
  if (worker.faults != 0 || !worker.missing.empty()) return;  // the sum differs anyway
  if (worker.fold != worker.summary.fold || worker.last_commit.value != worker.summary.last_commit)
    add_fault(FaultKind::altered,
              fmt::format("{}: timestamps differ from those that were written (last commit ts {}, written {})", who,
                          worker.last_commit, worker.summary.last_commit));
}

std::vector<RunSummary> RunChecker::runs() const {
  std::vector<RunSummary> all;
  for (const auto& [run, workers] : runs_) {
    RunSummary one{.run = run, .workers = workers.size()};
    for (const auto& [id, worker] : workers) {
      one.transactions += worker.served;
      one.rolled_back += worker.summary.rolled_back;
      one.open += worker.summary.open;
    }
    all.push_back(one);
  }
  return all;
}

}  // namespace sluice::loadgen
