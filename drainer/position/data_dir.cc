#include "drainer/position/data_dir.h"

#include <filesystem>
#include <system_error>

#include "base/status.h"

namespace sluice::drainer::position {

absl::StatusOr<DataDir> DataDir::open(const std::string& path) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (error) return absl::UnavailableError(fmt::format("cannot make --data-dir {}: {}", path, error.message()));
  if (made) std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);  // as TiDB-Binlog makes it
  SLUICE_ASSIGN_OR_RETURN(host::FolderLock lock,
                          host::FolderLock::take(path, {.file = "drainer.lock", .holder = "drainer"}));
  return DataDir(std::move(lock));
}

}  // namespace sluice::drainer::position
