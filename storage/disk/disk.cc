#include "storage/disk/disk.h"

#include "base/status.h"

namespace sluice::storage {
namespace {

// A device that keeps answering with less than a block makes no progress; it has failed.
constexpr int kFruitlessWritesMax = 3;

}  // namespace

absl::Status write_fully(DiskFile& file, uint64_t offset, ByteSpan bytes, WriteMode mode, uint64_t& calls) {
  SLUICE_ASSERT(offset % kBlockBytes == 0 && bytes.size() % kBlockBytes == 0, "offset={} bytes={}", offset,
                bytes.size());
  int fruitless = 0;
  while (!bytes.empty()) {
    ++calls;
    SLUICE_ASSIGN_OR_RETURN(const size_t written, file.write(offset, bytes, mode));
    SLUICE_ASSERT(written <= bytes.size(), "written={} asked={}", written, bytes.size());
    const size_t blocks = written & ~size_t{kBlockBytes - 1};
    fruitless = blocks == 0 ? fruitless + 1 : 0;
    if (fruitless == kFruitlessWritesMax)
      return absl::UnavailableError(
          fmt::format("{} writes at offset {} wrote less than a block each", fruitless, offset));
    offset += blocks;
    bytes = bytes.subspan(blocks);
  }
  return absl::OkStatus();
}

}  // namespace sluice::storage
