// One thread for jobs that block on the disk, so that the event loop never does (INV-12).
// Contract: jobs run one at a time in the order they were given; those not started when stop() is called are dropped.
// Threads:  run() and stop() from any; jobs on the worker's own. Callers bound how many they give.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace sluice::host {

class Worker {
 public:
  explicit Worker(std::string thread_name);
  ~Worker();  // stops and joins
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void run(std::function<void()> job);
  void stop();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all above
};

}  // namespace sluice::host
