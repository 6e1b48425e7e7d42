#include "drainer/cluster_probe.h"

#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include <spdlog/spdlog.h>

#include "base/status.h"
#include "net/event_loop.h"
#include "net/pull_client.h"

namespace sluice::drainer {
namespace {

constexpr std::chrono::milliseconds kStopCheck{50};
constexpr std::chrono::milliseconds kBetweenRounds{200};

using Answer = absl::StatusOr<uint64_t>;

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
    events.on_welcome = [say](const net::Welcome& welcome) { say(welcome.cluster_id); };
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

absl::StatusOr<uint64_t> ask_cluster_id(net::EventLoop& loop, const StringList& pumps, const std::string& drainer_name,
                                        const std::atomic<bool>& stop) {
  for (bool first = true; !stop; first = false) {
    for (const std::string& pump : pumps) {
      const Answer answer = ask(loop, pump, drainer_name, stop);
      if (answer.ok() || answer.status().code() == absl::StatusCode::kFailedPrecondition) return answer;
      if (first)
        spdlog::warn("waiting for a pump to tell its cluster pump={} reason=\"{}\"", pump, message_of(answer.status()));
    }
    if (!stop) std::this_thread::sleep_for(kBetweenRounds);
  }
  return absl::CancelledError("asked to stop");
}

}  // namespace sluice::drainer
