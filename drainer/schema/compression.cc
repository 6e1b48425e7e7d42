#include "drainer/schema/compression.h"

#include <algorithm>
#include <memory>

#include <zstd.h>

#include "base/assert.h"
#include "base/status.h"

namespace sluice::drainer::schema {

std::string compress(std::string_view text) {
  std::string bytes(ZSTD_compressBound(text.size()), '\0');
  const size_t size = ZSTD_compress(bytes.data(), bytes.size(), text.data(), text.size(), ZSTD_CLEVEL_DEFAULT);
  SLUICE_ASSERT(ZSTD_isError(size) == 0, "{}", ZSTD_getErrorName(size));  // the bound rules out a full buffer
  bytes.resize(size);
  bytes.shrink_to_fit();
  return bytes;
}

bool is_compressed(std::string_view bytes) {
  return bytes.starts_with("\x28\xb5\x2f\xfd");
}

absl::StatusOr<std::string> decompress(std::string_view bytes) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  SLUICE_ASSERT(context != nullptr);
  // Grows with what really comes out: a frame's stated size is not believed.
  std::string text;
  std::string block(ZSTD_DStreamOutSize(), '\0');
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  size_t wanted = 1;
  while (in.pos < in.size) {
    ZSTD_outBuffer out{block.data(), block.size(), 0};
    wanted = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(wanted) != 0)
      return absl::DataLossError(fmt::format("zstd data is damaged: {}", ZSTD_getErrorName(wanted)));
    text.append(block, 0, out.pos);
    if (text.size() > kDecompressedBytesMax)
      return absl::DataLossError(fmt::format("zstd data holds over {} bytes", kDecompressedBytesMax));
  }
  // The last call may have left output behind although the input is used up.
  while (wanted != 0) {
    ZSTD_outBuffer out{block.data(), block.size(), 0};
    const size_t left = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(left) != 0 || out.pos == 0) return absl::DataLossError("zstd data is cut off");
    text.append(block, 0, out.pos);
    wanted = left;
  }
  return text;
}

}  // namespace sluice::drainer::schema
