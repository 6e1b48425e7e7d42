// A simulated disk whose durable writes stand still while its gate is shut: the slowest disk there is, without a clock.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "storage/testing/simulated_disk.h"

namespace sluice::pump {

class Gate {
 public:
  void shut() { set(false); }
  void open() { set(true); }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
  }
  // Until somebody stands before it.
  void wait_for_arrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

 private:
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};

class GatedFile final : public storage::DiskFile {
 public:
  GatedFile(std::unique_ptr<storage::DiskFile> file, Gate& gate) : file_(std::move(file)), gate_(gate) {}
  absl::StatusOr<size_t> write(uint64_t offset, ByteSpan bytes, storage::WriteMode mode) override {
    if (mode == storage::WriteMode::durable) gate_.pass();
    return file_->write(offset, bytes, mode);
  }
  absl::StatusOr<size_t> read(uint64_t offset, MutableByteSpan into) override { return file_->read(offset, into); }
  absl::Status sync() override { return file_->sync(); }
  absl::StatusOr<uint64_t> size() override { return file_->size(); }

 private:
  const std::unique_ptr<storage::DiskFile> file_;
  Gate& gate_;
};

class GatedDisk final : public storage::Disk {
 public:
  Gate gate;
  storage::SimulatedDisk disk{{.seed = 1}};

  absl::StatusOr<std::unique_ptr<storage::DiskLock>> lock(const std::filesystem::path& dir) override {
    return disk.lock(dir);
  }
  absl::Status create_dir(const std::filesystem::path& dir) override { return disk.create_dir(dir); }
  absl::StatusOr<std::vector<std::string>> list(const std::filesystem::path& dir) override { return disk.list(dir); }
  absl::StatusOr<std::unique_ptr<storage::DiskFile>> open(const std::filesystem::path& file) override {
    return gated(disk.open(file));
  }
  absl::StatusOr<std::unique_ptr<storage::DiskFile>> create(const std::filesystem::path& file,
                                                            uint64_t bytes) override {
    return gated(disk.create(file, bytes));
  }
  absl::Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return disk.rename(from, to);
  }
  absl::Status remove(const std::filesystem::path& file) override { return disk.remove(file); }
  absl::Status sync_dir(const std::filesystem::path& dir) override { return disk.sync_dir(dir); }
  std::string_view backend() const override { return "simulated"; }

 private:
  absl::StatusOr<std::unique_ptr<storage::DiskFile>> gated(absl::StatusOr<std::unique_ptr<storage::DiskFile>> file) {
    if (!file.ok()) return file.status();
    return std::make_unique<GatedFile>(*std::move(file), gate);
  }
};

}  // namespace sluice::pump
