// One thread that runs an Asio io_context: where a program's connections live.
// Threads: construct, post and stop from any thread; everything posted runs on the loop's thread.
#pragma once

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
  [[nodiscard]] bool on_loop_thread() const { return std::this_thread::get_id() == thread_.get_id(); }
  void stop();

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace sluice::net
