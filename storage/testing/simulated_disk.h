// A disk in memory that loses what a real one may lose, by seed: for tests.
// Contract: what was written durably or synced survives crash(); of every other write each 512-byte sector is kept or
//           lost at random, and so is each name since its folder's last sync. The same calls and seed give the same
//           result.
// Threads:  any; the order of calls of several threads is theirs, so only one thread's use repeats exactly.
// Errors:   those injected by a Fault; UNAVAILABLE for everything after the fault that cuts the power, until crash().
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/disk/disk.h"

namespace sluice::storage {

inline constexpr uint32_t kSectorBytes = 512;

class SimulatedDisk final : public Disk {
 public:
  enum class Call { write_plain, write_durable, read, sync, open, create, list, remove, sync_dir, rename };
  enum class Effect {
    io_error,  // nothing is done
    // Nothing is done, for want of something that may come back.
    no_space,
    no_descriptor,
    no_memory,
    short_write,  // a random part is done
    power_cut,    // a write is done, but not durable; everything after it fails until crash()
    stall,        // waits for release(), then is done
  };
  struct Fault {
    Effect effect{};
    bool sticky = false;  // meets every later call of the kind too
  };
  // Durable writes are taken, but durable only after a sync: what a log that acknowledges too early would rely on.
  struct Options {
    uint64_t seed = 1;
    bool lies_about_durable_writes = false;
  };

  explicit SimulatedDisk(Options options) : options_(options), random_(options.seed) {}

  // On the n-th call from now (0: the next one) of that kind, or of any kind.
  void inject(std::optional<Call> call, uint64_t n, Fault fault);
  void clear_faults();
  // Blocks until a call stalls.
  void wait_for_stall();
  // Lets go on what stalls now and whatever would stall later.
  void release();
  [[nodiscard]] uint64_t calls(Call call) const;

  [[nodiscard]] uint64_t open_files_max() const;  // at once, so far

  // Power loss: decides what is kept, then works again. Files of before stay usable; they see the new content.
  void crash();

  // The bytes as a reader sees them.
  [[nodiscard]] std::string content(const std::filesystem::path& file) const;
  // Changes bytes under everyone's feet, durably.
  void set_content(const std::filesystem::path& file, std::string bytes);
  void flip_bit(const std::filesystem::path& file, uint64_t offset, unsigned bit);
  void erase(const std::filesystem::path& file);

  absl::StatusOr<std::unique_ptr<DiskLock>> lock(const std::filesystem::path& dir) override;
  absl::Status create_dir(const std::filesystem::path& dir) override;
  absl::StatusOr<std::vector<std::string>> list(const std::filesystem::path& dir) override;
  absl::StatusOr<std::unique_ptr<DiskFile>> open(const std::filesystem::path& file) override;
  absl::StatusOr<std::unique_ptr<DiskFile>> create(const std::filesystem::path& file, uint64_t bytes) override;
  absl::Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  absl::Status remove(const std::filesystem::path& file) override;
  absl::Status sync_dir(const std::filesystem::path& dir) override;
  std::string_view backend() const override { return "simulated"; }

 private:
  friend class SimulatedFile;
  friend class SimulatedLock;

  struct Inode {
    std::string now;                     // what readers see
    std::string durable;                 // what a crash leaves for sure
    std::set<uint64_t> pending_sectors;  // where the two may differ
    bool size_pending = false;
  };
  using Names = std::map<std::filesystem::path, std::shared_ptr<Inode>>;
  struct NameChange {
    std::filesystem::path added, removed;  // either may be empty
    std::shared_ptr<Inode> inode;
  };
  struct Planned {
    std::optional<Call> call;
    uint64_t countdown = 0;
    Fault fault;
  };

  [[nodiscard]] std::optional<Effect> next_effect(Call call);
  [[nodiscard]] absl::Status enter(std::unique_lock<std::mutex>& lock, Call call, std::optional<Effect>& effect);
  [[nodiscard]] absl::StatusOr<size_t> write(Inode& inode, uint64_t offset, ByteSpan bytes, WriteMode mode);
  [[nodiscard]] absl::StatusOr<size_t> read(const Inode& inode, uint64_t offset, MutableByteSpan into);
  [[nodiscard]] absl::Status sync(Inode& inode);
  static void settle(Inode& inode);
  void crash_inode(Inode& inode);
  static void apply(const NameChange& change, Names& names);

  const Options options_;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> pending_names_;
  std::set<std::filesystem::path> dirs_;
  std::set<std::filesystem::path> locked_;
  std::vector<Planned> planned_;
  std::map<Call, uint64_t> calls_;
  bool power_is_off_ = false;
  uint64_t open_files_ = 0, open_files_max_ = 0;
  std::condition_variable stalls_;
  uint64_t stalled_ = 0;
  bool released_ = false;
};

}  // namespace sluice::storage
