// The real disks: plain system calls for everything but the durable write, which goes through a DurableWriter.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include <spdlog/spdlog.h>

#include "base/status.h"
#include "storage/disk/descriptor_reserve.h"
#include "storage/disk/disk.h"
#include "storage/disk/durable_writer.h"

namespace sluice::storage {
namespace {

namespace fs = std::filesystem;

// A killed process may keep its files a moment longer, as long as a ring of its holds them.
constexpr auto kLockRetryFor = std::chrono::seconds(1);
constexpr auto kLockRetryEvery = std::chrono::milliseconds(20);
// The reader's open files, and what making a segment takes at once.
constexpr size_t kDescriptorsReserved = 24;
constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirMode = 0750;

absl::Status from_errno(int error, std::string_view what, const fs::path& path) {
  const std::string text = fmt::format("{} {}: {}", what, path.string(), std::strerror(error));
  switch (error) {
    // What other use gives back: nothing is wrong with the device.
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return absl::ResourceExhaustedError(text);
    case ENOENT:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    default:
      return absl::UnavailableError(text);
  }
}

class PosixFile final : public DiskFile {
 public:
  PosixFile(DescriptorReserve& reserve, int fd, fs::path path, DurableWriter& writer)
      : fd_(reserve, fd), path_(std::move(path)), writer_(writer) {}

  absl::StatusOr<size_t> write(uint64_t offset, ByteSpan bytes, WriteMode mode) override {
    ssize_t written;
    if (mode == WriteMode::durable) {
      written = writer_.write(fd_.get(), offset, bytes);
    } else {
      do written = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      while (written < 0 && errno == EINTR);
      if (written < 0) written = -errno;
    }
    if (written < 0)
      return from_errno(static_cast<int>(-written),
                        fmt::format("write of {} bytes at offset {} of", bytes.size(), offset), path_);
    if (written == 0)
      return absl::UnavailableError(fmt::format("write at offset {} of {} wrote nothing", offset, path_.string()));
    return static_cast<size_t>(written);
  }

  absl::StatusOr<size_t> read(uint64_t offset, MutableByteSpan into) override {
    size_t have = 0;
    while (have < into.size()) {
      const ssize_t n = ::pread(fd_.get(), into.data() + have, into.size() - have, static_cast<off_t>(offset + have));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return from_errno(errno, fmt::format("read at offset {} of", offset + have), path_);
      if (n == 0) break;
      have += static_cast<size_t>(n);
      if (have % kBlockBytes != 0) break;  // only the end of a file that isn't whole blocks
    }
    return have;
  }

  absl::Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return from_errno(errno, "sync of", path_);
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> size() override {
    struct stat st {};
    if (::fstat(fd_.get(), &st) != 0) return from_errno(errno, "stat of", path_);
    return static_cast<uint64_t>(st.st_size);
  }

 private:
  ReservedDescriptor fd_;
  fs::path path_;
  DurableWriter& writer_;
};

class PosixLock final : public DiskLock {
 public:
  PosixLock(DescriptorReserve& reserve, int fd) : fd_(reserve, fd) {}

 private:
  ReservedDescriptor fd_;  // closing it releases the flock
};

class PosixDisk final : public Disk {
 public:
  explicit PosixDisk(std::unique_ptr<DurableWriter> writer) : writer_(std::move(writer)) {}

  absl::StatusOr<std::unique_ptr<DiskLock>> lock(const fs::path& dir) override {
    const fs::path path = dir / "LOCK";
    const int fd = reserve_.open(path.c_str(), O_RDWR | O_CREAT, kFileMode);
    if (fd < 0) return from_errno(-fd, "open", path);
    auto held = std::make_unique<PosixLock>(reserve_, fd);
    const auto give_up = std::chrono::steady_clock::now() + kLockRetryFor;
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return from_errno(errno, "lock", path);
      if (std::chrono::steady_clock::now() >= give_up)
        return absl::UnavailableError(fmt::format(
            "{} is in use by another pump; stop that one, or give this one its own data folder", dir.string()));
      std::this_thread::sleep_for(kLockRetryEvery);
    }
    return held;
  }

