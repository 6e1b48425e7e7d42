// The byte budget of all pull sources together (INV-9), and each source's share of it.
// Every source owns a reserved minimum; only what lies above all minimums is shared. Were all of it shared, the sources
// ahead of the order could take everything while the merger waits for the one that then gets nothing.
// Sources may hold more than they had room for (a transaction larger than a share must still get through); what they
// hold beyond comes out of everyone's later room.
// Threads:  one (the loop's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::drainer::merge {

struct CreditPoolOptions {
  uint64_t total_bytes = 64u << 20;
  uint64_t reserved_bytes = 4u << 20;  // a source; less when the total is too small for all
  size_t sources = 1;
};

class CreditPool {
 public:
  explicit CreditPool(CreditPoolOptions options);

  // What the source holds now: bytes buffered, and bytes its pump may still send.
  void set_held(size_t source, uint64_t bytes) { held_[source] = bytes; }
  // What it may hold in addition: the rest of its reserve, then what is left of the shared part.
  [[nodiscard]] uint64_t room(size_t source) const;

 private:
  [[nodiscard]] uint64_t shared_in_use() const;

  uint64_t reserved_ = 0;
  uint64_t shared_ = 0;
  std::vector<uint64_t> held_;
};

}  // namespace sluice::drainer::merge
