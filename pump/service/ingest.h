// Takes writers' records: checks them, lets the sorter admit them, appends them, and acks what is durable (INV-1).
// Contract: a writer's records are appended in its order; acks are cumulative, one per writer and durability event; a
//           NACK goes out before an ack that passes it. Nothing here waits for sorting or pulling (INV-12).
// Threads:  the event loop's.
// Owns:     the writers' bookkeeping. Borrows CommitOrder, Timekeeper, Log and Clock.
// Limits:   stops reading from all writers while more than queue_bytes_max are appended and not yet durable.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/clock.h"
#include "base/node_state.h"
#include "net/native/service.h"
#include "pump/order/commit_order.h"
#include "pump/service/pump_counters.h"
#include "pump/time/timekeeper.h"
#include "storage/log.h"

namespace sluice::pump {

struct IngestOptions {
  // Writer time: how far above the clock a timestamp may lie. One that is believed can't be taken back: R would pass
  // all that follows.
  std::chrono::milliseconds writer_time_lead_max = std::chrono::hours(24);
  uint64_t open_max = UINT64_MAX;        // prewrites; new ones beyond it are refused, retryably
  uint64_t queue_bytes_max = 32u << 20;  // below the log's own limit, which is never met so
  // Each settled run: from its arrival to its ack (or NACK).
  std::function<void(std::chrono::nanoseconds, bool acked)> on_settled{};
};

class Ingest {
 public:
  Ingest(CommitOrder& order, Timekeeper& time, storage::Log& log, Clock& clock, IngestOptions options)
      : order_(order), time_(time), log_(log), clock_(clock), options_(std::move(options)) {}

  void set_state(NodeState state) { state_ = state; }

  void on_write(const net::PeerPtr& peer, uint64_t first, std::string run, ByteReservation held);
  void on_goodbye(const net::PeerPtr& peer);
  void on_closed(const net::PeerPtr& peer);

  void on_durable(storage::Ticket through);
  void on_log_failed(const absl::Status& why);

  // Everything that was appended is durable.
  [[nodiscard]] bool settled() const { return unacked_.empty(); }
  // Besides, no run of a connected writer waits for its turn.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] bool read_only() const { return failure_.has_value(); }
  [[nodiscard]] std::string failure_text() const { return failure_ ? std::string(failure_->message()) : std::string(); }
  // Why the log refused the last append, retryably; empty: it took it.
  [[nodiscard]] const std::string& append_refused() const { return append_refused_; }
  void space_is_back() { append_refused_.clear(); }
  [[nodiscard]] uint64_t queued_bytes() const { return queued_bytes_; }
  [[nodiscard]] size_t writers() const { return writers_.size(); }
  [[nodiscard]] const IngestCounters& counters() const { return counters_; }

 private:
  using Time = std::chrono::steady_clock::time_point;

  struct Run {
    uint64_t first = 0;  // sequence of its first record
    std::string bytes;
    std::vector<RecordView> records;
    ByteReservation held;  // of both in the budget, until the run is durable or refused
    Tso largest;
    Time arrived;
    bool oracle_asked = false;
    absl::Status oracle_failed;  // what came in place of an answer asked for after the arrival
  };
  struct Writer {
    net::PeerPtr peer;
    std::deque<Run> waiting;  // arrived while the queue was full or the oracle was asked
    size_t unacked = 0;       // entries in unacked_
    uint64_t ack_through = 0;
    bool ack_due = false;
    bool reading = true;
    bool draining = false;
    bool asking = false;   // the oracle
    bool leaving = false;  // said goodbye
    bool gone = false;     // the connection closed
  };
  using WriterPtr = std::shared_ptr<Writer>;
  // What an append will ack, or a failure will refuse.
  struct Unacked {
    storage::Ticket ticket = 0;
    uint64_t bytes = 0;
    uint64_t writer = 0;
    uint64_t first = 0, last = 0;
    Time arrived;
    ByteReservation held{};
  };

  WriterPtr writer_of(const net::PeerPtr& peer);
  void drain(const WriterPtr& writer);
  // False while the oracle is being asked.
  bool oracle_allows(const WriterPtr& writer, Run& run);
  void process(Writer& writer, Run& run);
  // A refusal that needs no look at the order.
  [[nodiscard]] std::optional<Admission> refuse_early(const Run& run, const RecordHeader& header) const;
  // Sequences [first, last] were admitted; `accepted` is what of them the log shall take, maybe nothing.
  void append(Writer& writer, Unacked entry, std::string accepted);
  void refuse(Writer& writer, const Unacked& entry, const absl::Status& why);
  void refuse_in_flight(Writer& writer, const Unacked& entry, const absl::Status& why);
  // Nothing: `largest` is acceptable to a pump in writer time.
  [[nodiscard]] std::optional<Admission> refuse_far_ahead(uint64_t largest) const;
  // The first oracle answer of this life is published before anything is admitted by it.
  void publish_once();
  // The PROGRESS record that must lie before the next prewrite, admitted; empty: none is due.
  [[nodiscard]] std::string persist_publish();
  void set_reading(Writer& writer, bool reading);
  void finish_if_done(Writer& writer);
  void send_due_acks();
  void drain_all();

  CommitOrder& order_;
  Timekeeper& time_;
  storage::Log& log_;
  Clock& clock_;
  const IngestOptions options_;
  NodeState state_ = NodeState::online;
  absl::flat_hash_map<uint64_t, WriterPtr> writers_;  // by peer id
  std::deque<Unacked> unacked_;                       // by ticket
  std::vector<WriterPtr> due_;                        // an ack is due
  storage::Ticket last_ticket_ = 0;
  storage::Ticket durable_through_ = 0;
  uint64_t queued_bytes_ = 0;
  std::optional<absl::Status> failure_;
  std::string append_refused_;
  bool published_once_ = false;
  IngestCounters counters_;
};

}  // namespace sluice::pump
