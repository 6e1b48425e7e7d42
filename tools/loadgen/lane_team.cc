#include "tools/loadgen/lane_team.h"

#include <algorithm>
#include <future>

#include "base/status.h"

namespace sluice::loadgen {

absl::StatusOr<Tso> fetch_one_ts(const std::string& oracle, uint64_t cluster_id, net::EventLoop& loop,
                                 std::chrono::milliseconds give_up_after) {
  const auto client = net::OracleClient::open(
      {.address = oracle, .cluster_id = cluster_id, .name = "loadgen", .timeout = give_up_after}, loop);
  std::promise<absl::StatusOr<net::TsoRange>> answer;
  loop.post(
      [&] { client->fetch(1, [&](absl::StatusOr<net::TsoRange> range) { answer.set_value(std::move(range)); }); });
  SLUICE_ASSIGN_OR_RETURN(const net::TsoRange range, answer.get_future().get());
  return range.first;
}

LaneTeam::LaneTeam(WriteOptions options) : options_(std::move(options)), content_(options_.seed) {
  for (uint32_t i = 0; i < std::max(1u, std::min(options_.threads, options_.connections)); ++i)
    loops_.push_back(std::make_unique<net::EventLoop>(fmt::format("write-{}", i)));
}

LaneTeam::~LaneTeam() {
  for (size_t i = 0; i < lanes_.size(); ++i) loops_[i % loops_.size()]->run_and_wait([&] { lanes_[i].reset(); });
}

absl::Status LaneTeam::start() {
  const std::string oracle = options_.oracle.empty() ? options_.pumps.front() : options_.oracle;
  SLUICE_ASSIGN_OR_RETURN(const Tso first,
                          fetch_one_ts(oracle, options_.cluster_id, *loops_.front(), options_.give_up_after));
  run_ = first.value;
  working_ = options_.connections;
  for (uint32_t i = 0; i < options_.connections; ++i) {
    LaneOptions lane{.pump = options_.pumps[i % options_.pumps.size()],
                     .oracle = oracle,
                     .cluster_id = options_.cluster_id,
                     .run = run_,
                     .worker = static_cast<uint16_t>(i),
                     .workers = static_cast<uint16_t>(options_.connections),
                     .in_flight = options_.in_flight,
                     .payload_bytes = options_.payload_bytes,
                     .rollback_share = options_.rollback_share,
                     .open_share = options_.open_share,
                     .transactions = options_.transactions / options_.connections +
                                     (i < options_.transactions % options_.connections ? 1 : 0),
                     .rate = options_.rate / options_.connections,
                     .workload = options_.workload,
                     .give_up_after = options_.give_up_after,
                     .tables = options_.tables,
                     .commit_times = options_.commit_times,
                     .keeps_journal = options_.keeps_journal};
    lanes_.push_back(
        std::make_unique<WriteLane>(lane, content_, *loops_[i % loops_.size()],
                                    [this, pump = lane.pump](const absl::Status& status) { on_done(pump, status); }));
  }
  begin_ = std::chrono::steady_clock::now();
  for (size_t i = 0; i < lanes_.size(); ++i) loops_[i % loops_.size()]->post([this, i] { lanes_[i]->start(begin_); });
  return absl::OkStatus();
}

void LaneTeam::stop() {
  for (size_t i = 0; i < lanes_.size(); ++i) loops_[i % loops_.size()]->run_and_wait([&] { lanes_[i]->stop(); });
}

void LaneTeam::on_done(const std::string& pump, const absl::Status& status) {
  const std::lock_guard lock(mutex_);
  if (!status.ok() && first_failure_.ok()) first_failure_ = annotate(status, "writing to " + pump);
  if (--working_ == 0) end_ = std::chrono::steady_clock::now();
  changed_.notify_all();
}

bool LaneTeam::wait_for(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return working_ == 0 || !first_failure_.ok(); });
}

absl::Status LaneTeam::status() {
  const std::lock_guard lock(mutex_);
  return first_failure_;
}

std::vector<uint64_t> LaneTeam::commits_by_worker() {
  std::vector<uint64_t> commits;
  for (size_t i = 0; i < lanes_.size(); ++i)
    loops_[i % loops_.size()]->run_and_wait([&] { commits.push_back(lanes_[i]->totals().commits); });
  return commits;
}

std::vector<std::vector<JournalEntry>> LaneTeam::journals_by_worker() {
  std::vector<std::vector<JournalEntry>> journals;
  for (size_t i = 0; i < lanes_.size(); ++i)
    loops_[i % loops_.size()]->run_and_wait([&] { journals.push_back(lanes_[i]->journal()); });
  return journals;
}

std::vector<HugeTransaction> LaneTeam::huge() {
  std::vector<HugeTransaction> all;
  for (size_t i = 0; i < lanes_.size(); ++i)
    loops_[i % loops_.size()]->run_and_wait(
        [&] { all.insert(all.end(), lanes_[i]->huge().begin(), lanes_[i]->huge().end()); });
  return all;
}

LaneTeam::Look LaneTeam::look() {
  Look look;
  for (size_t i = 0; i < lanes_.size(); ++i)
    loops_[i % loops_.size()]->run_and_wait([&] {
      look.totals.merge(lanes_[i]->totals());
      look.interval.merge(lanes_[i]->take_interval());
    });
  const std::lock_guard lock(mutex_);
  look.elapsed = (working_ == 0 ? end_ : std::chrono::steady_clock::now()) - begin_;
  return look;
}

}  // namespace sluice::loadgen
