#include "drainer/data_dir.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/status.h"

namespace sluice::drainer {

absl::StatusOr<DataDir> DataDir::open(const std::string& path) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (error) return absl::UnavailableError(fmt::format("cannot make --data-dir {}: {}", path, error.message()));
  if (made) std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);  // as TiDB-Binlog makes it
  const std::string lock_path = path + "/drainer.lock";
  DataDir dir(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (dir.lock_ < 0)
    return absl::UnavailableError(fmt::format("cannot create {}: {}", lock_path, std::strerror(errno)));
  if (::flock(dir.lock_, LOCK_EX | LOCK_NB) != 0)
    return absl::AlreadyExistsError(
        fmt::format("--data-dir {} is in use by another drainer: stop it or give another folder", path));
  return dir;
}

DataDir::DataDir(DataDir&& other) noexcept : lock_(std::exchange(other.lock_, -1)) {}

DataDir::~DataDir() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace sluice::drainer
