// Who a log is and how far it has got: what its segments alone can't tell once some of them are gone.
// Contract: a segment is named here, durably, before it takes a record; so a log that has lost its end, or all of its
//           segments, is noticed (INV-5).
// Threads:  one at a time.
// Owns:     the open file: noting needs no descriptor.
// Errors:   DATA_LOSS for anything that encode didn't write; FAILED_PRECONDITION for a newer format version; those of
//           the disk. After RESOURCE_EXHAUSTED note() may be called again.
// Format:   docs/formats/log-identity.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/bytes.h"
#include "base/log_position.h"
#include "storage/disk/aligned_buffer.h"
#include "storage/disk/disk.h"

namespace sluice::storage {

inline constexpr std::string_view kIdentityFileName = "IDENTITY";
inline constexpr uint64_t kIdentityMagic = 0x3144'4947'4f4c'4c53;  // "SLLOGID1"
inline constexpr uint16_t kIdentityVersion = 1;
inline constexpr uint32_t kIdentityBytes = 64;  // within one sector: it can't tear

struct LogIdentity {
  uint64_t birth_id = 0;      // random, never 0; the salt of the log's first segment
  uint32_t last_segment = 0;  // no later one holds a record; 0: none has been used
  LogPosition durable;        // the log was durable up to here when this was written; it was so before, and is since

  friend bool operator==(const LogIdentity&, const LogIdentity&) = default;
};

// Writes kBlockBytes to `block`.
void encode_identity(const LogIdentity& identity, std::byte* block);
[[nodiscard]] absl::StatusOr<LogIdentity> decode_identity(ByteSpan block);

// nullopt: the folder or the file isn't there, as before a log's first open or in a folder of the former format.
[[nodiscard]] absl::StatusOr<std::optional<LogIdentity>> read_identity(Disk& disk, const std::filesystem::path& dir);

class IdentityFile {
 public:
  // Makes the file if it isn't there; it says `identity`, durably, when this returns.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<IdentityFile>> open(Disk& disk, const std::filesystem::path& dir,
                                                                          const LogIdentity& identity);

  [[nodiscard]] const LogIdentity& identity() const { return identity_; }
  // Durable when it returns.
  [[nodiscard]] absl::Status note(uint32_t last_segment, LogPosition durable);

 private:
  explicit IdentityFile(std::unique_ptr<DiskFile> file) : file_(std::move(file)), block_(kBlockBytes) {}
  [[nodiscard]] absl::Status write(const LogIdentity& identity);

  std::unique_ptr<DiskFile> file_;
  AlignedBuffer block_;
  LogIdentity identity_;
};

}  // namespace sluice::storage
