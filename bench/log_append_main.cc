// How fast the log appends durably, alone: runs of one prewrite each, so many un-acked bytes at a time.
//
//   log_append FOLDER RUN_BYTES IN_FLIGHT SECONDS
//
// Prints JSON: {"appends_per_second":…,"mb_per_second":…,"p50_us":…,"p99_us":…}
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "base/logging.h"
#include "base/record.h"
#include "base/status.h"
#include "storage/disk/disk.h"
#include "storage/log.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

class Listener final : public storage::LogListener {
 public:
  void on_durable(const storage::DurableRun&, storage::Ticket through) override {
    const auto now = Clock::now();
    const std::lock_guard lock(mutex_);
    for (; done_ < through; ++done_) {
      latencies_us_.push_back(std::chrono::duration<double, std::micro>(now - sent_.front()).count());
      sent_.pop_front();
    }
    changed_.notify_one();
  }
  void on_failed(const absl::Status& why) override {
    std::fprintf(stderr, "log_append: %s\n", std::string(message_of(why)).c_str());
    std::exit(1);
  }

  void sending() {
    const std::lock_guard lock(mutex_);
    sent_.push_back(Clock::now());
  }
  void wait_below(size_t in_flight) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return sent_.size() < in_flight; });
  }
  std::vector<double> take() {
    const std::lock_guard lock(mutex_);
    return std::move(latencies_us_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Clock::time_point> sent_;
  storage::Ticket done_ = 0;
  std::vector<double> latencies_us_;
};

absl::Status run(const std::string& folder, size_t run_bytes, size_t in_flight, double seconds) {
  SLUICE_RETURN_IF_ERROR(set_up_logging({.file = "", .level = "warn"}));  // stdout is the result's
  SLUICE_ASSIGN_OR_RETURN(const auto disk, storage::open_disk());
  Listener listener;
  storage::LogOptions options;
  options.dir = folder;
  SLUICE_ASSIGN_OR_RETURN(const auto log, storage::Log::open(options, *disk, listener, [](const storage::DurableRun&) {
                            return absl::OkStatus();
                          }));
  std::string payload(run_bytes - 24, 'x');
  std::string one;
  encode_prewrite(StartTs(1), PayloadFormat::native, as_bytes(payload), one);
  const auto begin = Clock::now();
  uint64_t appends = 0;
  while (Clock::now() - begin < std::chrono::duration<double>(seconds)) {
    listener.wait_below(in_flight);
    listener.sending();
    SLUICE_RETURN_IF_ERROR(log->append(one).status());
    ++appends;
  }
  listener.wait_below(1);
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  std::vector<double> latencies = listener.take();
  std::sort(latencies.begin(), latencies.end());
  const double rate = static_cast<double>(appends) / took;
  std::printf("{\"appends_per_second\":%.1f,\"mb_per_second\":%.3f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n", rate,
              rate * static_cast<double>(run_bytes) / 1e6, latencies[latencies.size() / 2],
              latencies[latencies.size() * 99 / 100]);
  return absl::OkStatus();
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: log_append FOLDER RUN_BYTES IN_FLIGHT SECONDS\n");
    return 2;
  }
  const absl::Status status = sluice::run(argv[1], std::stoull(argv[2]), std::stoull(argv[3]), std::stod(argv[4]));
  if (!status.ok()) std::fprintf(stderr, "log_append: %s\n", std::string(sluice::message_of(status)).c_str());
  return status.ok() ? 0 : 1;
}
