// For tests: a log in a small language, `write(1, "a")`, `reopen()`, `recovered()`; its listener keeps what was
// acknowledged.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/record.h"
#include "base/status.h"
#include "storage/disk/disk.h"
#include "storage/format/batch_format.h"
#include "storage/log.h"

namespace sluice::storage {

// Remembers what became durable; lets a test wait for it without sleeping.
class RecordingListener final : public LogListener {
 public:
  void on_durable(const DurableRun& run, Ticket through) override {
    const std::lock_guard lock(mutex_);
    positions_.push_back(run.position);
    records_ += as_text(run.records);
    through_ = through;
    changed_.notify_all();
  }
  void on_failed(const absl::Status& why) override {
    const std::lock_guard lock(mutex_);
    failed_ = why;
    changed_.notify_all();
  }
  // False when the log failed first.
  [[nodiscard]] bool wait_for(Ticket ticket) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return through_ >= ticket || !failed_.ok(); });
    return through_ >= ticket;
  }
  [[nodiscard]] absl::Status wait_for_failure() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !failed_.ok(); });
    return failed_;
  }
  [[nodiscard]] absl::Status failure() const {
    const std::lock_guard lock(mutex_);
    return failed_;
  }
  [[nodiscard]] std::string records() const {
    const std::lock_guard lock(mutex_);
    return records_;
  }
  // Of each durable run's first record.
  [[nodiscard]] std::vector<LogPosition> positions() const {
    const std::lock_guard lock(mutex_);
    return positions_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<LogPosition> positions_;
  std::string records_;
  Ticket through_ = 0;
  absl::Status failed_;
};

[[nodiscard]] inline std::string prewrite(uint64_t start, std::string_view payload) {
  std::string run;
  encode_prewrite(StartTs(start), PayloadFormat::tidb, as_bytes(payload), run);
  return run;
}

[[nodiscard]] inline std::string commit(uint64_t start, uint64_t commit) {
  std::string run;
  encode_commit(StartTs(start), CommitTs(commit), run);
  return run;
}

[[nodiscard]] inline LogOptions small_log_options(std::filesystem::path dir) {
  constexpr uint32_t kBatchBytesMax = 2u << 20;
  return {.dir = std::move(dir),
          .cluster_id = 7,
          .segment_bytes = 4u << 20,
          .batch_bytes_max = kBatchBytesMax,
          .ahead_bytes = 2u << 20,
          .idle_watermark_after = std::chrono::milliseconds(0)};
}

class LogFixture {
 public:
  LogFixture(Disk& disk, LogOptions options) : disk_(disk), options_(std::move(options)) {}

  absl::Status open() {
    close();
    recovered_.clear();
    listener_ = std::make_unique<RecordingListener>();
    auto log = Log::open(options_, disk_, *listener_, [this](const DurableRun& run) {
      recovered_ += as_text(run.records);
      return absl::OkStatus();
    });
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }
  // Appends and waits for the ack. Returns the position of the first record.
  LogPosition write(const std::string& run) {
    const auto ticket = log_->append(run);
    EXPECT_TRUE(ticket.ok()) << ticket.status();
    EXPECT_TRUE(listener_->wait_for(*ticket));
    return listener_->positions().back();
  }
  void close() { log_.reset(); }

  Log& log() { return *log_; }
  RecordingListener& listener() { return *listener_; }
  LogOptions& options() { return options_; }
  [[nodiscard]] const std::string& recovered() const { return recovered_; }

 private:
  Disk& disk_;
  LogOptions options_;
  std::unique_ptr<RecordingListener> listener_;
  std::unique_ptr<Log> log_;
  std::string recovered_;
};

}  // namespace sluice::storage
