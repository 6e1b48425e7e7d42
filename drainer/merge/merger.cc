#include "drainer/merge/merger.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/status.h"

namespace sluice::drainer::merge {
namespace {

// Tree keys: ts << 1, and one more for a pending source. So a source that is resolved at R loses against a transaction
// at R and wins against one at R + 1, which has to wait for it. One that has announced R is pending at R - 1.
constexpr uint64_t kTsMax = (uint64_t{1} << 62) - 1;

uint64_t ready_key(CommitTs ts) {
  return ts.value << 1;
}
uint64_t pending_key(uint64_t bound) {
  return bound << 1 | 1;
}
bool is_pending(uint64_t key) {
  return (key & 1) != 0;
}

absl::Status check_ts(const std::string& name, uint64_t ts) {
  if (ts <= kTsMax) return absl::OkStatus();
  return absl::DataLossError(fmt::format("pump {} sent timestamp {}, which no oracle gives out", name, ts));
}

}  // namespace

Merger::Merger(std::vector<std::string> names) : tree_(make_tree(names.size())) {
  for (std::string& name : names) sources_.emplace_back().name = std::move(name);
}

Merger::AnyTree Merger::make_tree(size_t sources) {
  SLUICE_ASSERT(sources >= 1 && sources <= kSourcesMax, "sources={}", sources);
  const std::vector<uint64_t> keys(sources, pending_key(0));
  if (sources <= 1) return AnyTree(std::in_place_type<LoserTree<0>>, keys);
  if (sources <= 2) return AnyTree(std::in_place_type<LoserTree<1>>, keys);
  if (sources <= 4) return AnyTree(std::in_place_type<LoserTree<2>>, keys);
  if (sources <= 8) return AnyTree(std::in_place_type<LoserTree<3>>, keys);
  if (sources <= 16) return AnyTree(std::in_place_type<LoserTree<4>>, keys);
  if (sources <= 32) return AnyTree(std::in_place_type<LoserTree<5>>, keys);
  if (sources <= 64) return AnyTree(std::in_place_type<LoserTree<6>>, keys);
  if (sources <= 128) return AnyTree(std::in_place_type<LoserTree<7>>, keys);
  return AnyTree(std::in_place_type<LoserTree<8>>, keys);
}

absl::Status Merger::push(size_t source, PulledTransaction transaction) {
  SLUICE_ASSERT(source < sources_.size(), "source={}", source);
  Source& from = sources_[source];
  const uint64_t ts = transaction.commit_ts.value;
  SLUICE_RETURN_IF_ERROR(check_ts(from.name, ts));
  if (from.finished)
    return absl::DataLossError(
        fmt::format("pump {} sent commit ts {} after its end at {}", from.name, ts, from.final_ts));
  if (ts <= from.bound)
    return absl::DataLossError(
        fmt::format("pump {} went back: commit ts {} at or below {}, which it had passed", from.name, ts, from.bound));
  SLUICE_RETURN_IF_ERROR(check_announced(from, "sent commit ts", ts, from.announced == ts));
  from.announced = 0;
  from.bound = ts;
  from.last = ts;
  from.queue.push_back(std::move(transaction));
  return absl::OkStatus();
}

absl::Status Merger::resolve(size_t source, ResolvedTs ts) {
  SLUICE_ASSERT(source < sources_.size(), "source={}", source);
  Source& from = sources_[source];
  SLUICE_RETURN_IF_ERROR(check_ts(from.name, ts.value));
  SLUICE_RETURN_IF_ERROR(check_announced(from, "resolved", ts.value, ts.value < from.announced));
  from.bound = std::max(from.bound, ts.value);
  return absl::OkStatus();
}

absl::Status Merger::announce(size_t source, CommitTs ts) {
  SLUICE_ASSERT(source < sources_.size(), "source={}", source);
  Source& from = sources_[source];
  if (from.announced == ts.value) return absl::OkStatus();
  SLUICE_RETURN_IF_ERROR(check_ts(from.name, ts.value));
  SLUICE_RETURN_IF_ERROR(check_announced(from, "announced commit ts", ts.value, false));
  if (ts.value <= from.bound || from.finished)
    return absl::DataLossError(
        fmt::format("pump {} went back: it announced commit ts {} at or below {}, which it had "
                    "passed",
                    from.name, ts, from.finished ? from.final_ts : from.bound));
  from.announced = ts.value;
  from.bound = ts.value - 1;
  return absl::OkStatus();
}

// Others' transactions were let through on its word.
absl::Status Merger::check_announced(const Source& source, std::string_view what, uint64_t ts, bool allowed) {
  if (source.announced == 0 || allowed) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("pump {} {} {} in place of the transaction at commit ts {}, which it had begun to send: it no longer "
                  "has it. Stop the pump and give it back the folder it had; if that is lost, load the downstream anew",
                  source.name, what, ts, source.announced));
}

