// How a durable write reaches the kernel: the only thing in which the two real back ends differ.
// Threads:  any; a ring belongs to the thread that writes, which is the log thread.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"

namespace sluice::storage {

class DurableWriter {
 public:
  virtual ~DurableWriter() = default;
  // As pwrite(2): bytes written, or minus an errno. What it returned is durable.
  [[nodiscard]] virtual ssize_t write(int fd, uint64_t offset, ByteSpan bytes) = 0;
  // 0, or minus an errno. Takes early what the calling thread's writes need.
  [[nodiscard]] virtual int attach_thread() { return 0; }
  [[nodiscard]] virtual std::string_view name() const = 0;
};

// pwritev2 with RWF_DSYNC; where a file system has no such flag, pwrite and fdatasync.
[[nodiscard]] std::unique_ptr<DurableWriter> make_pwritev2_writer();

// UNAVAILABLE, with the cause (seccomp, sysctl, an old kernel), when the kernel refuses a ring or lacks an operation.
[[nodiscard]] absl::StatusOr<std::unique_ptr<DurableWriter>> make_uring_writer();

}  // namespace sluice::storage
