#include "pump/order/commit_order.h"

#include "base/logging.h"
#include "base/status.h"

namespace sluice::pump {

absl::Status CommitOrder::replay(const storage::DurableRun& run) {
  std::vector<PlacedRecord> records;
  SLUICE_RETURN_IF_ERROR(place_records(run, records));
  for (const PlacedRecord& record : records) {
    const Admission admission = sorter_.admit(record.header);
    sorter_.keep();
    if (admission.accepted()) {
      sorter_.durable(record.position, record.header);
      continue;
    }
    if (replay_ignored_++ == 0)
      spdlog::warn("a record in the log means nothing to the order, ignored position={} start_ts={} reason=\"{}\"",
                   record.position, record.header.start_ts, admission.text);
  }
  raise_resolved();
  return absl::OkStatus();
}

void CommitOrder::durable(const std::vector<PlacedRecord>& records) {
  for (const PlacedRecord& record : records) sorter_.durable(record.position, record.header);
  raise_resolved();
}

void CommitOrder::raise_resolved() {
  const ResolvedTs before = sorter_.resolved();
  index_.append(sorter_.advance());
  const auto blocker = sorter_.blocker();
  const std::optional<StartTs> holder = blocker ? std::optional(blocker->start) : std::nullopt;
  if (holder != holder_) {
    holder_ = holder;
    holder_since_ = clock_.now();
  }
  if (sorter_.resolved() != before && advanced_) advanced_();
}

void CommitOrder::refresh() {
  if (refreshing_ || !time_.has_oracle() || sorter_.blocker()) return;
  refreshing_ = true;
  time_.ask([this](const absl::StatusOr<Tso>& answer) {
    refreshing_ = false;
    if (answer.ok() && sorter_.publish(*answer) && advanced_) advanced_();
  });
}

void CommitOrder::want(CommitTs ts) {
  if (any_ts(ts) > any_ts(sorter_.resolved())) refresh();
}

std::string CommitOrder::explain() const {
  const auto blocker = sorter_.blocker();
  if (!blocker) return "nothing is open";
  const auto since = std::chrono::duration_cast<std::chrono::seconds>(clock_.now() - holder_since_);
  return fmt::format("resolved ts held by txn {} since {} s (bound {})", blocker->start, since.count(), blocker->bound);
}

}  // namespace sluice::pump
