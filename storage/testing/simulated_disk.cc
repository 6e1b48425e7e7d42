#include "storage/testing/simulated_disk.h"

#include <algorithm>

#include "base/status.h"

namespace sluice::storage {

namespace fs = std::filesystem;

class SimulatedFile final : public DiskFile {
 public:
  // Under the disk's mutex.
  SimulatedFile(SimulatedDisk& disk, std::shared_ptr<SimulatedDisk::Inode> inode)
      : disk_(disk), inode_(std::move(inode)) {
    disk_.open_files_max_ = std::max(disk_.open_files_max_, ++disk_.open_files_);
  }
  ~SimulatedFile() override {
    const std::lock_guard lock(disk_.mutex_);
    --disk_.open_files_;
  }
  absl::StatusOr<size_t> write(uint64_t offset, ByteSpan bytes, WriteMode mode) override {
    return disk_.write(*inode_, offset, bytes, mode);
  }
  absl::StatusOr<size_t> read(uint64_t offset, MutableByteSpan into) override {
    return disk_.read(*inode_, offset, into);
  }
  absl::Status sync() override { return disk_.sync(*inode_); }
  absl::StatusOr<uint64_t> size() override {
    const std::lock_guard lock(disk_.mutex_);
    return inode_->now.size();
  }

 private:
  SimulatedDisk& disk_;
  std::shared_ptr<SimulatedDisk::Inode> inode_;
};

class SimulatedLock final : public DiskLock {
 public:
  SimulatedLock(SimulatedDisk& disk, fs::path dir) : disk_(disk), dir_(std::move(dir)) {}
  ~SimulatedLock() override {
    const std::lock_guard lock(disk_.mutex_);
    disk_.locked_.erase(dir_);
  }

