// XXH3 of bytes: the one checksum of payloads, frames and log structures (INV-11).
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace sluice {

// XXH3, 64 bits. Formats give the seed: 0 unless their page says otherwise.
[[nodiscard]] uint64_t xxh3(ByteSpan bytes, uint64_t seed = 0);

}  // namespace sluice