absl::Status Merger::finish(size_t source, CommitTs final_ts) {
  SLUICE_ASSERT(source < sources_.size(), "source={}", source);
  Source& from = sources_[source];
  SLUICE_RETURN_IF_ERROR(check_ts(from.name, final_ts.value));
  if (!from.queue.empty() && final_ts < from.queue.back().commit_ts)
    return absl::DataLossError(fmt::format("pump {} ended at {}, below commit ts {} that it had sent", from.name,
                                           final_ts, from.queue.back().commit_ts));
  SLUICE_RETURN_IF_ERROR(check_announced(from, "ended at", final_ts.value, false));
  from.finished = true;
  from.final_ts = final_ts.value;
  return absl::OkStatus();
}

uint64_t Merger::key_of(const Source& source) const {
  if (!source.queue.empty()) return ready_key(source.queue.front().commit_ts);
  return source.finished ? kExhausted : pending_key(source.bound);
}

template <class Tree>
uint64_t Merger::settle(Tree& tree) {
  for (;;) {
    const uint32_t winner = tree.winner();
    // Leaves beyond the sources are exhausted from the start: one wins only when all real sources are exhausted too.
    const uint64_t key = winner < sources_.size() ? key_of(sources_[winner]) : kExhausted;
    if (key == tree.winner_key()) return key;
    SLUICE_ASSERT(key > tree.winner_key(), "key={} last={}", key, tree.winner_key());  // INV-6
    tree.replace(key);
  }
}

absl::Status Merger::check_order(const Source& source, const PulledTransaction& next) const {
  if (next.commit_ts > last_commit_) return absl::OkStatus();
  SLUICE_ASSERT(next.commit_ts == last_commit_, "commit={} last={}", next.commit_ts, last_commit_);  // INV-6
  if (next.start_ts == last_start_) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("two transactions have commit ts {}: start ts {} from pump {} and start ts {} from pump {}; "
                  "find out which cluster's pump was given to this drainer by mistake",
                  next.commit_ts, last_start_, sources_[last_source_].name, next.start_ts, source.name));
}

template <class Tree>
absl::StatusOr<std::optional<PulledTransaction>> Merger::pop_from(Tree& tree) {
  for (;;) {
    const uint64_t key = settle(tree);
    if (is_pending(key)) {
      if (const std::optional<size_t> copy = copy_of_announced(tree.winner())) return take_front(*copy);
      if (key != kExhausted)
        resolved_ = std::max(resolved_, ResolvedTs(key >> 1));
      else
        for (const Source& source : sources_) resolved_ = std::max(resolved_, ResolvedTs(source.final_ts));
      return std::nullopt;
    }
    const uint32_t winner = tree.winner();
    Source& source = sources_[winner];
    SLUICE_RETURN_IF_ERROR(check_order(source, source.queue.front()));
    const bool is_copy = source.queue.front().commit_ts == last_commit_;
    PulledTransaction next = take_front(winner);
    tree.replace(key_of(source));
    if (!is_copy) return next;
    ++duplicates_;
  }
}

PulledTransaction Merger::take_front(size_t source) {
  Source& from = sources_[source];
  PulledTransaction next = std::move(from.queue.front());
  from.queue.pop_front();
  from.popped_bytes += next.wire_bytes;
  last_start_ = next.start_ts;
  last_commit_ = next.commit_ts;
  last_source_ = source;
  resolved_ = std::max(resolved_, ResolvedTs(next.commit_ts.value));
  return next;
}

// Everything to come is at or above what the winner has announced: another source's copy of it needn't wait for the
// winner's, which may need the memory that the copy takes. The copy's key in the tree is a lower bound from then on.
std::optional<size_t> Merger::copy_of_announced(size_t winner) const {
  if (winner >= sources_.size() || sources_[winner].announced == 0) return std::nullopt;
  for (size_t s = 0; s < sources_.size(); ++s)
    if (!sources_[s].queue.empty() && sources_[s].queue.front().commit_ts.value == sources_[winner].announced) return s;
  return std::nullopt;
}

absl::StatusOr<std::optional<PulledTransaction>> Merger::pop() {
  return std::visit([this](auto& tree) { return pop_from(tree); }, tree_);
}

std::optional<MergeBlocker> Merger::blocker() const {
  const auto [winner, key] =
      std::visit([](const auto& tree) { return std::pair(tree.winner(), tree.winner_key()); }, tree_);
  if (!is_pending(key) || key == kExhausted) return std::nullopt;
  const Source& held_by = sources_[winner];
  MergeBlocker blocker{
      .source = winner, .resolved = ResolvedTs(held_by.bound), .announced = std::nullopt, .wanted = std::nullopt};
  if (held_by.announced != 0) blocker.announced = CommitTs(held_by.announced);
  for (const Source& source : sources_) {
    if (source.queue.empty()) continue;
    const CommitTs ts = source.queue.front().commit_ts;
    blocker.wanted = blocker.wanted ? std::min(*blocker.wanted, ts) : ts;
  }
  return blocker;
}

bool Merger::may_send(size_t source, CommitTs ts) const {
  const Source& from = sources_[source];
  return from.queue.empty() && !from.finished && from.bound < ts.value;
}

bool Merger::exhausted() const {
  return std::all_of(sources_.begin(), sources_.end(), [](const Source& s) { return s.finished && s.queue.empty(); });
}

}  // namespace sluice::drainer::merge
