#include "tools/loadgen/puller.h"

#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/record.h"
#include "base/status.h"
#include "net/loop/reconnect.h"
#include "net/native/pull_client.h"

namespace sluice::loadgen {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;
constexpr std::chrono::milliseconds kBackoffMin{20};
constexpr std::chrono::milliseconds kBackoffMax{1'000};
constexpr std::chrono::milliseconds kWatchEvery{250};

// The stream of one pump.
// Threads:  the loop's only.
class PumpStream {
 public:
  using Ended = std::function<void(const absl::Status&)>;

  PumpStream(const PullOptions& options, size_t pump, const PullCallbacks& callbacks, PullTotals& totals,
             net::EventLoop& loop, Ended ended)
      : options_(options),
        pump_(pump),
        callbacks_(callbacks),
        totals_(totals),
        loop_(loop),
        ended_(std::move(ended)),
        reconnect_(options.pumps[pump], kBackoffMin, kBackoffMax),
        retry_(loop),
        watch_(loop),
        last_(options.after),
        last_progress_(std::chrono::steady_clock::now()) {}

  void connect() {
    commit_ = {};
    parts_.clear();
    client_ = net::PullClient::open({.address = options_.pumps[pump_],
                                     .cluster_id = options_.cluster_id,
                                     .name = "loadgen",
                                     .after = last_,
                                     .credit_bytes = options_.credit_bytes},
                                    loop_,
                                    {.on_welcome =
                                         [this](const net::Welcome&) {
                                           totals_.reconnects += std::exchange(connected_before_, true) ? 1 : 0;
                                           reconnect_.connected();
                                           if (options_.until.value != 0) client_->want(CommitTs(options_.until.value));
                                         },
                                     .on_data = [this](const std::string& run) { on_data(run); },
                                     .on_resolved = [this](ResolvedTs ts) { on_resolved(ts); },
                                     .on_gap = [this](const net::Gap& gap) { callbacks_.on_gap(pump_, gap.text); },
                                     .on_end = [this](CommitTs) { end(absl::OkStatus()); },
                                     .on_closed = [this](const absl::Status& why) { on_closed(why); }});
  }

  void watch() {
    watch_.set(kWatchEvery, [this] {
      if (over_) return;
      const auto still = std::chrono::steady_clock::now() - last_progress_;
      if (options_.until.value != 0 && still > options_.give_up_after) return end(absl::UnavailableError(stuck()));
      watch();
    });
  }

 private:
  void on_data(const std::string& run) {
    if (over_) return;
    last_progress_ = std::chrono::steady_clock::now();
    const absl::Status status = for_each_record(as_bytes(run), {.verify_body = options_.verify_bodies},
                                                [this](const RecordView& record) { return on_record(record); });
    if (!status.ok()) return end(annotate(status, options_.pumps[pump_]));
    totals_.bytes += run.size();
    client_->grant(run.size());
  }

  absl::Status on_record(const RecordView& record) {
    const RecordHeader& header = record.header;
    if (header.has_commit_ts()) {
      commit_ = CommitTs(header.commit_ts);
      parts_.clear();
      return absl::OkStatus();
    }
    if (!header.is_payload() || commit_.value == 0)
      return absl::DataLossError(
          fmt::format("a record of kind {} where a transaction should go on", static_cast<int>(header.kind)));
    if (header.kind == RecordKind::prewrite) {
      hand_on(StartTs(header.start_ts), record.body);
      return absl::OkStatus();
    }
    if (header.part_offset != parts_.size())
      return absl::DataLossError(fmt::format("a part at {} of transaction {} came where {} was due", header.part_offset,
                                             header.start_ts, parts_.size()));
    parts_ += as_text(record.body);
    if (header.completes_prewrite()) hand_on(StartTs(header.start_ts), as_bytes(parts_));
    return absl::OkStatus();
  }

  void hand_on(StartTs start, ByteSpan payload) {
    callbacks_.on_transaction(pump_, commit_, start, payload);
    last_ = std::max(last_, commit_);
    commit_ = {};
    ++totals_.transactions;
  }

  void on_resolved(ResolvedTs ts) {
    if (over_) return;
    if (ts > resolved_) last_progress_ = std::chrono::steady_clock::now();
    resolved_ = std::max(resolved_, ts);
    callbacks_.on_resolved(pump_, ts);
    if (options_.until.value != 0 && ts.value >= options_.until.value) end(absl::OkStatus());
  }

  void on_closed(const absl::Status& why) {
    if (over_) return;
    lost_ = message_of(why);
    if (absl::IsFailedPrecondition(why)) return end(annotate(why, options_.pumps[pump_]));
    retry_.set(reconnect_.lost(std::chrono::steady_clock::now(), lost_), [this] { connect(); });
  }

  std::string stuck() const {
    return fmt::format(
        "{} has served and resolved nothing for {} ms: it is at commit ts {}, resolved {}, and has to reach {}. A "
        "transaction that "
        "was begun and never ended (loadgen write --open-share) holds it there; else {}",
        options_.pumps[pump_], options_.give_up_after.count(), last_, resolved_, options_.until,
        lost_.empty() ? "look at its /status" : lost_);
  }

  void end(const absl::Status& status) {
    if (std::exchange(over_, true)) return;
    ended_(status);
  }

  const PullOptions& options_;
  const size_t pump_;
  const PullCallbacks& callbacks_;
  PullTotals& totals_;
  net::EventLoop& loop_;
  const Ended ended_;
  net::Reconnect reconnect_;
  net::LoopTimer retry_;
  net::LoopTimer watch_;
  CommitTs last_;
  ResolvedTs resolved_;
  CommitTs commit_;  // of the transaction whose payload comes next
  std::string parts_;
  std::string lost_;
  TimePoint last_progress_;
  bool connected_before_ = false;
  bool over_ = false;
  std::unique_ptr<net::PullClient> client_;
};

}  // namespace

absl::Status run_pull(const PullOptions& options, const PullCallbacks& callbacks, PullTotals& totals,
                      const std::function<bool(std::chrono::duration<double>)>& on_second) {
  std::mutex mutex;
  std::condition_variable changed;
  size_t working = options.pumps.size();
  absl::Status failure;
  net::EventLoop loop("pull");
  std::vector<std::unique_ptr<PumpStream>> streams;
  const auto ended = [&](const absl::Status& status) {
    const std::lock_guard lock(mutex);
    if (failure.ok()) failure = status;
    --working;
    changed.notify_all();
  };
  loop.run_and_wait([&] {
    for (size_t i = 0; i < options.pumps.size(); ++i) {
      streams.push_back(std::make_unique<PumpStream>(options, i, callbacks, totals, loop, ended));
      streams.back()->connect();
      streams.back()->watch();
    }
  });
  const TimePoint begin = std::chrono::steady_clock::now();
  {
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, std::chrono::seconds(1), [&] { return working == 0 || !failure.ok(); })) {
      lock.unlock();
      const bool go_on = on_second(std::chrono::steady_clock::now() - begin);
      lock.lock();
      if (!go_on) break;
    }
  }
  loop.run_and_wait([&] { streams.clear(); });
  return failure;
}

}  // namespace sluice::loadgen
