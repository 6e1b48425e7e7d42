// A folder held against a second process for as long as the object lives; the lock falls with the process, however it
// ends.
// Errors:   UNAVAILABLE when it is held by another (it may be ending: trying again can heal it), or when the lock file
//           can't be made.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "host/file_descriptor.h"

namespace sluice::host {

struct FolderLockOptions {
  std::string_view file = ".lock";  // its name in the folder
  std::string_view noun = "data folder";
  std::string_view option = "--data-dir";  // what to say when it is in use: another value for this
  std::string_view holder = "process";     // "pump": who holds it, as far as the lock file's name tells
};

// Holds an open file against every other process that asks for the same; given up when its last descriptor closes.
// `what` names what the file stands for in the error: "data folder /var/pump".
[[nodiscard]] absl::Status lock_file(const FileDescriptor& file, std::string_view what,
                                     const FolderLockOptions& options);

class FolderLock {
 public:
  [[nodiscard]] static absl::StatusOr<FolderLock> take(const std::filesystem::path& folder,
                                                       const FolderLockOptions& options);

 private:
  explicit FolderLock(FileDescriptor lock) : lock_(std::move(lock)) {}

  FileDescriptor lock_;
};

}  // namespace sluice::host
