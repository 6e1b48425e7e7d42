// File descriptors kept back: when connections have eaten all the others, the log still opens its next segment.
// Contract: open() fails with EMFILE only once the reserve is used up too; close() fills the reserve up again before
//           anything else can take the descriptor.
// Threads:  any.
// Owns:     its descriptors.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <mutex>
#include <vector>

namespace sluice::storage {

class DescriptorReserve {
 public:
  // Keeps fewer where the process has fewer to give.
  explicit DescriptorReserve(size_t count);
  ~DescriptorReserve();
  DescriptorReserve(const DescriptorReserve&) = delete;
  DescriptorReserve& operator=(const DescriptorReserve&) = delete;

  // As open(2), with O_CLOEXEC: a descriptor, or minus an errno.
  [[nodiscard]] int open(const char* path, int flags, mode_t mode = 0);
  void close(int fd);

 private:
  [[nodiscard]] bool give_up_one();

  const size_t count_;
  const int source_;  // what the kept ones are copies of
  std::mutex mutex_;
  std::vector<int> kept_;
};

// One descriptor of a reserve.
class ReservedDescriptor {
 public:
  ReservedDescriptor(DescriptorReserve& reserve, int fd) : reserve_(reserve), fd_(fd) {}
  ~ReservedDescriptor() {
    if (fd_ >= 0) reserve_.close(fd_);
  }
  ReservedDescriptor(const ReservedDescriptor&) = delete;
  ReservedDescriptor& operator=(const ReservedDescriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }  // or minus an errno

 private:
  DescriptorReserve& reserve_;
  const int fd_;
};

}  // namespace sluice::storage
