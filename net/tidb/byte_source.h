// The bytes of a file, decompressed when it is zstd (known by its first four bytes, not by its name).
// Errors:   INVALID_ARGUMENT, naming the file, when it can't be opened or read, or its compressed stream is damaged or
//           cut.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "base/bytes.h"

namespace sluice::net {

class ByteSource {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ByteSource>> open(const std::string& path);
  virtual ~ByteSource() = default;
  // Fills `to` from the front; fewer bytes than asked for only at the end of the file.
  [[nodiscard]] virtual absl::StatusOr<size_t> read(MutableByteSpan to) = 0;
};

}  // namespace sluice::net
