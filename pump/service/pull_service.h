// Serves pullers: committed transactions above each one's cursor in commit order, and the resolved ts once it has them
// all.
// Contract: per puller, commit ts strictly ascend and a resolved ts comes after the data that it covers; damage is sent
//           as a gap, after which that stream holds (INV-5). Reading blocks neither the loop nor the log (INV-12).
// Threads:  the event loop's; the log is read on `reader`, one job a puller at a time.
// Owns:     the cursors. Borrows CommitOrder, Log and Worker.
//           A transaction larger than a job is read and sent piece by piece, so no puller ever holds one whole; when
//           its later part can't be read, a gap or the end of the connection cuts it off.
// Limits:   a job reads kJobBytes; a puller has one job's data here, and at most kQueuedBytesMax and a job's in its
//           connection. kPullerBytesMin of the budget are its own, so that no other puller can hold it up; who finds
//           that much no longer free is refused, retryably.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/byte_budget.h"
#include "host/worker.h"
#include "net/native/service.h"
#include "pump/order/commit_order.h"
#include "pump/service/pump_counters.h"
#include "storage/log.h"

namespace sluice::pump {

class PullService {
 public:
  static constexpr uint64_t kJobBytes = 2u << 20;
  static constexpr size_t kJobTransactionsMax = 4096;
  static constexpr uint64_t kQueuedBytesMax = 4u << 20;
  static constexpr uint64_t kPullerBytesMin = 4u << 20;
  static constexpr size_t kNamesMax = 1024;

  using PostToLoop = std::function<void(std::function<void()>)>;
  // `budget` may be null: not bounded.
  PullService(CommitOrder& order, storage::Log& log, host::Worker& reader, PostToLoop post,
              ByteBudget* budget = nullptr, ByteUse use = {});
  // The budget has room again.
  void on_room();

  void on_pull(const net::PeerPtr& peer, const net::PullRequest& request);
  void on_credit(const net::PeerPtr& peer, uint64_t bytes);
  void on_drained(const net::PeerPtr& peer);
  void on_goodbye(const net::PeerPtr& peer);
  void on_closed(const net::PeerPtr& peer);

  // The resolved ts has risen.
  void on_advance();
  // No resolved ts is sent before this: a fresh pump asks the oracle first, so that it doesn't fall behind what its
  // predecessor published.
  void open();

  // Nothing above `final_ts` will come: sent to each puller after everything up to it.
  void end(CommitTs final_ts);
  // Who hasn't taken the end yet, as one line. Empty: everyone who pulls or has pulled in this life took it, and at
  // least one did if there is any transaction. A puller takes it by saying goodbye after it was sent.
  [[nodiscard]] std::string unconsumed() const;

  struct PullerStatus {
    std::string name;
    std::string address;
    CommitTs cursor;
    int64_t credit_bytes;
    bool held;  // at a gap
  };
  [[nodiscard]] std::vector<PullerStatus> pullers() const;
  [[nodiscard]] size_t count() const { return pullers_.size(); }
  [[nodiscard]] const PullCounters& counters() const { return counters_; }

 private:
  struct Puller {
    net::PeerPtr peer;
    CommitTs cursor;  // everything up to here is in `ready` or sent
    // The transaction behind `cursor` that is partly so: it goes on whatever the credit.
    std::optional<storage::OrderEntry> begun;
    storage::PrewriteCursor read_to;  // of it
    ResolvedTs told;
    int64_t credit_bytes = 0;  // an oversize transaction may overdraw it
    std::string ready;
    bool reading = false;
    std::shared_ptr<ByteHolder> holder;  // null: not bounded
    ByteReservation memory;              // for the job, `ready` and what the socket hasn't taken
    bool held = false;
    bool end_sent = false;
    bool end_taken = false;
    bool gone = false;
  };
  using PullerPtr = std::shared_ptr<Puller>;
  struct Job {
    std::vector<storage::OrderEntry> entries;  // whole, or one that is read piece by piece
    std::optional<storage::PrewriteCursor> goes_on;
    uint64_t bytes = 0;  // at most
  };
  // What it brought from the log.
  struct Haul {
    std::string run;
    CommitTs through;  // the last transaction that is whole with `run`
    size_t transactions = 0;
    std::optional<storage::OrderEntry> begun;  // and not yet whole
    storage::PrewriteCursor read_to;
    absl::Status status;  // of the first transaction that couldn't be read
    CommitTs failed_at;
  };

  static Haul read(storage::Log& log, const Job& job);
  void serve(const PullerPtr& puller);
  void send_ready(Puller& puller);
  // What of `entries` the next job is to read.
  [[nodiscard]] static Job plan(const Puller& puller, std::vector<storage::OrderEntry> entries);
  // False: wait for room.
  [[nodiscard]] bool reserve(Puller& puller, uint64_t bytes);
  // Gives back what the socket has taken.
  void settle_memory(Puller& puller);
  void start_job(const PullerPtr& puller, Job job);
  void take(const PullerPtr& puller, Haul haul);
  void tell_resolved(Puller& puller);

  CommitOrder& order_;
  storage::Log& log_;
  host::Worker& reader_;
  const PostToLoop post_;
  absl::flat_hash_map<uint64_t, PullerPtr> pullers_;  // by peer id
  std::map<std::string, CommitTs> left_;              // by name: how far it was sent; until it comes back
  ByteBudget* const budget_;
  const ByteUse use_;
  bool waits_for_room_ = false;
  bool open_ = false;
  std::optional<CommitTs> final_ts_;
  uint64_t ends_taken_ = 0;
  PullCounters counters_;
};

}  // namespace sluice::pump
