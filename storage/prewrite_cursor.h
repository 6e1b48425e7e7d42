// Where the piecewise reading of one prewrite stands (Log::read_prewrite_piece).
#pragma once

#include <cstdint>

#include "base/log_position.h"
#include "base/record.h"

namespace sluice::storage {

// How far one prewrite was read, so that a large one can be read piece by piece. `next` is set by who begins, to where
// its first record lies; the rest is the reader's.
struct PrewriteCursor {
  LogPosition next;
  RecordHeader first{};  // once begun
  uint32_t have = 0;     // of first.whole_bytes
  bool begun = false;
  bool done = false;
};

}  // namespace sluice::storage
