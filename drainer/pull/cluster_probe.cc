#include "drainer/pull/cluster_probe.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include <spdlog/spdlog.h>

#include "base/status.h"
#include "net/event_loop.h"
#include "net/oracle_client.h"
#include "net/pull_client.h"

namespace sluice::drainer::pull {
namespace {

constexpr std::chrono::milliseconds kStopCheck{50};
constexpr std::chrono::milliseconds kBetweenRounds{200};

constexpr std::chrono::milliseconds kBetweenRoundsMax{2000};
constexpr std::chrono::seconds kSayAgain{30};  // that a pump is still missing

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

}  // namespace

absl::StatusOr<std::vector<net::Welcome>> meet_pumps(net::EventLoop& loop, const ProbeOptions& options,
                                                     const std::atomic<bool>& stop) {
  std::vector<std::optional<net::Welcome>> met(options.pumps.size());
  std::vector<std::string> reasons(options.pumps.size());
  auto pause = kBetweenRounds;
  auto say_again = std::chrono::steady_clock::now() + kSayAgain;
  while (!stop) {
    std::string waits;
    const bool remind = std::chrono::steady_clock::now() >= say_again;
    if (remind) say_again += kSayAgain;
    for (size_t p = 0; p < met.size() && !stop; ++p) {
      if (met[p]) continue;
      const std::string& pump = options.pumps[p];
      Answer answer = ask(loop, pump, options.drainer_name, stop);
      if (answer.ok()) {
        if (!reasons[p].empty()) spdlog::info("pump is there now pump={} node={}", pump, answer->node_id);
        met[p] = std::move(*answer);
        continue;
      }
      if (stop) break;
      if (answer.status().code() == absl::StatusCode::kFailedPrecondition)
        return annotate(answer.status(), fmt::format("pump {} refuses this drainer", pump));
      const std::string reason(message_of(answer.status()));
      if (reasons[p] != reason || remind) spdlog::warn("waiting for pump pump={} reason=\"{}\"", pump, reason);
      reasons[p] = reason;
      waits += fmt::format("{}pump {} ({})", waits.empty() ? "waits for " : ", ", pump, reason);
    }
    if (!stop) options.waits_for(waits);
    if (std::all_of(met.begin(), met.end(), [](const auto& m) { return m.has_value(); })) {
      std::vector<net::Welcome> all;
      for (auto& welcome : met) all.push_back(std::move(*welcome));
      return all;
    }
    for (auto left = pause; left.count() > 0 && !stop; left -= kStopCheck) std::this_thread::sleep_for(kStopCheck);
    pause = std::min(pause * 2, kBetweenRoundsMax);
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
    const auto fresh = fresh_timestamp(loop, options.pumps[p], options.drainer_name, stop);
    if (fresh.ok()) return std::optional(*fresh);
    if (stop) return absl::CancelledError("asked to stop");
    refusal = annotate(fresh.status(), fmt::format("asking pump {} for a timestamp", options.pumps[p]));
  }
  if (refusal) return absl::UnavailableError(refusal->message());
  return largest.value == 0 ? std::nullopt : std::optional(largest);
}

}  // namespace sluice::drainer::pull
