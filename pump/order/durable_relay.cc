#include "pump/order/durable_relay.h"

#include "base/assert.h"
#include "base/status.h"

namespace sluice::pump {

absl::Status place_records(const storage::DurableRun& run, std::vector<PlacedRecord>& out) {
  uint64_t at = run.position.value;
  return for_each_record(run.records, {.verify_body = false}, [&](const RecordView& record) {
    out.push_back({.position = LogPosition(at), .header = record.header});
    at += record.bytes.size();
    return absl::OkStatus();
  });
}

void DurableRelay::attach(Handlers handlers) {
  handlers_ = std::move(handlers);
  deliver();
}

void DurableRelay::on_durable(const storage::DurableRun& run, storage::Ticket through) {
  {
    const std::lock_guard lock(mutex_);
    const absl::Status placed = place_records(run, records_);
    SLUICE_ASSERT(placed.ok(), "the log made durable what no one appended: {}", message_of(placed));
    through_ = through;
  }
  announce();
}

void DurableRelay::on_failed(const absl::Status& why) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = why;
  }
  announce();
}

void DurableRelay::announce() {
  {
    const std::lock_guard lock(mutex_);
    if (announced_) return;
    announced_ = true;
  }
  post_([this] { deliver(); });
}

void DurableRelay::deliver() {
  if (!handlers_.on_durable) return;  // attach() will deliver
  std::vector<PlacedRecord> records;
  storage::Ticket through = 0;
  std::optional<absl::Status> failure;
  {
    const std::lock_guard lock(mutex_);
    records.swap(records_);
    through = through_;
    failure = std::exchange(failure_, std::nullopt);
    announced_ = false;
  }
  if (!records.empty() || through != 0) handlers_.on_durable(records, through);
  if (failure) handlers_.on_failed(*failure);
}

}  // namespace sluice::pump
