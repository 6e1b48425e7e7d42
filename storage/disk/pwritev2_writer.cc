#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "storage/disk/durable_writer.h"

namespace sluice::storage {
namespace {

class Pwritev2Writer final : public DurableWriter {
 public:
  ssize_t write(int fd, uint64_t offset, ByteSpan bytes) override {
    const auto at = static_cast<off_t>(offset);
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    for (;;) {
      const ssize_t written = ::pwritev2(fd, &part, 1, at, RWF_DSYNC);
      if (written >= 0) return written;
      if (errno == EINTR) continue;
      if (errno == EOPNOTSUPP || errno == ENOSYS) return write_then_sync(fd, at, bytes);
      return -errno;
    }
  }

  std::string_view name() const override { return "pwritev2"; }

 private:
  static ssize_t write_then_sync(int fd, off_t at, ByteSpan bytes) {
    ssize_t written;
    do written = ::pwrite(fd, bytes.data(), bytes.size(), at);
    while (written < 0 && errno == EINTR);
    if (written < 0 || ::fdatasync(fd) != 0) return -errno;
    return written;
  }
};

}  // namespace

std::unique_ptr<DurableWriter> make_pwritev2_writer() {
  return std::make_unique<Pwritev2Writer>();
}

}  // namespace sluice::storage
