#include "net/loop/event_loop.h"

#include <pthread.h>

#include <future>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sluice::net {

EventLoop::EventLoop(std::string thread_name)
    : work_(context_.get_executor()), thread_([this, name = std::move(thread_name)] {
        constexpr size_t kThreadNameBytesMax = 15;  // the kernel's
        pthread_setname_np(pthread_self(), name.substr(0, kThreadNameBytesMax).c_str());
        context_.run();
      }) {}

EventLoop::~EventLoop() {
  stop();
}

void EventLoop::post(std::function<void()> work) {
  boost::asio::post(context_, std::move(work));
}

void EventLoop::run_and_wait(const std::function<void()>& work) {
  if (stopped_ || on_loop_thread()) return work();
  std::promise<void> done;
  post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

void EventLoop::stop() {
  context_.stop();
  if (on_loop_thread()) return;  // the destructor joins
  if (thread_.joinable()) thread_.join();
  stopped_ = true;
}

struct LoopTimer::State {
  explicit State(EventLoop& loop) : timer(loop.context()) {}
  boost::asio::steady_timer timer;
  std::function<void()> work;
  // Cancelling can't reach a handler that is already queued; a stale generation tells it so.
  uint64_t generation = 0;
};

LoopTimer::LoopTimer(EventLoop& loop) : state_(std::make_shared<State>(loop)) {}
LoopTimer::~LoopTimer() {
  cancel();
}

void LoopTimer::set(std::chrono::milliseconds after, std::function<void()> work) {
  cancel();
  state_->work = std::move(work);
  state_->timer.expires_after(after);
  state_->timer.async_wait([state = state_, generation = state_->generation](const boost::system::error_code&) {
    if (state->generation != generation || !state->work) return;
    std::exchange(state->work, nullptr)();
  });
}

void LoopTimer::cancel() {
  ++state_->generation;
  state_->work = nullptr;
  state_->timer.cancel();
}

bool LoopTimer::pending() const {
  return state_->work != nullptr;
}

}  // namespace sluice::net
