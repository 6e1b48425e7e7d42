// The drainer's folder, held against a second drainer for as long as the object lives.
#pragma once

#include <string>

#include <absl/status/statusor.h>

namespace sluice::drainer {

class DataDir {
 public:
  // Makes the folder if needed.
  // Errors:   UNAVAILABLE when it can't be made or written, ALREADY_EXISTS when another drainer uses it.
  [[nodiscard]] static absl::StatusOr<DataDir> open(const std::string& path);
  DataDir(DataDir&& other) noexcept;
  DataDir& operator=(DataDir&&) = delete;
  ~DataDir();

 private:
  explicit DataDir(int lock) : lock_(lock) {}
  int lock_;
};

}  // namespace sluice::drainer
