// TiDB's binary JSON as text: ", " and ": " between, keys as stored, numbers as the Go programs print them.
// Contract: bounds are checked before anything is read; the text is at most kJsonExpansionMax times the input, so
//           values that point at each other can't blow up.
// Errors:   DATA_LOSS.
// Format:   docs/formats/row-v1.md
#pragma once

#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace sluice::drainer::translator {

inline constexpr size_t kJsonExpansionMax = 16;
inline constexpr unsigned kJsonDepthMax = 200;

// Size of the value (type code included) at the front of `bytes`.
[[nodiscard]] absl::StatusOr<size_t> json_bytes(std::string_view bytes);

// Appends the value to `text`.
[[nodiscard]] absl::Status append_json(std::string_view value, std::string& text);

}  // namespace sluice::drainer::translator
