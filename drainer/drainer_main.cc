// The drainer program. Exit codes: base/exit_code.h.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "base/exit_code.h"
#include "base/logging.h"
#include "base/status.h"
#include "drainer/drainer.h"

namespace {

using sluice::exit_code;
using sluice::ExitCode;
using sluice::drainer::Drainer;
using sluice::drainer::DrainerConfig;

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) sigaddset(&set, signal);
  return set;
}

int fail(const absl::Status& status) {
  const ExitCode code = exit_code(status.code());
  spdlog::error("{}", sluice::message_of(status));
  return static_cast<int>(code);
}

// The first signal asks the drainer to stop; a second leaves at once, which is as safe as any crash.
void wait_for_signals(Drainer& drainer, const std::atomic<bool>& ended) {
  const sigset_t set = stop_signals();
  for (int count = 0;;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (ended) return;
    if (++count > 1) std::_Exit(static_cast<int>(ExitCode::restart_may_heal));
    spdlog::info("asked to stop signal={}", signal);
    drainer.request_stop();
  }
}

int run(DrainerConfig config) {
  auto drainer = Drainer::create(std::move(config));
  if (!drainer.ok()) return fail(drainer.status());
  std::atomic<bool> ended{false};
  std::thread signals([&] { wait_for_signals(**drainer, ended); });
  const Drainer::Outcome outcome = (*drainer)->run();
  ended = true;
  if (outcome.abandoned) {
    spdlog::shutdown();
    std::_Exit(static_cast<int>(ExitCode::done));
  }
  pthread_kill(signals.native_handle(), SIGTERM);  // wakes it: it sees that all has ended
  signals.join();
  drainer->reset();
  return outcome.status.ok() ? static_cast<int>(ExitCode::done) : fail(outcome.status);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);  // before any thread: all inherit it

  DrainerConfig config;
  const auto parsed =
      sluice::parse_options(sluice::drainer::drainer_options(config), {argv, static_cast<size_t>(argc)});
  if (parsed.ok() && parsed->exit_now) {
    std::fputs(parsed->text.c_str(), stdout);
    return 0;
  }
  absl::Status status = parsed.status();
  if (status.ok()) status = sluice::drainer::complete(config);
  if (status.ok()) status = sluice::set_up_logging({.file = config.log_file, .level = config.log_level});
  if (!status.ok()) {
    std::fprintf(stderr, "drainer: %s\n", std::string(sluice::message_of(status)).c_str());
    return static_cast<int>(ExitCode::wrong_usage);
  }
  for (const std::string& warning : parsed->warnings) spdlog::warn("{}", warning);
  return run(std::move(config));
}
