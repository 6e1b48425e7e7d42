// What a pump counts while it runs, as plain numbers of the event loop's thread; status and metrics read them there.
#pragma once

#include <cstdint>
#include <functional>

namespace sluice::pump {

struct IngestCounters {
  uint64_t runs = 0, records = 0, bytes = 0;
  uint64_t refused = 0;  // records answered with a NACK
  uint64_t pauses = 0;   // of reading, because the log's queue was full
};

struct PullCounters {
  uint64_t transactions = 0, bytes = 0, gaps = 0;
  uint64_t refused = 0;  // pullers, for want of memory
};

}  // namespace sluice::pump
