#include "storage/format/log_identity.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/status.h"

namespace sluice::storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHashAt = kIdentityBytes - 8;

}  // namespace

void encode_identity(const LogIdentity& identity, std::byte* to) {
  std::memset(to, 0, kBlockBytes);
  store_le<uint64_t>(to, kIdentityMagic);
  store_le<uint16_t>(to + 8, kIdentityVersion);
  store_le<uint16_t>(to + 10, kIdentityBytes);
  store_le<uint64_t>(to + 16, identity.birth_id);
  store_le<uint32_t>(to + 24, identity.last_segment);
  store_le<uint64_t>(to + 32, identity.durable.value);
  store_le<uint64_t>(to + kHashAt, xxh3({to, kHashAt}));
}

absl::StatusOr<LogIdentity> decode_identity(ByteSpan block) {
  if (block.size() != kBlockBytes)
    return absl::DataLossError(fmt::format("{} bytes are left of the log's identity", block.size()));
  const std::byte* from = block.data();
  if (load_le<uint64_t>(from) != kIdentityMagic) return absl::DataLossError("no log identity: wrong magic");
  // Before the hash: where a newer version keeps its hash is not ours to know.
  if (const auto version = load_le<uint16_t>(from + 8); version != kIdentityVersion)
    return absl::FailedPreconditionError(fmt::format(
        "log identity of format version {}, this program knows {}; start the program that wrote it, or a newer one",
        version, kIdentityVersion));
  const LogIdentity identity{.birth_id = load_le<uint64_t>(from + 16),
                             .last_segment = load_le<uint32_t>(from + 24),
                             .durable = LogPosition(load_le<uint64_t>(from + 32))};
  AlignedBuffer again(kBlockBytes);
  encode_identity(identity, again.data());
  if (identity.birth_id == 0 || std::memcmp(again.data(), from, kBlockBytes) != 0)
    return absl::DataLossError("the log's identity doesn't match its hash");
  return identity;
}

absl::StatusOr<std::optional<LogIdentity>> read_identity(Disk& disk, const fs::path& dir) {
  const fs::path path = dir / kIdentityFileName;
  const auto file = disk.open(path);
  if (absl::IsNotFound(file.status())) return std::nullopt;
  SLUICE_RETURN_IF_ERROR(file.status());
  AlignedBuffer block(kBlockBytes);
  SLUICE_ASSIGN_OR_RETURN(const size_t got, (*file)->read(0, block.span()));
  const auto identity = decode_identity(ByteSpan(block.span()).first(got));
  if (absl::IsDataLoss(identity.status()))
    return absl::DataLossError(fmt::format(
        "{}: {}, so nothing says how far the log had got. Nothing was changed. Put back an intact copy of this file, "
        "of "
        "the log's last run; without one, move the folder away, start this pump with an empty one and bring "
        "downstream back in step by a full copy",
        path.string(), message_of(identity.status())));
  if (!identity.ok()) return annotate(identity.status(), path.string());
  return std::optional(*identity);
}

absl::StatusOr<std::unique_ptr<IdentityFile>> IdentityFile::open(Disk& disk, const fs::path& dir,
                                                                 const LogIdentity& identity) {
  const fs::path path = dir / kIdentityFileName;
  SLUICE_ASSIGN_OR_RETURN(const auto there, read_identity(disk, dir));
  if (!there) {
    // Under its own name it is always whole.
    const fs::path fresh = dir / "IDENTITY.tmp";
    if (absl::Status removed = disk.remove(fresh); !removed.ok() && !absl::IsNotFound(removed)) return removed;
    SLUICE_ASSIGN_OR_RETURN(auto file, disk.create(fresh, kBlockBytes));
    IdentityFile first(std::move(file));
    SLUICE_RETURN_IF_ERROR(first.write(identity));
    SLUICE_RETURN_IF_ERROR(disk.rename(fresh, path));
    SLUICE_RETURN_IF_ERROR(disk.sync_dir(dir));
  }
  SLUICE_ASSIGN_OR_RETURN(auto file, disk.open(path));
  std::unique_ptr<IdentityFile> opened(new IdentityFile(std::move(file)));
  opened->identity_ = there.value_or(identity);
  if (opened->identity_ != identity) SLUICE_RETURN_IF_ERROR(opened->write(identity));
  return opened;
}

absl::Status IdentityFile::note(uint32_t last_segment, LogPosition durable) {
  SLUICE_ASSERT(last_segment >= identity_.last_segment && durable >= identity_.durable, "segment={} durable={}",
                last_segment, durable);
  LogIdentity next = identity_;
  next.last_segment = last_segment;
  next.durable = durable;
  return write(next);
}

absl::Status IdentityFile::write(const LogIdentity& identity) {
  encode_identity(identity, block_.data());
  uint64_t calls = 0;
  SLUICE_RETURN_IF_ERROR(write_fully(*file_, 0, block_.span(), WriteMode::plain, calls));
  SLUICE_RETURN_IF_ERROR(file_->sync());
  identity_ = identity;
  return absl::OkStatus();
}

}  // namespace sluice::storage
