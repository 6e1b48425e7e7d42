#include "host/folder_lock.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>

#include "base/status.h"

namespace sluice::host {

absl::StatusOr<FolderLock> FolderLock::take(const std::filesystem::path& folder, const FolderLockOptions& options) {
  const std::filesystem::path file = folder / options.file;
  FileDescriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return absl::UnavailableError(fmt::format("open {}: {}", file.string(), std::strerror(errno)));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return FolderLock(std::move(lock));
  if (errno != EWOULDBLOCK)
    return absl::UnavailableError(fmt::format("lock {}: {}", file.string(), std::strerror(errno)));
  return absl::UnavailableError(fmt::format("data folder {} is in use by another {}; stop it, or give another {}",
                                            folder.string(), options.holder, options.option));
}

}  // namespace sluice::host
