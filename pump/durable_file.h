// Small files that must be whole after a crash: the pump's META and its oracle's bound.
// Contract: after replace_file() returns OK the new text survives power loss; after a crash in it, the old or the new
//           text is there, whole.
// Threads:  any; blocks on the disk.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace sluice::pump {

// Writes beside `file`, syncs, renames over it, syncs the folder.
// Errors:   UNAVAILABLE, naming file and call.
[[nodiscard]] absl::Status replace_file(const std::filesystem::path& file, std::string_view text);

// NOT_FOUND when there is none; RESOURCE_EXHAUSTED above 64 KiB, which none of ours is.
[[nodiscard]] absl::StatusOr<std::string> read_small_file(const std::filesystem::path& file);

}  // namespace sluice::pump
