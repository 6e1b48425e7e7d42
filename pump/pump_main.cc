// pump: takes binlogs, makes them durable and serves them in commit order.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <thread>

#include <pthread.h>
#include <unistd.h>

#include "base/exit_code.h"
#include "base/logging.h"
#include "base/status.h"
#include "pump/pump.h"

namespace {

using sluice::exit_code;
using sluice::ExitCode;
using sluice::message_of;

// A stop is promised within 10 s of the signal.
constexpr timespec kStopDeadline{.tv_sec = 9, .tv_nsec = 500'000'000};

int exit_with(sluice::ExitCode code) {
  return static_cast<int>(code);
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Waits for signals on a thread of its own: the first asks the pump to stop, a second (or a stop that takes too long)
// ends the process at once. That is safe: what was acked is durable already. Block stop_signals() before any thread
// starts.
class SignalWatcher {
 public:
  explicit SignalWatcher(sluice::pump::Pump& pump) : pump_(pump), thread_([this] { watch(); }) {}
  ~SignalWatcher() {
    done_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  void watch() {
    pthread_setname_np(pthread_self(), "pump-signals");
    const sigset_t set = stop_signals();
    int signal = 0;
    sigwait(&set, &signal);
    if (done_) return;
    spdlog::info("stopping signal={}", signal);
    pump_.request_stop();
    const int second = sigtimedwait(&set, nullptr, &kStopDeadline);
    if (done_) return;
    spdlog::warn("ending at once reason=\"{}\"", second > 0 ? "a second signal" : "the stop took too long");
    ::_exit(exit_with(ExitCode::restart_may_heal));
  }

  sluice::pump::Pump& pump_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

int run(const sluice::pump::PumpOptions& options) {
  sluice::SystemClock clock;
  auto pump = sluice::pump::Pump::start(options, clock);
  if (!pump.ok()) {
    spdlog::error("pump can't start: {}", message_of(pump.status()));
    return exit_with(exit_code(pump.status().code()));
  }
  const SignalWatcher watcher(**pump);
  (*pump)->wait();
  const absl::Status status = (*pump)->stop();
  if (!status.ok()) spdlog::error("pump stopped badly: {}", message_of(status));
  return exit_with(exit_code(status.code()));
}

}  // namespace

int main(int argc, char** argv) {
  sluice::pump::PumpOptions options;
  const sluice::OptionTable table = sluice::pump::pump_option_table(options);
  const auto parsed = sluice::parse_options(table, {argv, static_cast<size_t>(argc)});
  absl::Status status = parsed.status();
  if (status.ok() && parsed->exit_now) {
    std::fputs(parsed->text.c_str(), stdout);
    return exit_with(ExitCode::done);
  }
  if (status.ok()) status = sluice::pump::check_options(options);
  if (status.ok()) status = sluice::set_up_logging({.file = options.log_file, .level = options.log_level});
  if (!status.ok()) {
    std::fprintf(stderr, "pump: %s\n", std::string(message_of(status)).c_str());
    return exit_with(ExitCode::wrong_usage);
  }
  for (const std::string& warning : parsed->warnings) spdlog::warn("{}", warning);
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);  // inherited by every thread: SignalWatcher alone takes them
  return run(options);
}
