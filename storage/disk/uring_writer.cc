#include <liburing.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/assert.h"
#include "base/status.h"
#include "storage/disk/durable_writer.h"

namespace sluice::storage {
namespace {

// One write is in flight at a time; the spare entries cost nothing.
constexpr unsigned kRingEntries = 8;
// -EAGAIN and -EINTR completions are asked again; one that never ends is a failed device.
constexpr int kRetriesMax = 100;

class Ring {
 public:
  // Minus an errno, or 0. Newer kernels run completions in the waiting thread only, which saves an interrupt a write.
  int open() {
    for (const unsigned flags :
         {unsigned{IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN}, unsigned{IORING_SETUP_COOP_TASKRUN}, 0u}) {
      const int result = io_uring_queue_init(kRingEntries, &ring_, flags);
      if (result == -EINVAL) continue;
      open_ = result == 0;
      // A child of this process must not share the ring's memory; one that can't be kept out of it is no error here.
      if (open_) (void)io_uring_ring_dontfork(&ring_);
      return result;
    }
    return -EINVAL;
  }
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    if (open_) io_uring_queue_exit(&ring_);
  }

  io_uring* get() { return &ring_; }

 private:
  io_uring ring_{};
  bool open_ = false;
};

// The ring is its thread's own, born and gone with it: the kernel ties a single-issuer ring to the thread that made it.
thread_local std::optional<Ring> ring_of_this_thread;

class UringWriter final : public DurableWriter {
 public:
  ssize_t write(int fd, uint64_t offset, ByteSpan bytes) override {
    if (const int attached = attach_thread(); attached != 0) return attached;
    ssize_t result = -EAGAIN;
    for (int i = 0; i < kRetriesMax && (result == -EAGAIN || result == -EINTR); ++i)
      result = write_once(ring_of_this_thread->get(), fd, offset, bytes);
    return result;
  }

  int attach_thread() override {
    if (ring_of_this_thread) return 0;
    ring_of_this_thread.emplace();
    const int result = ring_of_this_thread->open();
    if (result != 0) ring_of_this_thread.reset();
    return result;
  }

  std::string_view name() const override { return "io_uring"; }

 private:
  static ssize_t write_once(io_uring* ring, int fd, uint64_t offset, ByteSpan bytes) {
    io_uring_sqe* sqe = io_uring_get_sqe(ring);
    SLUICE_ASSERT(sqe != nullptr);  // one write in flight, kRingEntries slots
    io_uring_prep_write(sqe, fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset);
    sqe->rw_flags = RWF_DSYNC;
    io_uring_cqe* cqe = nullptr;
    // The buffer belongs to the kernel until the completion is here, so nothing but the completion ends the wait.
    int submitted;
    do submitted = io_uring_submit_and_wait(ring, 1);
    while (submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY || submitted == -ENOMEM);
    SLUICE_ASSERT(submitted >= 0, "io_uring_enter: {}", std::strerror(-submitted));
    while (io_uring_peek_cqe(ring, &cqe) != 0) {
      const int waited = io_uring_wait_cqe(ring, &cqe);
      SLUICE_ASSERT(waited == 0 || waited == -EINTR || waited == -EAGAIN, "io_uring_wait_cqe: {}",
                    std::strerror(-waited));
      if (waited == 0) break;
    }
    const ssize_t result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return result;
  }
};

absl::Status refused(int error) {
  const char* cause = error == EPERM    ? "a seccomp filter or kernel.io_uring_disabled forbids it"
                      : error == ENOSYS ? "the kernel or a seccomp filter lacks it"
                      : error == ENOMEM ? "the locked-memory limit (ulimit -l) is too low"
                                        : "the kernel refuses a ring";
  return absl::UnavailableError(fmt::format("io_uring: {} ({})", cause, std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DurableWriter>> make_uring_writer() {
  Ring probe_ring;
  if (const int result = probe_ring.open(); result != 0) return refused(-result);
  io_uring_probe* probe = io_uring_get_probe_ring(probe_ring.get());
  if (probe == nullptr) return refused(ENOSYS);
  const bool can_write = io_uring_opcode_supported(probe, IORING_OP_WRITE) != 0;
  io_uring_free_probe(probe);
  if (!can_write) return refused(ENOSYS);
  return std::make_unique<UringWriter>();
}

}  // namespace sluice::storage
