// A tournament tree that keeps, of 2^kHeight sources, the one with the smallest key; replacing the winner's key costs
// kHeight compares without a branch.
// Layout:   struct of arrays in Eytzinger order; an inner node holds the loser of its match, the winner stands outside
//           in two scalars:
//
//                            winner: key, source
//                                  [1]               node 1: the loser of the final
//                             /          \          (each node: key, source)
//                          [2]            [3]        node n's children are 2n and 2n+1
//                         /   \          /   \    (climb: one comparison a level)
//                       s0     s1      s2     s3     the leaf of source s would be node kSources + s: not stored
//
//           A new key of the winner climbs from its leaf to the root; what wins a match climbs on, what loses stays.
// Runs:     binlogs of one pump come in bursts. When a source wins twice, the smallest key that could beat it (the
//           runner-up, the least loser on its path) is computed once; keys below it pass without touching the tree.
//           Computing it only at the second win keeps random input free of that work.
// Ties:     the lower source wins, so equal input gives equal output (INV-6).
// Errors:   none; kExhausted as a key means "never again" and loses against everything else.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>

#include "base/assert.h"

namespace sluice::drainer::merge {

inline constexpr uint64_t kExhausted = std::numeric_limits<uint64_t>::max();

template <unsigned kHeight>
class LoserTree {
 public:
  static constexpr uint32_t kSources = 1u << kHeight;

  // `keys[s]` is the first key of source s; sources beyond the span are exhausted.
  explicit LoserTree(std::span<const uint64_t> keys) {
    SLUICE_ASSERT(keys.size() <= kSources, "sources={} height={}", keys.size(), kHeight);
    std::array<Entry, size_t{2} * kSources> winners{};
    for (uint32_t s = 0; s < kSources; ++s) winners[kSources + s] = {s < keys.size() ? keys[s] : kExhausted, s};
    for (uint32_t node = kSources - 1; node >= 1; --node) {
      const Entry left = winners[2 * node];  // all its sources are lower than the right's, so it wins a tie
      const Entry right = winners[2 * node + 1];
      const bool right_wins = right.key < left.key;
      winners[node] = right_wins ? right : left;
      loser_keys_[node] = right_wins ? left.key : right.key;
      loser_sources_[node] = right_wins ? left.source : right.source;
    }
    winner_key_ = winners[1].key;
    winner_ = winners[1].source;
  }

  [[nodiscard]] uint32_t winner() const { return winner_; }
  [[nodiscard]] uint64_t winner_key() const { return winner_key_; }

  // Keys of the winner below this keep it the winner; 0 when not known.
  [[nodiscard]] uint64_t run_bound() const { return run_bound_; }

  // Gives the winner its next key, which must not be below its last.
  void replace(uint64_t key) {
    if (key < run_bound_) {
      winner_key_ = key;
      return;
    }
    replay(key);
  }

 private:
  struct Entry {
    uint64_t key = 0;
    uint32_t source = 0;
  };

  void replay(uint64_t key) {
    const uint32_t before = winner_;
    uint32_t source = before;
    uint32_t node = (source + kSources) >> 1;
#pragma GCC unroll 16
    for (unsigned level = 0; level < kHeight; ++level, node >>= 1) {
      const uint64_t other_key = loser_keys_[node];
      const uint32_t other_source = loser_sources_[node];
      const bool other_wins = (other_key < key) | ((other_key == key) & (other_source < source));
      // Masks, since GCC 12 turns the obvious selects back into a branch that random keys mispredict.
      const uint64_t mask = uint64_t{0} - static_cast<uint64_t>(other_wins);
      const uint64_t key_swap = (key ^ other_key) & mask;
      const auto source_swap = static_cast<uint32_t>((source ^ other_source) & mask);
      loser_keys_[node] = other_key ^ key_swap;
      loser_sources_[node] = other_source ^ source_swap;
      key ^= key_swap;
      source ^= source_swap;
    }
    winner_key_ = key;
    winner_ = source;
    run_bound_ = source == before ? least_loser_on_path(source) : 0;
  }

  [[nodiscard]] uint64_t least_loser_on_path(uint32_t source) const {
    uint64_t least = kExhausted;
    uint32_t node = (source + kSources) >> 1;
#pragma GCC unroll 16
    for (unsigned level = 0; level < kHeight; ++level, node >>= 1) least = std::min(least, loser_keys_[node]);
    return least;
  }

  alignas(64) std::array<uint64_t, kSources> loser_keys_{};  // [1, kSources)
  alignas(64) std::array<uint32_t, kSources> loser_sources_{};
  uint64_t winner_key_ = kExhausted;
  uint64_t run_bound_ = 0;
  uint32_t winner_ = 0;
};

}  // namespace sluice::drainer::merge
