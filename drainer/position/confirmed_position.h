// `<data-dir>/downstream-position`: the last position that this drainer saw committed in a downstream which keeps its
// own. The downstream's word counts; this one tells a downstream that lost commits, or its whole progress, from one
// that is new. TOML keys `cluster-id`, `downstream`, `commitTS`.
// Contract: of another cluster or another downstream it says nothing.
// Errors:   FAILED_PRECONDITION for a file that isn't ours or is damaged.
// Format:   docs/formats/drainer-files.md
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"

namespace sluice::drainer::position {

struct ConfirmedPosition {
  uint64_t cluster_id = 0;
  std::string downstream;  // "user@host:port"
  CommitTs commit_ts;
  friend bool operator==(const ConfirmedPosition&, const ConfirmedPosition&) = default;
};

[[nodiscard]] std::string encode_confirmed_position(const ConfirmedPosition& position);
[[nodiscard]] absl::StatusOr<ConfirmedPosition> decode_confirmed_position(std::string_view text,
                                                                          std::string_view origin);

[[nodiscard]] std::string confirmed_position_path(const std::string& data_dir);

// What the folder knows of this cluster in this downstream: 0 when nothing.
[[nodiscard]] absl::StatusOr<CommitTs> read_confirmed_position(const std::string& data_dir, uint64_t cluster_id,
                                                               const std::string& downstream);

}  // namespace sluice::drainer::position
