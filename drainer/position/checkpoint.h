// The checkpoint file `<data-dir>/savepoint`: how far the downstream has everything. TiDB-Binlog's name, keys and
// syntax, so that a user can move over and back: TOML `consistent`, `commitTS`, `schema-version`; a missing key is 0 or
// false.
// Contract: save() returns after the new content is durable. The caller passes a ts that the sink has made durable
//           (INV-7); a ts below the saved one is a bug and asserted.
// Errors:   FAILED_PRECONDITION for a file that isn't ours or is damaged, UNAVAILABLE when the disk refuses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"

namespace sluice::drainer::position {

struct Savepoint {
  bool consistent = false;  // true only after a clean stop
  CommitTs commit_ts;       // 0: none yet
  int64_t schema_version = 0;
  friend bool operator==(const Savepoint&, const Savepoint&) = default;
};

[[nodiscard]] std::string encode_savepoint(const Savepoint& savepoint);
[[nodiscard]] absl::StatusOr<Savepoint> decode_savepoint(std::string_view text, std::string_view origin);

class Checkpoint {
 public:
  [[nodiscard]] static absl::StatusOr<Checkpoint> open(std::string data_dir);

  [[nodiscard]] const Savepoint& saved() const { return saved_; }
  [[nodiscard]] absl::Status save(const Savepoint& savepoint);

 private:
  Checkpoint(std::string path, Savepoint saved) : path_(std::move(path)), saved_(saved) {}

  std::string path_;
  Savepoint saved_;
};

}  // namespace sluice::drainer::position
