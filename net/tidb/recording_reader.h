// Reads a recording: the WriteBinlogReq messages that reached one pump, in arrival order.
// Contract: next() gives each binlog with its payload bytes exactly as recorded, then nullopt at a clean end.
// Errors:   INVALID_ARGUMENT, naming file, byte offset and what to do, for a file that can't be read, is truncated,
//           isn't a recording, or mixes clusters. Nothing is skipped.
// Limits:   frame_bytes_max a frame; memory grows with the bytes that are there, not with the length they claim.
// Format:   frames of a u32 little-endian length and a WriteBinlogReq (net/tidb/pump.proto), plain or as one zstd
//           stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <absl/status/statusor.h>

#include "base/record.h"
#include "base/tso.h"

namespace sluice::net {

enum class BinlogStep { prewrite, commit, rollback };

struct RecordedBinlog {
  BinlogStep step{};
  StartTs start;
  CommitTs commit;      // of a commit
  std::string payload;  // of a prewrite: the serialized tipb Binlog
};

struct RecordingOptions {
  uint32_t frame_bytes_max = kTransactionBytesMax;
};

class RecordingReader {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RecordingReader>> open(const std::string& path,
                                                                             RecordingOptions options = {});
  virtual ~RecordingReader() = default;
  [[nodiscard]] virtual absl::StatusOr<std::optional<RecordedBinlog>> next() = 0;
  // 0 before the first binlog.
  [[nodiscard]] virtual uint64_t cluster_id() const = 0;
};

// What one whole recording holds; a truncated or foreign one is found before anything is sent.
struct RecordingSurvey {
  uint64_t cluster_id = 0;
  uint64_t binlogs = 0;
  Tso largest;
};
[[nodiscard]] absl::StatusOr<RecordingSurvey> survey_recording(const std::string& path, RecordingOptions options = {});

}  // namespace sluice::net
