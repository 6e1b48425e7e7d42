// The pumps this drainer has pulled from, kept in `<data-dir>/pumps`, against the pumps it is now told to pull from.
// A static list can silently lose a pump (its binlogs would be passed over), gain one that already holds binlogs below
// the drainer's position (they would never be pulled), or name one whose log was wiped or restored from an older copy
// (what was acked and never pulled is gone). The roster refuses the first and the last, and names the second. A pump is
// known by its node id, learned at its first welcome; an address may change. Its log is known by the id it was born
// with and by the largest commit ts that ever came out of it.
// Threads:  one at a time; the owner locks.
// Errors:   FAILED_PRECONDITION naming file, line, value or pump, and what to do.
// Format:   docs/formats/drainer-files.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/tso.h"

namespace sluice::drainer::pull {

// How a pump takes part. `pulled_through`: nothing for a pump whose binlogs this drainer has pulled all along (or when
// it starts from scratch); else the pump joins, and what it holds above this and at or below the drainer's position was
// never seen: 0 for a pump never met, its final ts for one that had ended.
struct PumpAdmission {
  std::optional<CommitTs> pulled_through{};
  CommitTs seen{};        // the pump must still have this one; 0: none of it is known
  ResolvedTs resolved{};  // between `seen` and this it had nothing
  friend bool operator==(const PumpAdmission&, const PumpAdmission&) = default;
};

// What a pump says of itself when it is met.
struct PumpIdentity {
  std::string_view node_id;
  uint64_t cluster_id = 0;
  uint64_t log_birth_id = 0;  // 0: it doesn't say
  CommitTs log_largest_ts{};  // of any kind in its log
};

class PumpRoster {
 public:
  struct Entry {
    std::string address;
    std::string node_id;
    std::optional<CommitTs> final_ts{};  // it has ended; what it had is pulled up to there
    uint64_t log_birth_id = 0;           // 0: not known yet
    CommitTs seen{};                     // the largest commit ts that came from it
    ResolvedTs resolved{};               // nothing but `seen` and below came, or will come, up to here
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  // `text`: the kept file, nothing at the first start. `addresses`: what the user gave now, in the order of sources.
  // `origin` names the file in errors.
  [[nodiscard]] static absl::StatusOr<PumpRoster> parse(std::optional<std::string_view> text,
                                                        std::vector<std::string> addresses,
                                                        std::string_view origin = "pumps");

  // Before anything is pulled: refuses when fewer pumps are given than could cover those kept and not ended at
  // `position`.
  [[nodiscard]] absl::Status check(CommitTs position) const;

  // A pump said who it is. Refuses a pump of another cluster, one pump under two addresses, a known pump with another
  // log or a log that ends below what came from it, and, once all have spoken, a kept pump that isn't among them.
  [[nodiscard]] absl::StatusOr<PumpAdmission> welcome(size_t source, const PumpIdentity& pump);
  // What has come from it so far; take_changed() tells of a larger `seen` only, a resolved ts alone isn't worth a
  // write.
  void saw(size_t source, CommitTs seen, ResolvedTs resolved);
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
    std::string node_id;        // empty until welcomed
    uint64_t log_birth_id = 0;  // of this run
  };

  [[nodiscard]] Entry* kept(std::string_view node_id);
  [[nodiscard]] absl::Status missing(const Entry& entry) const;
  [[nodiscard]] absl::Status check_log(const Given& given, const PumpIdentity& pump, const Entry* entry) const;
  void keep(const Given& given);

  std::vector<Entry> kept_;
  std::vector<Given> given_;
  std::string origin_;
  uint64_t cluster_id_ = 0;
  bool first_start_ = true;
  bool changed_ = false;
};

}  // namespace sluice::drainer::pull
