// Wires the drainer: a pull source for each pump on the loop's thread, the pipeline on the merge thread, the sink
// behind it, and HTTP on the loop's thread.
// Contract: create() checks everything that can be checked before anything is touched downstream. run() returns when
//           all is done, when asked to stop, or at the first error; the position is then as durable as the sink made
//           it.
// Threads:  create, run and destroy from one; request_stop from any.
// Errors:   base/exit_code.h maps what run() returns.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/clock.h"
#include "drainer/drainer_metrics.h"
#include "drainer/drainer_options.h"
#include "drainer/merge/credit_pool.h"
#include "drainer/merge/merge_inbox.h"
#include "drainer/pipeline.h"
#include "drainer/position/checkpoint.h"
#include "drainer/position/data_dir.h"
#include "drainer/pull/pull_source.h"
#include "drainer/pull/pump_roster.h"
#include "drainer/schema/schema_tracker.h"
#include "drainer/sink_factory.h"
#include "drainer/sinks/sink.h"
#include "drainer/status_page.h"
#include "drainer/translator/translator.h"
#include "net/http/http.h"
#include "net/loop/event_loop.h"
#include "net/server.h"

namespace sluice::drainer {

class Drainer {
 public:
  // `config` must be complete(). Tests bring a sink of their own.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Drainer>> create(DrainerConfig config,
                                                                       SinkFactory factory = make_sink);
  ~Drainer();
  Drainer(const Drainer&) = delete;
  Drainer& operator=(const Drainer&) = delete;

  struct Outcome {
    absl::Status status;
    // The flush took longer than a stop may: the caller must leave the process without destroying this. Nothing is
    // lost, what wasn't durable is pulled again.
    bool abandoned = false;
  };
  [[nodiscard]] Outcome run();
  void request_stop();

  [[nodiscard]] uint16_t port() const { return server_->port(); }
  [[nodiscard]] DrainerSnapshot snapshot();

 private:
  Drainer(DrainerConfig config, SinkFactory factory, position::DataDir data_dir, position::Checkpoint checkpoint,
          pull::PumpRoster roster, translator::Translator translator, std::unique_ptr<schema::SchemaTracker> schema);

  void merge_thread();
  [[nodiscard]] absl::Status merge();
  [[nodiscard]] absl::StatusOr<SinkFacts> meet_cluster();
  [[nodiscard]] absl::Status make_pipeline(const SinkFacts& facts);
  [[nodiscard]] absl::Status remember(const std::vector<SourceProgress>& progress);
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const change::Transaction>> translate(
      const merge::PulledTransaction& pulled);
  // Whether it was named to be left out; its payload need not decode.
  [[nodiscard]] absl::StatusOr<bool> ignored(const merge::PulledTransaction& pulled);
  // On the loop's thread.
  [[nodiscard]] absl::Status start_sources(CommitTs start);
  [[nodiscard]] absl::StatusOr<pull::PumpAdmission> admit(size_t source, const net::Welcome& welcome);
  [[nodiscard]] absl::Status keep_roster();  // roster_mutex_ held
  [[nodiscard]] DrainerSnapshot snapshot_on_loop() const;
  [[nodiscard]] net::HttpRoutes routes();
  [[nodiscard]] net::HttpResponse change_state(const net::HttpRequest& request);
  void log_summary(const absl::Status& status, std::chrono::steady_clock::duration took);

  const DrainerConfig config_;
  const SinkFactory make_sink_;
  const SystemClock clock_;
  const std::chrono::steady_clock::time_point made_at_ = clock_.now();
  position::DataDir data_dir_;
  position::Checkpoint checkpoint_;
  std::mutex roster_mutex_;  // held while the file is written too, so that the newest content is what stays
  pull::PumpRoster roster_;
  std::vector<pull::PumpAdmission> known_;  // by source, as met before the start; the loop's afterwards
  std::unique_ptr<schema::SchemaTracker> schema_;
  translator::Translator translator_;
  std::atomic<bool> stopping_{false};
  merge::CreditPool pool_;
  merge::MergeInbox inbox_;
  DrainerMetrics metrics_;
  std::atomic<uint64_t> ddls_left_out_{0};  // before the sink: jobs of the source cluster alone

  const std::set<CommitTs> ignored_;  // --ignore-txn-commit-ts

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<sinks::Sink> sink_;
  std::unique_ptr<Pipeline> pipeline_;   // set once, under mutex_
  std::optional<absl::Status> outcome_;  // of the merge thread
  std::set<CommitTs> ignored_met_;       // of ignored_: came in this run
  uint64_t left_out_ = 0;                // of ignored_met_: all but a DDL
  std::string waits_before_start_;       // for which pumps, before there is a pipeline

  net::EventLoop loop_{"drainer-net"};
  std::unique_ptr<net::Server> server_;
  std::vector<std::unique_ptr<pull::PullSource>> sources_;  // the loop's
  std::thread merge_;
};

}  // namespace sluice::drainer
