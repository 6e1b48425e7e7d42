// One recording into one pump: a pure state machine over a reader, a writer client and a clock.
// Contract: prewrites go out in recorded order; what else a transaction has follows its prewrite, in recorded order, as
//           soon as that prewrite is acked. Until then other transactions overtake it.
// Proof:    overtaking can't make a pump refuse a recorded commit, nor change what it serves. A record only ever goes
// out
//           later than recorded, and a prewrite P never does, so what precedes P in the pump's log preceded it in the
//           recording: its bound B(P) is at most the recorded one, and its commit ts c stays above it. P is open until
//           its commit is durable, so the resolved ts stays at or below B(P) < c however late that commit goes out.
//           Pumps serve by commit ts, not by arrival. (A repeated prewrite that waits behind its own transaction's end
//           is the one that goes out late: the pump absorbs it.)
// Threads:  the writer's loop thread.
// Limits:   at most `in_flight` records, and about kUnackedBytesMax, are un-acked or wait for their prewrite's ack.
// Errors:   the first one ends the lane: a reader's, or what the pump refused for good.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include "base/clock.h"
#include "net/native/writer_client.h"
#include "net/tidb/recording_reader.h"
#include "tools/ack_latency.h"

namespace sluice::tools {

// When the next transaction of all lanes may start: an open loop, so a slow pump doesn't slow the intended times.
class Pacer {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // `transactions_per_second` 0: no limit.
  Pacer(double transactions_per_second, Time start) : next_(start) {
    if (transactions_per_second > 0) gap_ = std::chrono::duration<double>(1 / transactions_per_second);
  }
  // Nothing: start right away.
  [[nodiscard]] std::optional<Time> due() const { return gap_.count() > 0 ? std::optional<Time>(next_) : std::nullopt; }
  void take() { next_ += std::chrono::duration_cast<Time::duration>(gap_); }

 private:
  Time next_;
  std::chrono::duration<double> gap_{0};
};

struct ReplayTotals {
  uint64_t prewrites = 0, commits = 0, rollbacks = 0, payload_bytes = 0;  // acked
  AckLatency latency;
  [[nodiscard]] uint64_t binlogs() const { return prewrites + commits + rollbacks; }
};

// Shared by the lanes of one replay.
struct ReplayContext {
  const Clock& clock;
  Pacer& pacer;
  ReplayTotals& totals;
  std::function<void()> changed;  // an ack came, or a lane ended
};

class ReplayLane {
 public:
  ReplayLane(std::unique_ptr<net::RecordingReader> reader, std::unique_ptr<net::WriterClient> writer,
             uint32_t in_flight_max, ReplayContext& context)
      : reader_(std::move(reader)), writer_(std::move(writer)), in_flight_max_(in_flight_max), context_(context) {}

  // Sends whatever may be sent now. Safe to call at any time.
  void advance();

  [[nodiscard]] bool sent_and_acked() const { return at_end_ && in_flight_ == 0 && held_ == 0; }
  [[nodiscard]] bool waits_for_pace() const { return waits_for_pace_; }
  [[nodiscard]] const absl::Status& status() const { return status_; }
  [[nodiscard]] net::WriterClient& writer() { return *writer_; }

 private:
  // With an un-acked prewrite.
  struct Unsettled {
    uint32_t unacked_prewrites = 0;
    std::deque<net::RecordedBinlog> held;  // what came after, in recorded order
  };

  bool fetch();          // next_ has a binlog afterwards, unless at the end or failed
  bool may_take_next();  // window and pace
  [[nodiscard]] bool must_wait(const net::RecordedBinlog& binlog) const;
  void hold(net::RecordedBinlog binlog);
  void release(StartTs start);
  void send(net::RecordedBinlog binlog);
  void on_acked(const net::RecordedBinlog& what, uint64_t payload_bytes, Pacer::Time since,
                const absl::Status& outcome);

  std::unique_ptr<net::RecordingReader> reader_;
  std::unique_ptr<net::WriterClient> writer_;
  const uint32_t in_flight_max_;
  ReplayContext& context_;
  std::optional<net::RecordedBinlog> next_;
  absl::flat_hash_map<StartTs, Unsettled> unsettled_;
  uint32_t in_flight_ = 0;
  uint32_t held_ = 0;
  uint64_t held_bytes_ = 0;
  bool at_end_ = false;
  bool waits_for_pace_ = false;
  bool advancing_ = false;
  absl::Status status_;
};

}  // namespace sluice::tools
