// The embedded oracle's bound on disk: two blocks of a file made once, overwritten in turn.
// Contract: after write() returns OK the bound survives power loss; a crash in a write leaves that bound or the one
//           before. A write needs no space, no new file and no descriptor: a full disk doesn't stop time.
// Threads:  one at a time; blocks on the disk.
// Owns:     the open file.
// Errors:   UNAVAILABLE, naming call and file; DATA_LOSS when neither block says a bound.
// Format:   docs/formats/data-folder.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace sluice::pump {

inline constexpr size_t kBoundBlockBytes = 4096;

struct BoundEntry {
  uint64_t sequence = 0;  // the larger one counts: a clean stop lowers the bound
  uint64_t bound_ms = 0;

  friend bool operator==(const BoundEntry&, const BoundEntry&) = default;
};

// One block, zeros to its end.
[[nodiscard]] std::string encode_bound(const BoundEntry& entry);
[[nodiscard]] absl::StatusOr<BoundEntry> decode_bound(std::string_view block);

class BoundFile {
 public:
  // Makes the file, holding 0, where there is none.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<BoundFile>> open(const std::filesystem::path& file);
  ~BoundFile();
  BoundFile(const BoundFile&) = delete;
  BoundFile& operator=(const BoundFile&) = delete;

  [[nodiscard]] uint64_t bound_ms() const { return last_.bound_ms; }  // as opened, or last written
  [[nodiscard]] absl::Status write(uint64_t bound_ms);

 private:
  BoundFile(std::filesystem::path file, int fd, BoundEntry last) : file_(std::move(file)), fd_(fd), last_(last) {}

  const std::filesystem::path file_;
  const int fd_;
  BoundEntry last_;
};

}  // namespace sluice::pump
