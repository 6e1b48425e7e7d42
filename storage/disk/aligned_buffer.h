// Memory for direct I/O: aligned to 4 KiB, sized in whole blocks, zeroed at birth.
#pragma once

#include <cstdlib>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"

namespace sluice::storage {

// The unit of every write and read of the log: device blocks may be smaller, never larger.
inline constexpr uint32_t kBlockBytes = 4096;

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes) : size_(align_up(bytes, kBlockBytes)) {
    if (size_ == 0) return;
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, size_)));
    SLUICE_ASSERT(data_ != nullptr, "bytes={}", size_);
    std::memset(data_.get(), 0, size_);
  }

  [[nodiscard]] std::byte* data() { return data_.get(); }
  [[nodiscard]] const std::byte* data() const { return data_.get(); }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] ByteSpan span() const { return {data_.get(), size_}; }
  [[nodiscard]] MutableByteSpan span() { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

}  // namespace sluice::storage
