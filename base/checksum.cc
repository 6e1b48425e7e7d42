#include "base/checksum.h"

// Inlined rather than linked: Debian's shared library is built for SSE2 alone and hashes at a third of the speed.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sluice {

uint64_t xxh3(ByteSpan bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace sluice