 private:
  SimulatedDisk& disk_;
  fs::path dir_;
};

void SimulatedDisk::inject(std::optional<Call> call, uint64_t n, Fault fault) {
  const std::lock_guard lock(mutex_);
  planned_.push_back({call, n, fault});
}

void SimulatedDisk::clear_faults() {
  const std::lock_guard lock(mutex_);
  planned_.clear();
}

uint64_t SimulatedDisk::calls(Call call) const {
  const std::lock_guard lock(mutex_);
  const auto it = calls_.find(call);
  return it == calls_.end() ? 0 : it->second;
}

std::optional<SimulatedDisk::Effect> SimulatedDisk::next_effect(Call call) {
  std::optional<Effect> effect;
  for (auto it = planned_.begin(); it != planned_.end();) {
    const bool meant = !it->call || *it->call == call;
    if (meant && it->countdown == 0 && !effect) {
      effect = it->fault.effect;
      if (!it->fault.sticky) {
        it = planned_.erase(it);
        continue;
      }
    } else if (meant && it->countdown > 0) {
      --it->countdown;
    }
    ++it;
  }
  return effect;
}

absl::Status SimulatedDisk::enter(std::unique_lock<std::mutex>& lock, Call call, std::optional<Effect>& effect) {
  if (power_is_off_) return absl::UnavailableError("the simulated power is off");
  ++calls_[call];
  effect = next_effect(call);
  if (!effect) return absl::OkStatus();
  switch (*effect) {
    case Effect::io_error:
      return absl::UnavailableError("simulated: Input/output error");
    case Effect::no_space:
      return absl::ResourceExhaustedError("simulated: No space left on device");
    case Effect::no_descriptor:
      return absl::ResourceExhaustedError("simulated: Too many open files");
    case Effect::no_memory:
      return absl::ResourceExhaustedError("simulated: Cannot allocate memory");
    case Effect::power_cut:
      power_is_off_ = true;
      break;
    case Effect::stall:
      ++stalled_;
      stalls_.notify_all();
      stalls_.wait(lock, [this] { return released_; });
      --stalled_;
      break;
    case Effect::short_write:
      break;
  }
  return absl::OkStatus();
}

void SimulatedDisk::wait_for_stall() {
  std::unique_lock lock(mutex_);
  stalls_.wait(lock, [this] { return stalled_ > 0; });
}

void SimulatedDisk::release() {
  const std::lock_guard lock(mutex_);
  released_ = true;
  stalls_.notify_all();
}

uint64_t SimulatedDisk::open_files_max() const {
  const std::lock_guard lock(mutex_);
  return open_files_max_;
}

absl::StatusOr<size_t> SimulatedDisk::write(Inode& inode, uint64_t offset, ByteSpan bytes, WriteMode mode) {
  std::unique_lock lock(mutex_);
  SLUICE_ASSERT(offset % kBlockBytes == 0 && bytes.size() % kBlockBytes == 0 && !bytes.empty(), "offset={} bytes={}",
                offset, bytes.size());
  SLUICE_ASSERT(reinterpret_cast<uintptr_t>(bytes.data()) % kBlockBytes == 0);
  SLUICE_ASSERT(offset + bytes.size() <= inode.now.size(), "a write that grows the file: offset={} bytes={}", offset,
                bytes.size());
  std::optional<Effect> effect;
  SLUICE_RETURN_IF_ERROR(enter(lock, mode == WriteMode::durable ? Call::write_durable : Call::write_plain, effect));
  if (effect == Effect::short_write)
    bytes = bytes.first(kSectorBytes + random_() % (bytes.size() / kSectorBytes) * kSectorBytes);
  std::memcpy(inode.now.data() + offset, bytes.data(), bytes.size());
  const bool durable = mode == WriteMode::durable && !options_.lies_about_durable_writes && effect != Effect::power_cut;
  for (uint64_t sector = offset / kSectorBytes; sector < (offset + bytes.size()) / kSectorBytes; ++sector) {
    const uint64_t at = sector * kSectorBytes;
    if (durable) {
      std::memcpy(inode.durable.data() + at, inode.now.data() + at, kSectorBytes);
      inode.pending_sectors.erase(sector);
    } else {
      inode.pending_sectors.insert(sector);
    }
  }
  if (effect == Effect::power_cut) return absl::UnavailableError("the simulated power is off");
  return bytes.size();
}

absl::StatusOr<size_t> SimulatedDisk::read(const Inode& inode, uint64_t offset, MutableByteSpan into) {
  std::unique_lock lock(mutex_);
  std::optional<Effect> effect;
  SLUICE_RETURN_IF_ERROR(enter(lock, Call::read, effect));
  if (offset >= inode.now.size()) return size_t{0};
  const size_t bytes = std::min<size_t>(into.size(), inode.now.size() - offset);
  std::memcpy(into.data(), inode.now.data() + offset, bytes);
  return bytes;
}

void SimulatedDisk::settle(Inode& inode) {
  if (inode.size_pending) inode.durable.resize(inode.now.size());
  for (const uint64_t sector : inode.pending_sectors)
    std::memcpy(inode.durable.data() + sector * kSectorBytes, inode.now.data() + sector * kSectorBytes, kSectorBytes);
  inode.pending_sectors.clear();
  inode.size_pending = false;
}

absl::Status SimulatedDisk::sync(Inode& inode) {
  std::unique_lock lock(mutex_);
  std::optional<Effect> effect;
  SLUICE_RETURN_IF_ERROR(enter(lock, Call::sync, effect));
  if (effect == Effect::power_cut) return absl::UnavailableError("the simulated power is off");
  settle(inode);
  return absl::OkStatus();
}

void SimulatedDisk::crash_inode(Inode& inode) {
  // How much got through differs from crash to crash: all, nothing, or any subset of sectors.
  const uint64_t kept_of_4 = random_() % 5;
  if (inode.size_pending && random_() % 2 == 0) {
    inode.now = inode.durable;
  } else {
    inode.durable.resize(inode.now.size());
    for (const uint64_t sector : inode.pending_sectors) {
      const uint64_t at = sector * kSectorBytes;
      if (random_() % 4 < kept_of_4)
        std::memcpy(inode.durable.data() + at, inode.now.data() + at, kSectorBytes);
      else
        std::memcpy(inode.now.data() + at, inode.durable.data() + at, kSectorBytes);
    }
  }
  inode.pending_sectors.clear();
  inode.size_pending = false;
}

void SimulatedDisk::apply(const NameChange& change, Names& names) {
  if (!change.removed.empty()) names.erase(change.removed);
  if (!change.added.empty()) names[change.added] = change.inode;
}

void SimulatedDisk::crash() {
  std::unique_lock lock(mutex_);
  for (const NameChange& change : pending_names_)
    if (random_() % 2 == 0) apply(change, durable_names_);
  pending_names_.clear();
  names_ = durable_names_;
  std::set<Inode*> seen;
  for (const auto& [path, inode] : names_)
    if (seen.insert(inode.get()).second) crash_inode(*inode);
  planned_.clear();
  power_is_off_ = false;
}

std::string SimulatedDisk::content(const fs::path& file) const {
  std::unique_lock lock(mutex_);
  return names_.at(file)->now;
}

void SimulatedDisk::set_content(const fs::path& file, std::string bytes) {
  std::unique_lock lock(mutex_);
  auto& inode = names_[file];
  if (inode == nullptr) inode = std::make_shared<Inode>();
  durable_names_[file] = inode;
  inode->now = std::move(bytes);
  inode->size_pending = true;
  std::erase_if(inode->pending_sectors,
                [&](uint64_t sector) { return (sector + 1) * kSectorBytes > inode->now.size(); });
  settle(*inode);
  inode->durable = inode->now;
}

void SimulatedDisk::flip_bit(const fs::path& file, uint64_t offset, unsigned bit) {
  std::unique_lock lock(mutex_);
  for (std::string* image : {&names_.at(file)->now, &names_.at(file)->durable})
    (*image)[offset] = static_cast<char>((*image)[offset] ^ (1 << bit));
}

void SimulatedDisk::erase(const fs::path& file) {
  std::unique_lock lock(mutex_);
  names_.erase(file);
  durable_names_.erase(file);
}

absl::StatusOr<std::unique_ptr<DiskLock>> SimulatedDisk::lock(const fs::path& dir) {
  const std::lock_guard lock(mutex_);
  if (!locked_.insert(dir).second)
    return absl::UnavailableError(fmt::format("{} is in use by another pump", dir.string()));
  return std::make_unique<SimulatedLock>(*this, dir);
}

absl::Status SimulatedDisk::create_dir(const fs::path& dir) {
  const std::lock_guard lock(mutex_);
  dirs_.insert(dir);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SimulatedDisk::list(const fs::path& dir) {
  std::unique_lock lock(mutex_);
  std::optional<Effect> effect;
  SLUICE_RETURN_IF_ERROR(enter(lock, Call::list, effect));
  if (!dirs_.contains(dir)) return absl::NotFoundError(fmt::format("{}: no such folder", dir.string()));
  std::vector<std::string> names;
  for (const auto& [path, inode] : names_)
    if (path.parent_path() == dir) names.push_back(path.filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::unique_ptr<DiskFile>> SimulatedDisk::open(const fs::path& file) {
  std::unique_lock lock(mutex_);
  std::optional<Effect> effect;
  SLUICE_RETURN_IF_ERROR(enter(lock, Call::open, effect));
  const auto it = names_.find(file);
  if (it == names_.end()) return absl::NotFoundError(fmt::format("{}: no such file", file.string()));
  return std::make_unique<SimulatedFile>(*this, it->second);
}

absl::StatusOr<std::unique_ptr<DiskFile>> SimulatedDisk::create(const fs::path& file, uint64_t bytes) {
  std::unique_lock lock(mutex_);
  std::optional<Effect> effect;
  SLUICE_RETURN_IF_ERROR(enter(lock, Call::create, effect));
  if (names_.contains(file)) return absl::AlreadyExistsError(file.string());
  auto inode = std::make_shared<Inode>();
  inode->now.resize(bytes);
  inode->size_pending = true;
  names_[file] = inode;
  pending_names_.push_back({.added = file, .removed = {}, .inode = inode});
  return std::make_unique<SimulatedFile>(*this, inode);
}

absl::Status SimulatedDisk::rename(const fs::path& from, const fs::path& to) {
  std::unique_lock lock(mutex_);
  std::optional<Effect> effect;
  SLUICE_RETURN_IF_ERROR(enter(lock, Call::rename, effect));
  const auto it = names_.find(from);
  if (it == names_.end()) return absl::NotFoundError(from.string());
  pending_names_.push_back({.added = to, .removed = from, .inode = it->second});
  apply(pending_names_.back(), names_);
  return absl::OkStatus();
}

absl::Status SimulatedDisk::remove(const fs::path& file) {
  std::unique_lock lock(mutex_);
  std::optional<Effect> effect;
  SLUICE_RETURN_IF_ERROR(enter(lock, Call::remove, effect));
  if (!names_.contains(file)) return absl::NotFoundError(file.string());
  pending_names_.push_back({.added = {}, .removed = file, .inode = nullptr});
  apply(pending_names_.back(), names_);
  return absl::OkStatus();
}

absl::Status SimulatedDisk::sync_dir(const fs::path& dir) {
  std::unique_lock lock(mutex_);
  std::optional<Effect> effect;
  SLUICE_RETURN_IF_ERROR(enter(lock, Call::sync_dir, effect));
  if (effect == Effect::power_cut) return absl::UnavailableError("the simulated power is off");
  std::erase_if(pending_names_, [&](const NameChange& change) {
    const fs::path& name = change.added.empty() ? change.removed : change.added;
    if (name.parent_path() != dir) return false;
    apply(change, durable_names_);
    return true;
  });
  return absl::OkStatus();
}

}  // namespace sluice::storage
