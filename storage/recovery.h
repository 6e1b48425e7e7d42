// Finds out what a log holds after whatever happened: replays it, and tells a torn tail from damage to what was
// acknowledged.
// Contract: modifies nothing. Every durable record is replayed in log order, or the log is refused (INV-5).
// Errors:   DATA_LOSS: acked bytes are damaged or missing, or another log's (file, offset, what to do); FAILED_PRECONDITION: another
//           cluster's or a newer format's folder; UNAVAILABLE: the disk can't read. A read error is never taken for a
//           torn tail.
// Format:   docs/formats/segment.md, "Recovery"
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/disk/disk.h"
#include "storage/format/log_identity.h"
#include "storage/log_options.h"
#include "storage/log_writer.h"
#include "storage/segment/durable_run.h"
#include "storage/segment/segment_directory.h"

namespace sluice::storage {

enum class TailVerdict {
  clean,    // nothing was being written: appends may go on here
  torn,     // a write that was never acknowledged: appends go on in a new segment
  damaged,  // bytes below the durable position don't hold what was written
};

struct TailFacts {
  LogPosition stopped_at;    // the first place without a good batch
  LogPosition durable;       // the largest durable position that any header names, those behind stopped_at included
  bool zero_behind = false;  // all bytes that a write at stopped_at could have touched are zero
};
// With one write in flight, what lies below the durable position of a header was acknowledged before that header was
// submitted, and what lies above it was not.
[[nodiscard]] TailVerdict judge_tail(const TailFacts& facts);

struct RecoveredLog {
  uint64_t cluster_id = 0;                // 0: a new log
  std::optional<LogIdentity> identity{};  // as on disk; nullopt: a new log, or one of the former format
  std::vector<SegmentEntry> segments;     // activated ones, in order; the last one's end is where the log ends
  uint32_t next_sequence = 1;             // of the next segment to activate
  LogTail tail;
  TailVerdict verdict = TailVerdict::clean;
  std::string torn_because;
  uint64_t bytes_read = 0;
};

// What the identity file must say before appends go on. `fresh_birth_id` is for a new log.
[[nodiscard]] LogIdentity identity_of(const RecoveredLog& log, uint64_t fresh_birth_id);

[[nodiscard]] absl::StatusOr<RecoveredLog> recover_log(Disk& disk, const std::filesystem::path& dir,
                                                       const Replay& replay);

}  // namespace sluice::storage
