#include "tools/replay.h"

#include <algorithm>
#include <future>
#include <memory>
#include <optional>

#include <boost/asio/steady_timer.hpp>

#include "base/status.h"
#include "net/loop/event_loop.h"

namespace sluice::tools {
namespace {

absl::StatusOr<net::RecordingSurvey> survey_all(const ReplayOptions& options) {
  if (options.pumps.size() != options.files.size())
    return absl::InvalidArgumentError(
        fmt::format("{} pumps and {} recordings: give one recording for each pump, in the same order",
                    options.pumps.size(), options.files.size()));
  net::RecordingSurvey whole;
  for (const std::string& file : options.files) {
    SLUICE_ASSIGN_OR_RETURN(const net::RecordingSurvey one, net::survey_recording(file));
    if (whole.cluster_id != 0 && one.cluster_id != whole.cluster_id)
      return absl::InvalidArgumentError(
          fmt::format("{} is of cluster {}, {} of {}: replay recordings of one cluster together", options.files.front(),
                      whole.cluster_id, file, one.cluster_id));
    whole.cluster_id = one.cluster_id;
    whole.binlogs += one.binlogs;
    whole.largest = std::max(whole.largest, one.largest);
  }
  return whole;
}

// The lanes and their timers. Everything but the constructor runs on the loop's thread.
class Replay {
 public:
  using OnProgress = std::function<void(const ReplayProgress&)>;

  Replay(const ReplayOptions& options, const net::RecordingSurvey& survey, net::EventLoop& loop,
         const OnProgress& on_progress)
      : options_(options),
        survey_(survey),
        loop_(loop),
        on_progress_(on_progress),
        start_(clock_.now()),
        pacer_(options.transactions_per_second, start_),
        pace_timer_(loop.context()),
        tick_timer_(loop.context()) {}

  void start() {
    for (size_t i = 0; i < options_.pumps.size(); ++i) {
      auto reader = net::RecordingReader::open(options_.files[i]);
      if (!reader.ok()) return end(reader.status());
      net::WriterClientOptions client{.address = options_.pumps[i],
                                      .cluster_id = options_.cluster_id != 0 ? options_.cluster_id : survey_.cluster_id,
                                      .name = "replay",
                                      .time_source = net::TimeSource::writer};
      client.give_up_after = options_.give_up_after;
      lanes_.push_back(std::make_unique<ReplayLane>(
          std::move(*reader), net::WriterClient::connect(std::move(client), loop_), options_.in_flight, context_));
    }
    tick();
    for (const auto& lane : lanes_) lane->advance();
    step();
  }

  std::future<absl::Status> ended() { return ended_.get_future(); }

  // After `ended`.
  ReplayResult result() const {
    ReplayResult result{.totals = totals_, .elapsed = elapsed_, .reconnects = 0, .progress = survey_.largest};
    for (const auto& lane : lanes_) result.reconnects += lane->writer().reconnects();
    return result;
  }

  void drop() {
    pace_timer_.cancel();
    tick_timer_.cancel();
    lanes_.clear();
  }

 private:
  void step() {
    if (over_) return;
    for (size_t i = 0; i < lanes_.size(); ++i)
      if (!lanes_[i]->status().ok()) return end(annotate(lanes_[i]->status(), "pump " + options_.pumps[i]));
    const bool all_sent =
        std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->sent_and_acked(); });
    if (all_sent && !promised_) return promise();
    const bool waits =
        std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->waits_for_pace(); });
    if (waits) wait_for_pace();
  }

  // Nothing at or below the largest timestamp of any file comes any more: what the pumps still hold back may go out.
  void promise() {
    promised_ = true;
    elapsed_ = clock_.now() - start_;
    goodbyes_left_ = lanes_.size();
    for (size_t i = 0; i < lanes_.size(); ++i) {
      const auto step_done = [this, i](const absl::Status& outcome) {
        if (!outcome.ok()) end(annotate(outcome, "pump " + options_.pumps[i]));
      };
      lanes_[i]->writer().progress(survey_.largest, step_done);
      lanes_[i]->writer().finish([this, step_done](const absl::Status& outcome) {
        step_done(outcome);
        if (--goodbyes_left_ == 0) end(absl::OkStatus());
      });
    }
  }

  void wait_for_pace() {
    if (pace_waits_) return;
    pace_waits_ = true;
    pace_timer_.expires_at(*pacer_.due());
    pace_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      pace_waits_ = false;
      // The lane that waits longest takes its turn first: start one further each time.
      for (size_t i = 0; i < lanes_.size(); ++i) lanes_[(turn_ + i) % lanes_.size()]->advance();
      ++turn_;
      step();
    });
  }

  void tick() {
    tick_timer_.expires_after(std::chrono::seconds(1));
    tick_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error || over_) return;
      on_progress_(progress());
      tick();
    });
  }

  [[nodiscard]] ReplayProgress progress() const {
    ReplayProgress now{
        .acked = totals_.binlogs(), .all = survey_.binlogs, .elapsed = clock_.now() - start_, .standstills = {}};
    for (size_t i = 0; i < lanes_.size(); ++i)
      if (std::string reason = lanes_[i]->writer().standstill(); !reason.empty())
        now.standstills.push_back({.pump = options_.pumps[i], .reason = std::move(reason)});
    return now;
  }

  void end(const absl::Status& status) {
    if (std::exchange(over_, true)) return;
    ended_.set_value(status);
  }

  const ReplayOptions& options_;
  const net::RecordingSurvey survey_;
  net::EventLoop& loop_;
  const OnProgress& on_progress_;
  SystemClock clock_;
  const Pacer::Time start_;
  Pacer pacer_;
  ReplayTotals totals_;
  ReplayContext context_{.clock = clock_, .pacer = pacer_, .totals = totals_, .changed = [this] { step(); }};
  boost::asio::steady_timer pace_timer_;
  boost::asio::steady_timer tick_timer_;
  std::vector<std::unique_ptr<ReplayLane>> lanes_;
  std::chrono::duration<double> elapsed_{};
  size_t goodbyes_left_ = 0;
  size_t turn_ = 0;
  bool promised_ = false;
  bool pace_waits_ = false;
  bool over_ = false;
  std::promise<absl::Status> ended_;
};

}  // namespace

absl::StatusOr<ReplayResult> run_replay(const ReplayOptions& options,
                                        const std::function<void(const ReplayProgress&)>& on_progress) {
  SLUICE_ASSIGN_OR_RETURN(const net::RecordingSurvey survey, survey_all(options));
  net::EventLoop loop("replay");
  Replay replay(options, survey, loop, on_progress);
  std::future<absl::Status> ended = replay.ended();
  loop.post([&replay] { replay.start(); });
  const absl::Status status = ended.get();
  std::promise<ReplayResult> result;
  loop.post([&] {
    result.set_value(replay.result());
    replay.drop();
  });
  ReplayResult got = result.get_future().get();
  loop.stop();
  if (!status.ok()) return status;
  return got;
}

}  // namespace sluice::tools
