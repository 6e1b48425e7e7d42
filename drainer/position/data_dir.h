// The drainer's folder, held against a second drainer for as long as the object lives.
#pragma once

#include <string>
#include <utility>

#include <absl/status/statusor.h>

#include "host/folder_lock.h"

namespace sluice::drainer::position {

class DataDir {
 public:
  // Makes the folder if needed.
  // Errors:   UNAVAILABLE when it can't be made or written, or another drainer uses it.
  [[nodiscard]] static absl::StatusOr<DataDir> open(const std::string& path);

 private:
  explicit DataDir(host::FolderLock lock) : lock_(std::move(lock)) {}
  host::FolderLock lock_;
};

}  // namespace sluice::drainer::position
