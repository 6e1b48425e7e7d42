// The pump's data folder: who may open it, whose it is, and where things lie in it.
// Contract: while it lives, no other process of ours opens the folder; the cluster id, once there, never changes; the
//           time source changes at most once, from undecided to decided, durably.
// Threads:  one at a time.
// Owns:     the lock.
// Errors:   UNAVAILABLE in use by another pump; FAILED_PRECONDITION another cluster's, a newer format, or another
//           program's folder; INVALID_ARGUMENT options that contradict it; DATA_LOSS a damaged META.
// Format:   docs/formats/data-folder.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "host/folder_lock.h"
#include "net/native/service.h"

namespace sluice::pump {

inline constexpr unsigned kDataFolderVersion = 2;  // 1: until its log is made

struct Meta {
  uint64_t cluster_id = 0;
  net::TimeSource time = net::TimeSource::unspecified;  // unspecified: undecided, the first record decides
  std::string node_id{};
  uint64_t log_birth_id = 0;  // 0: no log has been made here, or one before logs had an identity

  friend bool operator==(const Meta&, const Meta&) = default;
};

[[nodiscard]] std::string encode_meta(const Meta& meta);
[[nodiscard]] absl::StatusOr<Meta> decode_meta(std::string_view text);

[[nodiscard]] std::string_view to_string(net::TimeSource time);

struct DataFolderOptions {
  std::filesystem::path dir;
  uint64_t cluster_id = 0;                              // 0: the folder's, or a new one
  net::TimeSource time = net::TimeSource::unspecified;  // unspecified: the folder's
  std::string node_id{};                                // empty: the folder's, or host name and port
  uint16_t port = 0;                                    // for that name
};

class DataFolder {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DataFolder>> open(const DataFolderOptions& options);
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;

  [[nodiscard]] const Meta& meta() const { return meta_; }
  [[nodiscard]] std::filesystem::path dir() const { return dir_; }
  [[nodiscard]] std::filesystem::path log_dir() const { return dir_ / "log"; }
  [[nodiscard]] std::filesystem::path oracle_file() const { return dir_ / "oracle"; }

  // Blocks on the disk, once in a folder's life.
  [[nodiscard]] absl::Status decide_time(net::TimeSource time);

  // From now on the folder is refused without this log. Before the first record is acknowledged; blocks on the disk,
  // once in a folder's life.
  [[nodiscard]] absl::Status name_log(uint64_t birth_id);

 private:
  DataFolder(std::filesystem::path dir, host::FolderLock lock) : dir_(std::move(dir)), lock_(std::move(lock)) {}
  [[nodiscard]] absl::Status load_or_make(const DataFolderOptions& options);
  [[nodiscard]] absl::Status load(std::string_view text, const DataFolderOptions& options);
  [[nodiscard]] absl::StatusOr<std::string> choose_node_id(const DataFolderOptions& options) const;

  const std::filesystem::path dir_;
  const host::FolderLock lock_;
  Meta meta_;
};

}  // namespace sluice::pump
