#include "host/stop_signals.h"

#include <ctime>

#include <pthread.h>
#include <unistd.h>

#include "base/exit_code.h"
#include "base/logging.h"

namespace sluice {
namespace {

constexpr int kStops[] = {SIGTERM, SIGINT, SIGQUIT};

sigset_t set_of_stops() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kStops) sigaddset(&set, signal);
  return set;
}

sigset_t set_of_all() {
  sigset_t set = set_of_stops();
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void StopSignals::block() {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = set_of_all();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

StopSignals::StopSignals(Options options) : options_(std::move(options)), thread_([this] { watch(); }) {}

StopSignals::~StopSignals() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

void StopSignals::attach(Handlers handlers) {
  const std::lock_guard lock(mutex_);
  handlers_ = std::move(handlers);
  attached_ = true;
  detached_ = false;
  if (stopped_by_ != 0 && handlers_.stop) handlers_.stop(stopped_by_);
}

void StopSignals::detach() {
  const std::lock_guard lock(mutex_);
  detached_ = true;
  handlers_ = {};
}

void StopSignals::watch() {
  pthread_setname_np(pthread_self(), options_.thread_name.substr(0, 15).c_str());
  const sigset_t set = set_of_all();
  int signal = SIGHUP;
  while (signal == SIGHUP) {
    if (sigwait(&set, &signal) != 0) continue;
    const std::unique_lock lock(mutex_);
    if (done_) return;
    if (signal == SIGHUP && handlers_.reload) handlers_.reload();
  }
  on_stop(signal);
}

void StopSignals::on_stop(int signal) {
  {
    const std::lock_guard lock(mutex_);
    if (!attached_) {
      spdlog::info("stopped before anything was started signal={}", signal);
      spdlog::default_logger()->flush();
      ::_exit(static_cast<int>(ExitCode::done));
    }
    stopped_by_ = signal;
    if (!detached_) {
      spdlog::info("stopping signal={}", signal);
      if (handlers_.stop) handlers_.stop(signal);
    }
  }
  wait_for_the_end();
}

void StopSignals::wait_for_the_end() {
  const sigset_t set = set_of_stops();
  const auto deadline = options_.deadline;
  const timespec patience{.tv_sec = deadline.count() / 1000, .tv_nsec = deadline.count() % 1000 * 1'000'000};
  int second = 0;
  if (deadline.count() == 0)
    sigwait(&set, &second);
  else
    second = sigtimedwait(&set, nullptr, &patience);
  {
    const std::lock_guard lock(mutex_);
    if (done_) return;
  }
  spdlog::warn("ending at once reason=\"{}\"", second > 0 ? "a second signal" : "the stop took too long");
  spdlog::default_logger()->flush();
  ::_exit(static_cast<int>(ExitCode::restart_may_heal));
}

}  // namespace sluice
