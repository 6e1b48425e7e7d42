#include "host/folder_lock.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>

#include "base/status.h"

namespace sluice::host {

absl::Status lock_file(const FileDescriptor& file, std::string_view what, const FolderLockOptions& options) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  if (errno != EWOULDBLOCK) return absl::UnavailableError(fmt::format("lock {}: {}", what, std::strerror(errno)));
  return absl::UnavailableError(
      fmt::format("{} is in use by another {}; stop it, or give another {}", what, options.holder, options.option));
}

absl::StatusOr<FolderLock> FolderLock::take(const std::filesystem::path& folder, const FolderLockOptions& options) {
  const std::filesystem::path file = folder / options.file;
  FileDescriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return absl::UnavailableError(fmt::format("open {}: {}", file.string(), std::strerror(errno)));
  SLUICE_RETURN_IF_ERROR(lock_file(lock, fmt::format("{} {}", options.noun, folder.string()), options));
  return FolderLock(std::move(lock));
}

}  // namespace sluice::host
