// One pump: wires data folder, log, order, ingest, pulls and the public port together, and stops them in order.
// Contract: after start() returns OK the port serves; everything acked is durable whatever happens next (INV-1).
// Threads:  start(), wait() and stop() from one thread; request_stop() from any. Starts the event loop ("pump-loop"),
//           the pull reader ("pump-read") and the oracle's file writer ("pump-bound"); the log has its own.
// Errors:   INVALID_ARGUMENT wrong usage; FAILED_PRECONDITION or DATA_LOSS a folder that needs a human; others may
//           heal.
#pragma once

#include <future>
#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/clock.h"
#include "base/node_state.h"
#include "host/worker.h"
#include "net/loop/event_loop.h"
#include "net/native/service.h"
#include "net/server.h"
#include "pump/metrics.h"
#include "pump/order/commit_order.h"
#include "pump/order/durable_relay.h"
#include "pump/pump_options.h"
#include "pump/service/ingest.h"
#include "pump/service/pull_service.h"
#include "pump/service/pump_memory.h"
#include "pump/state/data_folder.h"
#include "pump/state/health.h"
#include "pump/status_page.h"
#include "pump/time/timekeeper.h"
#include "storage/disk/disk.h"
#include "storage/log.h"

namespace sluice::pump {

// What tests put in place of the outside world; borrowed.
struct PumpSeams {
  storage::Disk* disk = nullptr;  // of the log
  Oracle* oracle = nullptr;       // used unless time is the writers'
};

class Pump final : private net::NodeService {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Pump>> start(PumpOptions options, Clock& clock,
                                                                   PumpSeams seams = {});
  ~Pump() override;  // stops
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  [[nodiscard]] uint16_t port() const { return server_->port(); }
  [[nodiscard]] const Meta& meta() const { return folder_->meta(); }

  // Refuses prewrites from now on; wait() returns once everything admitted is durable and acked, or a second has
  // passed.
  void request_stop();
  // Blocks until a stop is requested, here or over HTTP, and everything is ready for it.
  void wait();
  [[nodiscard]] bool wait_for(std::chrono::milliseconds patience);  // false: not within it
  // Says goodbye to peers, makes everything durable, closes the log. Idempotent.
  [[nodiscard]] absl::Status stop();
  // After stop(): paused, or offline.
  [[nodiscard]] NodeState state() const { return state_; }
  // What the timer does, now, so that a test needn't wait for it.
  void run_tick_for_test() {
    loop_.run_and_wait([this] { tick(); });
  }

 private:
  Pump(PumpOptions options, Clock& clock, PumpSeams seams);
  [[nodiscard]] absl::Status open();
  [[nodiscard]] absl::Status open_folder_and_oracle();
  [[nodiscard]] absl::Status open_log();
  [[nodiscard]] absl::Status serve();
  void log_started() const;

  // On the loop.
  void tick();
  void measure_memory();
  void ask_before_first_pull();
  void begin_leaving(NodeState state);
  void move_to(NodeState state);
  // Decides the end once nothing is admitted, open, queued or unacked: prewrites are refused since `closing`.
  void end_if_nothing_is_open();
  [[nodiscard]] bool ready_to_stop() const;
  // Once a second: asks the oracle whether it still answers, looks whether space is back, and tells health_.
  void examine_health();
  // Why the pump isn't ready; empty: it is.
  [[nodiscard]] std::string not_ready() const;
  // What a pump that is closing waits for, as one line; empty: nothing more.
  [[nodiscard]] std::string close_waits_for() const;
  void say_what_close_waits_for();
  [[nodiscard]] net::HttpRoutes routes();
  [[nodiscard]] net::HttpResponse apply_action(const net::HttpRequest& request);
  [[nodiscard]] PumpStatus status();
  [[nodiscard]] MetricsSnapshot snapshot() const;

  // NodeService, on the loop.
  absl::StatusOr<net::Welcome> on_hello(const net::Hello& hello) override;
  void on_write(const net::PeerPtr& peer, uint64_t first, std::string run, ByteReservation held) override;
  void on_pull(const net::PeerPtr& peer, const net::PullRequest& request) override;
  void on_credit(const net::PeerPtr& peer, uint64_t bytes) override;
  void on_want(const net::PeerPtr& peer, CommitTs ts) override;
  void on_tso_request(const net::PeerPtr& peer, uint64_t request, uint32_t count) override;
  void on_goodbye(const net::PeerPtr& peer) override;
  void on_drained(const net::PeerPtr& peer) override;
  void on_closed(const net::PeerPtr& peer, const absl::Status& why) override;

  [[nodiscard]] std::function<void(std::function<void()>)> poster();

  // In the order of construction; stop() takes them down in reverse.
  const PumpOptions options_;
  Clock& clock_;
  const PumpSeams seams_;
  std::string host_;
  PumpMemory memory_;  // outlives whatever is queued on the loop
  net::EventLoop loop_;
  host::Worker bound_writer_{"pump-bound"};
  host::Worker reader_{"pump-read"};
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<Oracle> oracle_;  // null: writer time, or the seam's
  std::unique_ptr<Timekeeper> time_;
  std::unique_ptr<CommitOrder> order_;
  DurableRelay relay_;
  std::unique_ptr<storage::Disk> disk_;  // null: the seam's
  std::unique_ptr<storage::Log> log_;
  Metrics metrics_;
  std::unique_ptr<Ingest> ingest_;
  std::unique_ptr<PullService> pulls_;
  std::unique_ptr<net::LoopTimer> ticker_;
  std::unique_ptr<net::Server> server_;

  NodeState state_ = NodeState::online;  // the loop's
  std::chrono::system_clock::time_point state_since_;
  Health health_;
  std::chrono::steady_clock::time_point examined_{};
  std::optional<std::chrono::steady_clock::time_point> oracle_asked_;  // and not answered
  std::string oracle_trouble_;
  std::chrono::steady_clock::time_point leaving_since_;
  std::optional<CommitTs> end_ts_;  // decided while closing
  std::string close_said_;
  bool asking_before_first_pull_ = false;
  bool stop_announced_ = false;
  std::promise<void> stop_ready_;
  std::future<void> stop_ready_soon_ = stop_ready_.get_future();
  bool stopped_ = false;
};

}  // namespace sluice::pump
