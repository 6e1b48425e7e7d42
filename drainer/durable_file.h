// Small files that a crash leaves whole: the old content or the new, never a mix.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace sluice::drainer {

// Writes `text` to a temporary file beside `path`, syncs it, renames it over `path` and syncs the folder.
[[nodiscard]] absl::Status replace_file_durably(const std::string& path, std::string_view text);

// Nothing when there is no such file.
// Limits:   files above 1 MiB are refused, ours are small.
[[nodiscard]] absl::StatusOr<std::optional<std::string>> read_small_file(const std::string& path);

}  // namespace sluice::drainer
