#include "drainer/pull/cluster_probe.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include <spdlog/spdlog.h>

#include "base/retry_pace.h"
#include "base/status.h"
#include "drainer/pull/pull_source.h"
#include "net/loop/event_loop.h"
#include "net/native/oracle_client.h"
#include "net/native/pull_client.h"

namespace sluice::drainer::pull {
namespace {

constexpr std::chrono::milliseconds kStopCheck{50};

// As often as for a pump that goes away later.
RetryPaceOptions missing_pace() {
  RetryPaceOptions pace = kPumpAwayPace;
  pace.delay_min = std::chrono::milliseconds(200);
  return pace;
}

using Answer = absl::StatusOr<net::Welcome>;

Answer ask(net::EventLoop& loop, const std::string& pump, const std::string& drainer_name,
           const std::atomic<bool>& stop) {
  const auto answer = std::make_shared<std::promise<Answer>>();
  const auto answered = std::make_shared<bool>(false);  // on the loop's thread only
  const auto say = [answer, answered](Answer what) {
    if (!std::exchange(*answered, true)) answer->set_value(std::move(what));
  };
  std::unique_ptr<net::PullClient> client;
  loop.run_and_wait([&] {
    net::PullEvents events;
    events.on_welcome = [say](const net::Welcome& welcome) { say(welcome); };
    events.on_data = [](const std::string&) {};
    events.on_resolved = [](ResolvedTs) {};
    events.on_gap = [](const net::Gap&) {};
    events.on_end = [](CommitTs) {};
    events.on_closed = [say](const absl::Status& why) { say(why.ok() ? absl::UnavailableError("closed") : why); };
    // A position nothing lies above, so that nothing is sent.
    client = net::PullClient::open({.address = pump,
                                    .cluster_id = 0,
                                    .name = drainer_name,
                                    .after = CommitTs(uint64_t{1} << 61),
                                    .credit_bytes = 1},
                                   loop, std::move(events));
  });
  auto future = answer->get_future();
  while (future.wait_for(kStopCheck) != std::future_status::ready && !stop) {
  }
  loop.run_and_wait([&] {
    client->close();
    client.reset();
  });
  if (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    return absl::CancelledError("asked to stop");
  return future.get();
}

struct Meeting {
  std::string address;
  std::optional<net::Welcome> welcome{};
  std::string reason{};  // why it isn't there
  RetryPace pace = RetryPace(missing_pace());
};

// Whom the start waits for; a pump that is being asked is one of them, since it may hang.
std::string waits_for(const std::vector<Meeting>& meetings) {
  std::string text;
  for (const Meeting& m : meetings)
    if (!m.welcome)
      text += fmt::format("{}pump {} ({})", text.empty() ? "" : ", ", m.address,
                          m.reason.empty() ? "it hasn't answered yet" : m.reason);
  return text;
}

double seconds_since(std::optional<RetryPace::Time> since) {
  const auto now = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(now - since.value_or(now)).count();
}

// How long to wait before it is asked again.
std::chrono::milliseconds note_missing(Meeting& meeting, std::string_view reason) {
  meeting.reason = reason;
  const RetryPace::Turn turn = meeting.pace.failed(std::chrono::steady_clock::now());
  if (turn.say)
    spdlog::warn("waiting for pump pump={} since_seconds={:.1f} reason=\"{}\"", meeting.address,
                 seconds_since(meeting.pace.since()), reason);
  return turn.delay;
}

void note_met(Meeting& meeting, net::Welcome welcome) {
  if (const auto since = meeting.pace.went_on())
    spdlog::info("pump is there now pump={} node={} after_seconds={:.1f}", meeting.address, welcome.node_id,
                 seconds_since(since));
  meeting.welcome = std::move(welcome);
}

}  // namespace

absl::StatusOr<std::vector<net::Welcome>> meet_pumps(net::EventLoop& loop, const ProbeOptions& options,
                                                     const std::atomic<bool>& stop) {
  std::vector<Meeting> meetings;
  for (const std::string& pump : options.pumps) meetings.push_back({.address = pump});
  while (!stop) {
    std::chrono::milliseconds pause{0};
    for (Meeting& meeting : meetings) {
      if (meeting.welcome || stop) continue;
      options.waits_for(waits_for(meetings));
      Answer answer = ask(loop, meeting.address, options.drainer_name, stop);
      if (answer.ok())
        note_met(meeting, *std::move(answer));
      else if (answer.status().code() == absl::StatusCode::kFailedPrecondition)
        return annotate(answer.status(), fmt::format("pump {} refuses this drainer", meeting.address));
      else if (!stop)
        pause = std::max(pause, note_missing(meeting, message_of(answer.status())));
    }
    if (std::all_of(meetings.begin(), meetings.end(), [](const Meeting& m) { return m.welcome.has_value(); })) {
      std::vector<net::Welcome> all;
      for (Meeting& meeting : meetings) all.push_back(*std::move(meeting.welcome));
      options.waits_for("");
      return all;
    }
    options.waits_for(waits_for(meetings));
    for (auto left = pause; left.count() > 0 && !stop; left -= kStopCheck) std::this_thread::sleep_for(kStopCheck);
  }
  return absl::CancelledError("asked to stop");
}

namespace {

absl::StatusOr<CommitTs> fresh_timestamp(net::EventLoop& loop, const std::string& pump, const std::string& drainer_name,
                                         const std::atomic<bool>& stop) {
  const auto answer = std::make_shared<std::promise<absl::StatusOr<net::TsoRange>>>();
  std::unique_ptr<net::OracleClient> oracle;
  loop.run_and_wait([&] {
    oracle = net::OracleClient::open({.address = pump, .name = drainer_name}, loop);
    oracle->fetch(1, [answer](absl::StatusOr<net::TsoRange> range) { answer->set_value(std::move(range)); });
  });
  auto future = answer->get_future();
  while (future.wait_for(kStopCheck) != std::future_status::ready && !stop) {
  }
  loop.run_and_wait([&] { oracle.reset(); });
  if (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    return absl::CancelledError("asked to stop");
  const absl::StatusOr<net::TsoRange> range = future.get();
  if (!range.ok()) return range.status();
  return CommitTs(range->first.value);
}

}  // namespace

absl::StatusOr<std::optional<CommitTs>> largest_position(net::EventLoop& loop, const ProbeOptions& options,
                                                         const std::vector<net::Welcome>& welcomes,
                                                         const std::atomic<bool>& stop) {
  CommitTs largest;
  std::optional<absl::Status> refusal;
  for (size_t p = 0; p < welcomes.size(); ++p) {
    largest = std::max(largest, CommitTs(welcomes[p].log_largest_ts.value));
    if (welcomes[p].time_source == net::TimeSource::writer || welcomes[p].time_source == net::TimeSource::unspecified)
      continue;
    options.waits_for(fmt::format("pump {} (asked for a timestamp)", options.pumps[p]));
    const auto fresh = fresh_timestamp(loop, options.pumps[p], options.drainer_name, stop);
    options.waits_for("");
    if (fresh.ok()) return std::optional(*fresh);
    if (stop) return absl::CancelledError("asked to stop");
    refusal = annotate(fresh.status(), fmt::format("asking pump {} for a timestamp", options.pumps[p]));
  }
  if (refusal) return absl::UnavailableError(refusal->message());
  return largest.value == 0 ? std::nullopt : std::optional(largest);
}

}  // namespace sluice::drainer::pull
