// Merges the commit orders of several pumps into the one global commit order.
// A source is ready (its next transaction is here), announced (its next transaction's commit ts is known, its body is
// still to come), pending (all that is known is that nothing at or below its resolved ts comes any more) or exhausted.
// The smallest commit ts is emitted once no other source could still send a smaller one: a body that takes long holds
// up nothing that commits before it.
// Contract: commit ts are emitted strictly ascending and independent of arrival order (INV-6); one transaction that two
//           pumps hold (same start ts and commit ts) is emitted once.
// Threads:  none of its own, no locks: a pure state machine for one thread.
// Errors:   DATA_LOSS when a source goes back, doesn't send what it announced, sends after its end, or when two
//           transactions share a commit ts.
// Limits:   kSourcesMax sources; timestamps below 2^62.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"
#include "drainer/merge/loser_tree.h"
#include "drainer/merge/pulled_transaction.h"

namespace sluice::drainer::merge {

inline constexpr size_t kSourcesMax = 256;

// Why nothing can be emitted: this source is pending at `resolved`, and `wanted` (a transaction of another source) is
// above. When it has announced its next transaction, that one is the very next of the global order.
struct MergeBlocker {
  size_t source = 0;
  ResolvedTs resolved;
  std::optional<CommitTs> announced{};
  std::optional<CommitTs> wanted;
};

class Merger {
 public:
  // `names` are the sources' names in errors; source s is names[s].
  explicit Merger(std::vector<std::string> names);

  // The next transaction of a source.
  [[nodiscard]] absl::Status push(size_t source, PulledTransaction transaction);
  // The source's next transaction commits at `ts`; it is pushed next. Saying it again changes nothing.
  [[nodiscard]] absl::Status announce(size_t source, CommitTs ts);
  // Nothing at or below `ts` comes from the source any more. A ts below an earlier one says nothing new.
  [[nodiscard]] absl::Status resolve(size_t source, ResolvedTs ts);
  // Nothing comes from the source any more; its last commit ts was at most `final_ts`.
  [[nodiscard]] absl::Status finish(size_t source, CommitTs final_ts);

  // The next transaction of the global order, or nothing while a source must be waited for (or all are exhausted).
  [[nodiscard]] absl::StatusOr<std::optional<PulledTransaction>> pop();

  // As of the last pop(): nothing at or below this will be emitted any more.
  [[nodiscard]] ResolvedTs resolved() const { return resolved_; }
  // As of the last pop(), which gave nothing: who is waited for. Nothing when all sources are exhausted.
  [[nodiscard]] std::optional<MergeBlocker> blocker() const;
  [[nodiscard]] bool exhausted() const;
  // The source is pending or announced and could still send something at or below `ts`.
  [[nodiscard]] bool may_send(size_t source, CommitTs ts) const;
  // Memory of what pop() has taken from the source in all, collapsed duplicates included.
  [[nodiscard]] uint64_t popped_bytes(size_t source) const { return sources_[source].popped_bytes; }
  // The last commit ts that the source gave, 0 when none did, and up to where nothing else comes from it.
  [[nodiscard]] CommitTs last_of(size_t source) const { return CommitTs(sources_[source].last); }
  [[nodiscard]] ResolvedTs bound_of(size_t source) const { return ResolvedTs(sources_[source].bound); }
  [[nodiscard]] size_t sources() const { return sources_.size(); }
  [[nodiscard]] uint64_t duplicates() const { return duplicates_; }

 private:
  struct Source {
    std::string name;
    std::deque<PulledTransaction> queue;
    uint64_t bound = 0;      // everything still to come is above: max(last commit ts, resolved ts, announced - 1)
    uint64_t last = 0;       // commit ts
    uint64_t announced = 0;  // commit ts of the next one, 0 when it isn't known
    bool finished = false;
    uint64_t final_ts = 0;
    uint64_t popped_bytes = 0;
  };

  [[nodiscard]] static absl::Status check_announced(const Source& source, std::string_view what, uint64_t ts,
                                                    bool allowed);
  [[nodiscard]] uint64_t key_of(const Source& source) const;
  [[nodiscard]] PulledTransaction take_front(size_t source);
  [[nodiscard]] std::optional<size_t> copy_of_announced(size_t winner) const;
  // The winner with an up-to-date key; keys only grow, so what lies in the tree is a lower bound until then.
  template <class Tree>
  [[nodiscard]] uint64_t settle(Tree& tree);
  template <class Tree>
  [[nodiscard]] absl::StatusOr<std::optional<PulledTransaction>> pop_from(Tree& tree);
  [[nodiscard]] absl::Status check_order(const Source& source, const PulledTransaction& next) const;

  using AnyTree = std::variant<LoserTree<0>, LoserTree<1>, LoserTree<2>, LoserTree<3>, LoserTree<4>, LoserTree<5>,
                               LoserTree<6>, LoserTree<7>, LoserTree<8>>;
  [[nodiscard]] static AnyTree make_tree(size_t sources);

  std::vector<Source> sources_;
  AnyTree tree_;
  StartTs last_start_;
  CommitTs last_commit_;
  size_t last_source_ = 0;
  ResolvedTs resolved_;
  uint64_t duplicates_ = 0;
};

}  // namespace sluice::drainer::merge
