// One thread that runs an Asio io_context: where a program's connections live.
// Threads:  construct, post and stop from any thread; everything posted runs on the loop's thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace sluice::net {

class EventLoop {
 public:
  explicit EventLoop(std::string thread_name);
  ~EventLoop();  // stops and joins
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  [[nodiscard]] boost::asio::io_context& context() { return context_; }
  void post(std::function<void()> work);
  // Runs `work` on the loop's thread and waits for it; at once when called there, or when the loop has stopped.
  // Not concurrently with stop().
  void run_and_wait(const std::function<void()>& work);
  [[nodiscard]] bool stopped() const { return stopped_; }
  [[nodiscard]] bool on_loop_thread() const { return std::this_thread::get_id() == thread_.get_id(); }
  // What is posted and hasn't begun never runs. Joins, unless called on the loop's own thread.
  void stop();

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

// Runs one function later. Setting it again, cancelling or destroying it drops what was pending, for sure.
// Threads:  the loop's only.
class LoopTimer {
 public:
  explicit LoopTimer(EventLoop& loop);
  ~LoopTimer();
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

  void set(std::chrono::milliseconds after, std::function<void()> work);
  void cancel();
  [[nodiscard]] bool pending() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::net
