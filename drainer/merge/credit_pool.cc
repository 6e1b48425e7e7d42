#include "drainer/merge/credit_pool.h"

#include <algorithm>

#include "base/assert.h"

namespace sluice::drainer::merge {

CreditPool::CreditPool(CreditPoolOptions options) : held_(options.sources, 0) {
  SLUICE_ASSERT(options.sources > 0);
  reserved_ = std::min(options.reserved_bytes, options.total_bytes / options.sources);
  shared_ = options.total_bytes - reserved_ * options.sources;
}

uint64_t CreditPool::room(size_t source) const {
  const uint64_t from_reserve = held_[source] < reserved_ ? reserved_ - held_[source] : 0;
  const uint64_t in_use = shared_in_use();
  return from_reserve + (in_use < shared_ ? shared_ - in_use : 0);
}

uint64_t CreditPool::shared_in_use() const {
  uint64_t bytes = 0;
  for (const uint64_t held : held_) bytes += held > reserved_ ? held - reserved_ : 0;
  return bytes;
}

}  // namespace sluice::drainer::merge
