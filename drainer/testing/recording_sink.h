// A sink for tests: keeps what it was given, and is durable as far as the test lets it.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "drainer/sinks/sink.h"

namespace sluice::drainer {

class RecordingSink : public sinks::Sink {
 public:
  CommitTs position;                       // what open() answers
  bool kept_with_the_rows = false;         // as MySQL keeps it
  bool durable_at_once = true;             // else only flush() makes durable
  absl::Status refuse = absl::OkStatus();  // what submit() answers at `refuse_at`
  CommitTs refuse_at;
  absl::Status fail_while_idle;  // what tend() answers

  absl::StatusOr<sinks::SinkPosition> open(CommitTs at_least) override {
    opened = true;
    opened_at_least = at_least;
    return sinks::SinkPosition{
        .applied_through = position, .kept_with_the_rows = kept_with_the_rows, .place = "the test's downstream"};
  }
  absl::Status submit(std::shared_ptr<const change::Transaction> transaction) override {
    const std::lock_guard lock(mutex_);
    if (!refuse.ok() && transaction->commit_ts >= refuse_at) return refuse;
    submitted_.push_back(transaction->commit_ts.value);
    if (durable_at_once) durable_ = transaction->commit_ts;
    changed_.notify_all();
    return absl::OkStatus();
  }
  absl::Status resolve(ResolvedTs ts) override {
    const std::lock_guard lock(mutex_);
    resolved_ = CommitTs(ts.value);
    if (durable_at_once) durable_ = std::max(durable_, resolved_);
    changed_.notify_all();
    return absl::OkStatus();
  }
  absl::Status flush() override {
    const std::lock_guard lock(mutex_);
    durable_ = std::max(durable_, resolved_);
    if (!submitted_.empty()) durable_ = std::max(durable_, CommitTs(submitted_.back()));
    ++flushes;
    return absl::OkStatus();
  }
  CommitTs durable_through() const override {
    const std::lock_guard lock(mutex_);
    return durable_;
  }
  absl::Status health() const override {
    const std::lock_guard lock(mutex_);
    return broken_;
  }
  // As a sink's own thread ends, while nobody submits.
  void break_with(absl::Status status) {
    const std::lock_guard lock(mutex_);
    broken_ = std::move(status);
  }
  std::optional<sinks::SinkHold> hold() const override {
    const std::lock_guard lock(mutex_);
    return hold_;
  }
  // As a downstream that doesn't answer holds it up.
  void hold_up(std::optional<sinks::SinkHold> hold) {
    const std::lock_guard lock(mutex_);
    hold_ = std::move(hold);
  }
  absl::Status tend() override {
    const std::lock_guard lock(mutex_);
    ++tends_;
    changed_.notify_all();
    return fail_while_idle;
  }
  void close() override { closed = true; }

  [[nodiscard]] std::vector<uint64_t> submitted() const {
    const std::lock_guard lock(mutex_);
    return submitted_;
  }
  [[nodiscard]] CommitTs resolved() const {
    const std::lock_guard lock(mutex_);
    return resolved_;
  }
  bool await_submitted(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return submitted_.size() >= count; });
  }

  bool opened = false;
  CommitTs opened_at_least;
  int flushes = 0;
  bool closed = false;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<uint64_t> submitted_;
  int tends_ = 0;
  CommitTs resolved_;
  CommitTs durable_;
  absl::Status broken_;
  std::optional<sinks::SinkHold> hold_;
};

}  // namespace sluice::drainer
