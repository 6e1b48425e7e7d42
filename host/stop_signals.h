// Signals of a program, taken on a thread of their own: TERM, INT and QUIT ask it to stop, HUP to reopen its logs and
// reload what can change while it runs; PIPE is ignored.
// Contract: from block() on no signal of these ends the process unasked. Before attach() a stop ends it at once with
//           exit code 0: nothing was promised yet. After it the first stop calls Handlers::stop; a second one, or a
//           stop that takes longer than Options::deadline, ends the process with exit code 1, which is as safe as any
//           crash.
// Threads:  block() first thing in main, before any thread; handlers run on this class's thread.
// Owns:     the thread.
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace sluice {

class StopSignals {
 public:
  struct Options {
    std::string thread_name = "signals";
    std::chrono::milliseconds deadline{0};  // of a stop; 0: none
  };
  struct Handlers {
    std::function<void(int signal)> stop;
    std::function<void()> reload;
  };

  // Inherited by every thread: this class alone takes them.
  static void block();

  explicit StopSignals(Options options);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Again after detach(): for the program's next life; a stop that came before is handed to it at once.
  void attach(Handlers handlers);
  // No handler is called any more when it returns. A stop that comes now waits for the next attach() or the end.
  void detach();

 private:
  void watch();
  void on_stop(int signal);
  void wait_for_the_end();

  const Options options_;
  std::mutex mutex_;  // held while a handler runs
  Handlers handlers_;
  bool attached_ = false;
  bool detached_ = false;
  bool done_ = false;
  int stopped_by_ = 0;  // the first stop
  std::thread thread_;  // last: it uses all above
};

}  // namespace sluice