  absl::Status create_dir(const fs::path& dir) override {
    if (dir.empty() || ::access(dir.c_str(), F_OK) == 0) return absl::OkStatus();
    SLUICE_RETURN_IF_ERROR(create_dir(dir.parent_path()));
    if (::mkdir(dir.c_str(), kDirMode) != 0 && errno != EEXIST) return from_errno(errno, "create folder", dir);
    return sync_dir(dir.has_parent_path() ? dir.parent_path() : fs::path("."));
  }

  absl::StatusOr<std::vector<std::string>> list(const fs::path& dir) override {
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error))
      names.push_back(it->path().filename().string());
    if (error) return from_errno(error.value(), "list", dir);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<std::unique_ptr<DiskFile>> open(const fs::path& file) override { return open_with(file, O_RDWR); }

  absl::StatusOr<std::unique_ptr<DiskFile>> create(const fs::path& file, uint64_t bytes) override {
    // Sized through a descriptor of its own: fallocate keeps the blocks together and meets a full disk here, not at an
    // append.
    const ReservedDescriptor fd(reserve_, reserve_.open(file.c_str(), O_RDWR | O_CREAT | O_EXCL, kFileMode));
    if (fd.get() < 0) return from_errno(-fd.get(), "create", file);
    int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes));
    if (error == EOPNOTSUPP || error == EINVAL || error == ENOSYS)
      error = ::ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0 ? 0 : errno;
    if (error == 0) return open_with(file, O_RDWR);
    ::unlink(file.c_str());  // gives back what it had got of a full disk
    return from_errno(error, fmt::format("reserve {} bytes for", bytes), file);
  }

  absl::Status rename(const fs::path& from, const fs::path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return from_errno(errno, "rename", from);
    return absl::OkStatus();
  }

  absl::Status remove(const fs::path& file) override {
    if (::unlink(file.c_str()) != 0) return from_errno(errno, "remove", file);
    return absl::OkStatus();
  }

  absl::Status sync_dir(const fs::path& dir) override {
    const ReservedDescriptor fd(reserve_, reserve_.open(dir.c_str(), O_RDONLY | O_DIRECTORY));
    if (fd.get() < 0) return from_errno(-fd.get(), "open folder", dir);
    if (::fsync(fd.get()) != 0) return from_errno(errno, "sync folder", dir);
    return absl::OkStatus();
  }

  absl::Status attach_thread() override {
    const int result = writer_->attach_thread();
    return result == 0 ? absl::OkStatus()
                       : from_errno(-result, "take the thread's ring of", std::string(writer_->name()));
  }

  std::string_view backend() const override { return writer_->name(); }

 private:
  absl::StatusOr<std::unique_ptr<DiskFile>> open_with(const fs::path& file, int flags) {
    int fd = reserve_.open(file.c_str(), flags | O_DIRECT);
    if (fd == -EINVAL) {
      fd = reserve_.open(file.c_str(), flags);
      if (fd >= 0 && !said_buffered_.exchange(true))
        spdlog::warn(
            "this file system refuses direct I/O; the log writes through the page cache, durable all the same path={}",
            file.string());
    }
    if (fd < 0) return from_errno(-fd, "open", file);
    return std::make_unique<PosixFile>(reserve_, fd, file, *writer_);
  }

  DescriptorReserve reserve_{kDescriptorsReserved};
  std::unique_ptr<DurableWriter> writer_;
  std::atomic<bool> said_buffered_{false};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Disk>> open_disk(DiskBackend backend) {
  if (backend == DiskBackend::pwritev2) return std::make_unique<PosixDisk>(make_pwritev2_writer());
  auto writer = make_uring_writer();
  if (writer.ok()) return std::make_unique<PosixDisk>(*std::move(writer));
  if (backend == DiskBackend::io_uring) return writer.status();
  spdlog::warn("io_uring can't be used, the log goes on with pwritev2 reason=\"{}\"", message_of(writer.status()));
  return std::make_unique<PosixDisk>(make_pwritev2_writer());
}

}  // namespace sluice::storage
