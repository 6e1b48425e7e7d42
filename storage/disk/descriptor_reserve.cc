#include "storage/disk/descriptor_reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace sluice::storage {

DescriptorReserve::DescriptorReserve(size_t count) : count_(count), source_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
  while (source_ >= 0 && kept_.size() < count_) {
    const int fd = ::fcntl(source_, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) break;
    kept_.push_back(fd);
  }
}

DescriptorReserve::~DescriptorReserve() {
  for (const int fd : kept_) ::close(fd);
  if (source_ >= 0) ::close(source_);
}

int DescriptorReserve::open(const char* path, int flags, mode_t mode) {
  for (;;) {
    const int fd = ::open(path, flags | O_CLOEXEC, mode);
    if (fd >= 0) return fd;
    const int error = errno;
    if (error == EINTR) continue;
    // Another thread may take the place first; then it costs one more of the reserve.
    if (error != EMFILE || !give_up_one()) return -error;
  }
}

bool DescriptorReserve::give_up_one() {
  const std::lock_guard lock(mutex_);
  if (kept_.empty()) return false;
  ::close(kept_.back());
  kept_.pop_back();
  return true;
}

void DescriptorReserve::close(int fd) {
  const std::lock_guard lock(mutex_);
  // dup3 closes the file and keeps its number in one step: no other thread gets in between.
  if (source_ >= 0 && kept_.size() < count_ && ::dup3(source_, fd, O_CLOEXEC) == fd)
    kept_.push_back(fd);
  else
    ::close(fd);
}

}  // namespace sluice::storage
