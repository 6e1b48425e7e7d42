// zstd over whole texts in memory.
#pragma once

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace sluice::drainer::schema {

// What decompress() makes at most; a larger text is refused.
inline constexpr size_t kDecompressedBytesMax = size_t{2} << 30;

[[nodiscard]] std::string compress(std::string_view text);

// True when `bytes` begins with a zstd frame.
[[nodiscard]] bool is_compressed(std::string_view bytes);

// Errors:   DATA_LOSS when the bytes are damaged or cut off.
[[nodiscard]] absl::StatusOr<std::string> decompress(std::string_view bytes);

}  // namespace sluice::drainer::schema
