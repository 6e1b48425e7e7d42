// Small files that a crash leaves whole: the old text or the new, never a mix.
// Contract: after replace_file() returns OK the new text survives power loss; after a crash in it, the old or the new
//           text is there, whole.
// Threads:  any; blocks on the disk.
// Errors:   UNAVAILABLE, naming call and file; FAILED_PRECONDITION for a file beyond the limit.
// Limits:   kSmallFileBytesMax; ours are far smaller.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace sluice::host {

inline constexpr size_t kSmallFileBytesMax = size_t{1} << 20;

// Writes beside `file` (its name with .new), syncs, renames over it, syncs the folder.
[[nodiscard]] absl::Status replace_file(const std::filesystem::path& file, std::string_view text, mode_t mode = 0600);

// Nothing when there is no such file.
[[nodiscard]] absl::StatusOr<std::optional<std::string>> read_small_file(const std::filesystem::path& file);

// Makes the names in `folder` durable: of files made, renamed or removed there.
[[nodiscard]] absl::Status sync_folder(const std::filesystem::path& folder);

}  // namespace sluice::host
