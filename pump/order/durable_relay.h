// Carries the log's durability events from the log thread to the event loop, several at a time.
// Contract: the loop sees records and tickets in log order, and a failure after everything durable before it.
// Threads:  the listener's calls on the log thread; attach() and the handlers on the loop's.
// Limits:   holds a header (64 bytes) for each record that the loop hasn't seen: bounded by the log's queue.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/log_position.h"
#include "base/record.h"
#include "storage/log.h"

namespace sluice::pump {

struct PlacedRecord {
  LogPosition position;
  RecordHeader header;
};

// The records of a durable run with their places. Their bytes were checked before they were appended, or by recovery.
[[nodiscard]] absl::Status place_records(const storage::DurableRun& run, std::vector<PlacedRecord>& out);

class DurableRelay final : public storage::LogListener {
 public:
  using PostToLoop = std::function<void(std::function<void()>)>;
  struct Handlers {
    std::function<void(const std::vector<PlacedRecord>& records, storage::Ticket through)> on_durable;
    std::function<void(const absl::Status& why)> on_failed;
  };

  explicit DurableRelay(PostToLoop post) : post_(std::move(post)) {}

  // From now on events are delivered, those that came before first.
  void attach(Handlers handlers);

  void on_durable(const storage::DurableRun& run, storage::Ticket through) override;
  void on_failed(const absl::Status& why) override;

 private:
  void announce();
  void deliver();

  const PostToLoop post_;
  Handlers handlers_;  // the loop's

  std::mutex mutex_;
  std::vector<PlacedRecord> records_;
  storage::Ticket through_ = 0;
  std::optional<absl::Status> failure_;
  bool announced_ = false;
};

}  // namespace sluice::pump
