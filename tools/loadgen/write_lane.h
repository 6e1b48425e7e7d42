// One worker of a write: a connection to one pump, and its transactions from prewrite to the ack of their end.
// Contract: a commit ts is asked for only after the ack of the prewrite, and given to the transactions in the order of
//           their sequences, so that a puller must see them in that order (run_checker.h); un-acked steps go out again
//           after a retryable nack and on a new connection. When told to stop, or after its share, it settles what it
//           began, writes its summary and reports OK; after any failure no summary is written.
// Threads:  the loop's only.
// Errors:   a nack that may not be retried, a refusal, or no ack for give_up_after: reported once, then nothing goes on.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <boost/asio/steady_timer.hpp>

#include "net/loop/event_loop.h"
#include "net/loop/reconnect.h"
#include "net/native/client_session.h"
#include "net/native/oracle_client.h"
#include "tools/loadgen/commit_times.h"
#include "tools/loadgen/content.h"
#include "tools/loadgen/lane_totals.h"
#include "tools/loadgen/step_queue.h"
#include "tools/loadgen/sysbench_tables.h"
#include "tools/loadgen/workload.h"

namespace sluice::loadgen {

struct LaneOptions {
  std::string pump{};
  std::string oracle{};
  uint64_t cluster_id = 0;
  uint64_t run = 0;
  uint16_t worker = 0;
  uint16_t workers = 1;
  uint32_t in_flight = 64;     // transactions begun and not settled
  uint32_t payload_bytes = 0;  // of each
  double rollback_share = 0;   // of transactions, 0 to 1
  double open_share = 0;
  uint64_t transactions = 0;           // to begin; 0: until stopped
  double rate = 0;                     // transactions begun a second, in an open loop; 0: closed
  const Workload* workload = nullptr;  // in place of a rate and a number: when each is due, and how large it is
  std::chrono::milliseconds give_up_after{60'000};
  const SysbenchTables* tables = nullptr;  // write TiDB's payloads of these in place of our own; no summary
  CommitTimes* commit_times = nullptr;     // noted when set
  bool keeps_journal = false;
};

class WriteLane {
 public:
  using Done = std::function<void(const absl::Status&)>;

  WriteLane(LaneOptions options, const Content& content, net::EventLoop& loop, Done done);
  ~WriteLane();
  WriteLane(const WriteLane&) = delete;
  WriteLane& operator=(const WriteLane&) = delete;

  void start(TimePoint begin);
  void stop();  // begin nothing more
  [[nodiscard]] const LaneTotals& totals() const { return totals_; }
  // Transaction latencies since the last call.
  [[nodiscard]] Histogram take_interval();
  [[nodiscard]] const std::vector<JournalEntry>& journal() const { return journal_; }
  // Committed ones that were huge.
  [[nodiscard]] const std::vector<HugeTransaction>& huge() const { return huge_; }

 private:
  enum class State : uint8_t { prewriting, prewritten, ending, settled };
  struct Transaction {
    PayloadKind kind{};
    State state = State::prewriting;
    StartTs start;
    CommitTs commit;
    uint64_t sequence = 0;
    uint64_t payload_bytes = 0;  // with tables: known once it was made
    uint32_t huge_rows = 0;
    TimePoint intended;
    TimePoint end_sent;
  };
  // Start timestamps, fetched ahead: they only have to be the oracle's and nobody else's.
  struct StartPool {
    net::TsoRange now{}, next{};
    bool asked = false;
  };

  // Beginning transactions.
  void begin_what_is_due();
  void begin(PayloadKind kind, TimePoint intended, const Phase* huge = nullptr);
  [[nodiscard]] uint64_t payload_bytes_of(const Transaction& transaction, const Phase* huge);
  [[nodiscard]] bool may_begin() const;
  [[nodiscard]] bool all_begun() const {
    return stopping_ || (options_.transactions != 0 && begun_ >= options_.transactions) || (pace_ && !pace_->front());
  }
  [[nodiscard]] PayloadKind pick_kind();
  [[nodiscard]] std::optional<StartTs> take_start_ts();
  void fetch_start_ts();
  // When the next transaction is due; in a closed loop: now.
  [[nodiscard]] TimePoint next_intended(TimePoint now) const;
  void wait_until(TimePoint intended);

  // Settling them.
  void settle(const Step& step, TimePoint now);
  void settle_transaction(Transaction& transaction, TimePoint now);
  void ask_for_commit_ts();
  void give_commit_ts(const net::TsoRange& range);
  void finish_if_done();

  // The connection.
  void connect();
  void on_welcome(const net::Welcome& welcome);
  [[nodiscard]] absl::Status on_control(net::FrameType type, ByteSpan body);
  void on_acked(uint64_t through);
  void on_nack(const net::Nack& nack);
  void on_closed(const absl::Status& why);
  void schedule_send();
  void send_what_fits();
  void append_step(const Step& step, std::string& run);
  void send_front_of_run();
  void forget_run();
  void watch();
  void fail(const absl::Status& why);

  [[nodiscard]] Transaction& at(uint64_t id) { return transactions_[id - first_id_]; }

  const LaneOptions options_;
  const Content& content_;
  net::EventLoop& loop_;
  Done done_;

  TimePoint begin_time_;
  uint64_t begun_ = 0;  // of any kind but the summary
  bool stopping_ = false;
  bool summary_begun_ = false;
  bool over_ = false;
  uint64_t random_;
  StartPool pool_;
  std::optional<Pace> pace_;
  boost::asio::steady_timer pace_timer_;
  bool pace_waits_ = false;

  std::deque<Transaction> transactions_;  // by id; the front isn't settled
  uint64_t first_id_ = 0;
  uint64_t live_ = 0;  // not settled
  uint64_t sequences_[5]{};
  uint64_t commit_next_ = 0;  // id: everything before has its commit ts, or needs none
  uint64_t commit_asked_ = 0;
  bool commit_ts_asked_ = false;
  Summary summary_;

  StepQueue steps_;
  std::string scratch_;
  std::string large_run_;       // of more than one frame, and
  ByteSpan rest_of_run_;        // what of it isn't sent,
  uint64_t rest_sequence_ = 0;  // from this sequence on
  std::shared_ptr<net::ClientSession> session_;
  net::Reconnect reconnect_;
  bool welcomed_ = false;
  bool connected_before_ = false;
  bool send_scheduled_ = false;
  uint64_t window_bytes_ = 0;
  uint64_t frame_bytes_max_ = 0;
  std::chrono::milliseconds retry_backoff_{0};
  net::LoopTimer connect_timer_;
  net::LoopTimer retry_timer_;
  net::LoopTimer watch_timer_;
  TimePoint last_progress_;
  std::string trouble_;  // what is known about why nothing goes on
  std::unique_ptr<net::OracleClient> oracle_;

  LaneTotals totals_;
  Histogram interval_;
  std::vector<JournalEntry> journal_;
  std::vector<HugeTransaction> huge_;
  std::shared_ptr<bool> alive_;
};

}  // namespace sluice::loadgen
