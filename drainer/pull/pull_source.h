// One pump as the merge sees it: a pull session that is re-made for as long as it takes, its own cursor, and a buffer
// bounded by the credit given to the pump.
// Contract: what reaches the inbox is whole transactions above the cursor, ascending, each once whatever happens to the
//           connection, and resolved timestamps in order with them. A lost session goes on from the last whole
//           transaction, and asks for that one again: a pump that no longer has it was wiped or rewound (the witness).
// Threads:  everything on the loop's thread.
// Owns:     the session. Borrows the loop, inbox and credit pool, which must outlive it.
// Errors:   what a reconnect cannot heal goes to the inbox as the source's failure and ends it: FAILED_PRECONDITION for
//           a refusal or a pump that may not join, DATA_LOSS for a gap or a pump that breaks the protocol. Each says
//           what to do.
// Limits:   holds its share of the credit pool, and beyond it at most one transaction.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/retry_pace.h"
#include "base/tso.h"
#include "drainer/merge/credit_pool.h"
#include "drainer/merge/merge_inbox.h"
#include "drainer/pull/pump_roster.h"
#include "drainer/pull/transaction_assembler.h"
#include "net/native/service.h"

namespace sluice::net {
class EventLoop;
class LoopTimer;
class PullClient;
}  // namespace sluice::net

namespace sluice::drainer::pull {

// How often the log says that a pump is away: at once, after 30 s, then ever more rarely.
inline constexpr RetryPaceOptions kPumpAwayPace{.log_interval = std::chrono::seconds(30),
                                                .log_interval_max = std::chrono::minutes(10)};

struct PullSourceOptions {
  size_t index = 0;  // in merger, inbox and pool
  std::string address;
  std::string drainer_name = "drainer";
  CommitTs after;
  // What an earlier run knows of this pump: it must still have the commit ts `seen`, and had nothing between that and
  // `resolved`. 0: nothing is known.
  CommitTs seen{};
  ResolvedTs resolved{};
  uint64_t window_bytes = 16u << 20;
  std::chrono::milliseconds backoff_min{50};
  std::chrono::milliseconds backoff_max{2000};
};

struct PullSourcePorts {
  net::EventLoop& loop;
  merge::MergeInbox& inbox;
  merge::CreditPool& pool;
  // Asked at each welcome whether this pump may take part; an error ends the source.
  std::function<absl::StatusOr<PumpAdmission>(size_t source, const net::Welcome&)> admit;
  // A pump that joins has shown that it holds nothing at or below the drainer's position; a pump has ended. An error
  // ends the source.
  std::function<absl::Status(size_t source)> proven;
  std::function<absl::Status(size_t source, CommitTs final_ts)> ended;
};

enum class PullState { connecting, pulling, waiting, ended, failed };

// What status pages show.
struct PullSourceStatus {
  std::string address;
  std::string node_id;
  PullState state = PullState::connecting;
  std::string reason;  // why it waits or has failed
  // Since when it hasn't been there; of one that has never answered since it was first asked. Nothing: it is there.
  std::optional<std::chrono::steady_clock::time_point> away_since{};
  CommitTs received;
  ResolvedTs resolved;
  uint64_t buffered_bytes = 0;
  uint64_t received_bytes = 0;
  uint64_t transactions = 0;
  uint64_t reconnects = 0;
};

[[nodiscard]] std::string_view to_string(PullState state);

class PullSource {
 public:
  PullSource(PullSourceOptions options, PullSourcePorts ports);
  ~PullSource();
  PullSource(const PullSource&) = delete;
  PullSource& operator=(const PullSource&) = delete;

  void start();
  // The merge thread is done with these bytes of whole transactions.
  void consumed(uint64_t wire_bytes);
  // The merge waits for this source: a transaction at `ts` is ready elsewhere.
  void want(CommitTs ts);
  [[nodiscard]] PullSourceStatus status() const;

 private:
  void connect();
  void on_welcome(const net::Welcome& welcome);
  void on_data(std::string run);
  [[nodiscard]] absl::Status take(merge::PulledTransaction transaction);
  void heard_from_pump();
  [[nodiscard]] absl::Status prove_join();
  [[nodiscard]] absl::Status check_passed(std::string_view what, uint64_t ts) const;
  [[nodiscard]] CommitTs pull_after() const;
  void on_resolved(ResolvedTs ts);
  void on_gap(const net::Gap& gap);
  void on_end(CommitTs final_ts);
  void on_closed(const absl::Status& why);
  void reconnect_later(std::string reason);
  void came_back();
  void fail(const absl::Status& why);
  void drop_session();
  void top_up_credit();
  [[nodiscard]] uint64_t held_bytes() const;
  [[nodiscard]] std::string name() const;

  PullSourceOptions options_;
  PullSourcePorts ports_;
  std::unique_ptr<net::LoopTimer> timer_;
  std::unique_ptr<net::PullClient> client_;
  // Callbacks of a session hold it weakly: a session that was dropped says nothing any more.
  std::shared_ptr<int> session_;
  TransactionAssembler assembler_;
  PullState state_ = PullState::connecting;
  std::string node_id_;
  std::string reason_;
  CommitTs cursor_;                // the last whole transaction
  std::optional<CommitTs> floor_;  // of a pump that joins: it must hold nothing at or below
  ResolvedTs resolved_;
  // Known to come again (the last transaction that came before this session or run): nothing above it may come before.
  CommitTs witness_;
  bool witness_pending_ = false;
  ResolvedTs nothing_until_;   // above the witness nothing may come up to here
  bool join_pending_ = false;  // it joins and has not yet shown that
  CommitTs wanted_;
  bool want_pending_ = false;   // to be said once the pump serves this session
  int64_t pump_credit_ = 0;     // granted and not yet used in this session; the pump may overdraw it by one run
  uint64_t queued_bytes_ = 0;   // whole transactions that the merge thread still has
  uint64_t partial_bytes_ = 0;  // of the transaction that isn't whole yet
  uint64_t received_bytes_ = 0;
  uint64_t transactions_ = 0;
  uint64_t reconnects_ = 0;
  std::chrono::milliseconds backoff_;
  std::optional<std::chrono::steady_clock::time_point> away_since_;
  RetryPace away_pace_{kPumpAwayPace};  // of the log's lines about it
};

}  // namespace sluice::drainer::pull
