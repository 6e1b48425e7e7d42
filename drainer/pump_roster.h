// The pumps this drainer has pulled from, kept in `<data-dir>/pumps`, against the pumps it is now told to pull from.
// A static list can silently lose a pump (its binlogs would be passed over) or gain one that already holds binlogs
// below the drainer's position (they would never be pulled). The roster refuses the first and names the second. A pump
// is known by its node id, learned at its first welcome; an address may change. File:    one line a pump: `address
// node-id state`, state `active` or `ended:<final ts>`; first line `cluster <id>`.
// Threads:  one (the loop's).
// Errors:   FAILED_PRECONDITION naming the pump and what to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"

namespace sluice::drainer {

// How a pump takes part. `pulled_through`: nothing for a pump whose binlogs this drainer has pulled all along (or when
// it starts from scratch); else the pump joins, and what it holds above this and at or below the drainer's position was
// never seen: 0 for a pump never met, its final ts for one that had ended.
struct PumpAdmission {
  std::optional<CommitTs> pulled_through;
  friend bool operator==(const PumpAdmission&, const PumpAdmission&) = default;
};

class PumpRoster {
 public:
  struct Entry {
    std::string address;
    std::string node_id;
    std::optional<CommitTs> final_ts;  // it has ended; what it had is pulled up to there
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  // `text`: the kept file, empty at the first start. `addresses`: what the user gave now, in the order of sources.
  [[nodiscard]] static absl::StatusOr<PumpRoster> parse(std::string_view text, std::vector<std::string> addresses);

  // Before anything is pulled: refuses when fewer pumps are given than could cover those kept and not ended at
  // `position`.
  [[nodiscard]] absl::Status check(CommitTs position) const;

  // A pump said who it is. Refuses a pump of another cluster, one pump under two addresses, and, once all have spoken,
  // a kept pump that isn't among them.
  [[nodiscard]] absl::StatusOr<PumpAdmission> welcome(size_t source, std::string_view node_id, uint64_t cluster_id);
  // A pump that joins has shown that it holds nothing that was never seen.
  void proven(size_t source);
  void ended(size_t source, CommitTs final_ts);

  [[nodiscard]] bool all_welcomed() const;
  [[nodiscard]] uint64_t cluster_id() const { return cluster_id_; }  // 0: not known yet
  // True when text() has changed since the last call.
  [[nodiscard]] bool take_changed();
  [[nodiscard]] std::string text() const;

 private:
  struct Given {
    std::string address;
    std::string node_id;  // empty until welcomed
  };

  [[nodiscard]] Entry* kept(std::string_view node_id);
  [[nodiscard]] absl::Status missing(const Entry& entry) const;
  void keep(const Given& given);

  std::vector<Entry> kept_;
  std::vector<Given> given_;
  uint64_t cluster_id_ = 0;
  bool first_start_ = true;
  bool changed_ = false;
};

}  // namespace sluice::drainer
