// The seam between the log and whatever keeps its bytes: io_uring, pwritev2, or a simulated disk.
// Contract: a durable write that returned its bytes survives power loss, if the device honours flushes; so does
//           everything written before a sync() that returned OK, and every name before a sync_dir() that did.
// Threads:  any.
// Owns:     what its files need: they must not outlive it.
// Errors:   RESOURCE_EXHAUSTED space, memory or file descriptors are lacking: the same call may succeed later;
//           NOT_FOUND, ALREADY_EXISTS by name; UNAVAILABLE whatever else the system answers.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"
#include "storage/disk/aligned_buffer.h"

namespace sluice::storage {

enum class WriteMode {
  plain,    // durable after the next sync()
  durable,  // durable when it returns
};

class DiskFile {
 public:
  virtual ~DiskFile() = default;
  // Offsets, lengths and addresses are multiples of kBlockBytes. Returns the bytes written: at least one, maybe fewer
  // than asked.
  [[nodiscard]] virtual absl::StatusOr<size_t> write(uint64_t offset, ByteSpan bytes, WriteMode mode) = 0;
  // Fills `into`, or less only at the end of the file.
  [[nodiscard]] virtual absl::StatusOr<size_t> read(uint64_t offset, MutableByteSpan into) = 0;
  [[nodiscard]] virtual absl::Status sync() = 0;
  [[nodiscard]] virtual absl::StatusOr<uint64_t> size() = 0;
};

// Held while it lives.
class DiskLock {
 public:
  virtual ~DiskLock() = default;
};

class Disk {
 public:
  virtual ~Disk() = default;
  // FAILED_PRECONDITION when another process still holds it after a short wait.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<DiskLock>> lock(const std::filesystem::path& dir) = 0;
  // With its parents; their names are durable when it returns.
  [[nodiscard]] virtual absl::Status create_dir(const std::filesystem::path& dir) = 0;
  // File names, sorted.
  [[nodiscard]] virtual absl::StatusOr<std::vector<std::string>> list(const std::filesystem::path& dir) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<DiskFile>> open(const std::filesystem::path& file) = 0;
  // A new file of `bytes`, reading as zeros; space is reserved where the file system can.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<DiskFile>> create(const std::filesystem::path& file,
                                                                         uint64_t bytes) = 0;
  [[nodiscard]] virtual absl::Status rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  [[nodiscard]] virtual absl::Status remove(const std::filesystem::path& file) = 0;
  [[nodiscard]] virtual absl::Status sync_dir(const std::filesystem::path& dir) = 0;
  // Takes what durable writes of the calling thread need, so that it can't be lacking later.
  [[nodiscard]] virtual absl::Status attach_thread() { return absl::OkStatus(); }
  [[nodiscard]] virtual std::string_view backend() const = 0;
};

enum class DiskBackend {
  automatic,  // io_uring where the kernel lets us, else pwritev2 with one log line that says why
  io_uring,
  pwritev2,
};

[[nodiscard]] absl::StatusOr<std::unique_ptr<Disk>> open_disk(DiskBackend backend = DiskBackend::automatic);

// Finishes short writes, each time from an aligned offset (the same bytes again up to the block). `calls` counts them.
[[nodiscard]] absl::Status write_fully(DiskFile& file, uint64_t offset, ByteSpan bytes, WriteMode mode,
                                       uint64_t& calls);

}  // namespace sluice::storage
