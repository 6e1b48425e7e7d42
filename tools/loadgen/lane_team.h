// The lanes of one write, on a few threads with an event loop each: started together, stopped together, added up.
// Contract: wait() returns OK only when every lane has settled all it began and its summary is durable.
// Threads:  start(), stop(), wait() and the looks from one thread; each lane lives on one loop.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "net/loop/event_loop.h"
#include "tools/loadgen/content.h"
#include "tools/loadgen/write_lane.h"

namespace sluice::loadgen {

struct WriteOptions {
  std::vector<std::string> pumps;
  std::string oracle;  // empty: the first pump
  uint64_t cluster_id = 0;
  uint64_t seed = 1;
  uint32_t connections = 1;  // lane i writes to pump i modulo their number
  uint32_t threads = 1;
  uint32_t in_flight = 64;  // transactions a connection
  uint32_t payload_bytes = 1024;
  double rollback_share = 0;
  double open_share = 0;
  uint64_t transactions = 0;           // of all lanes; 0: until stopped
  double rate = 0;                     // of all lanes, a second; 0: as fast as acked
  const Workload* workload = nullptr;  // as in LaneOptions; outlives the team
  std::chrono::milliseconds give_up_after{60'000};
  const SysbenchTables* tables = nullptr;  // as in LaneOptions; outlive the team
  CommitTimes* commit_times = nullptr;     // noted when set; outlives the team
  bool keeps_journal = false;
};

// One timestamp of a pump's oracle; `run` of a write, or what a puller must reach.
[[nodiscard]] absl::StatusOr<Tso> fetch_one_ts(const std::string& oracle, uint64_t cluster_id, net::EventLoop& loop,
                                               std::chrono::milliseconds give_up_after);

class LaneTeam {
 public:
  explicit LaneTeam(WriteOptions options);
  ~LaneTeam();

  [[nodiscard]] absl::Status start();
  void stop();  // begin nothing more
  // False when lanes still work after `time`.
  [[nodiscard]] bool wait_for(std::chrono::milliseconds time);
  // Of the first lane that failed; OK while none has.
  [[nodiscard]] absl::Status status();

  struct Look {
    LaneTotals totals;
    Histogram interval;  // transaction latencies since the last look
    std::chrono::duration<double> elapsed{};
  };
  [[nodiscard]] Look look();
  [[nodiscard]] uint64_t run() const { return run_; }
  // Of each worker, when the team has ended.
  [[nodiscard]] std::vector<uint64_t> commits_by_worker();
  [[nodiscard]] std::vector<std::vector<JournalEntry>> journals_by_worker();
  [[nodiscard]] std::vector<HugeTransaction> huge();

 private:
  void on_done(const std::string& pump, const absl::Status& status);

  const WriteOptions options_;
  const Content content_;
  uint64_t run_ = 0;
  std::vector<std::unique_ptr<net::EventLoop>> loops_;
  std::vector<std::unique_ptr<WriteLane>> lanes_;  // lane i on loop i modulo their number
  TimePoint begin_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t working_ = 0;
  absl::Status first_failure_;
  TimePoint end_;
};

}  // namespace sluice::loadgen
