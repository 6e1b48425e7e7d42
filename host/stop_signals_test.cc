#include "host/stop_signals.h"

#include <future>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/exit_code.h"
#include "base/logging.h"

namespace sluice {
namespace {

// Each in a process of its own: signals are the process's.
struct StopSignalsDeathTest : testing::Test {
  StopSignalsDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void sleep_for_ever() {
  while (true) ::pause();
}

void stop_before_the_watcher_exists() {
  StopSignals::block();
  ::kill(::getpid(), SIGTERM);
  const StopSignals signals({});
  sleep_for_ever();
}

void pipe_then_hup_then_term() {
  StopSignals::block();
  StopSignals signals({});
  std::promise<void> reloaded, stopped;
  signals.attach({.stop = [&](int) { stopped.set_value(); }, .reload = [&] { reloaded.set_value(); }});
  ::kill(::getpid(), SIGPIPE);
  ::kill(::getpid(), SIGHUP);
  reloaded.get_future().wait();
  ::kill(::getpid(), SIGTERM);
  stopped.get_future().wait();
  signals.detach();
  ::_exit(42);
}

void stop_between_two_lives() {
  StopSignals::block();
  StopSignals signals({});
  std::promise<void> first, second;
  signals.attach({.stop = [&](int) { first.set_value(); }, .reload = nullptr});
  ::kill(::getpid(), SIGTERM);
  first.get_future().wait();
  signals.detach();
  signals.attach({.stop = [&](int) { second.set_value(); }, .reload = nullptr});
  second.get_future().wait();
  ::_exit(42);
}

void stop_that_never_ends(std::chrono::milliseconds deadline) {
  (void)set_up_logging({});  // stderr, which the test reads
  StopSignals::block();
  StopSignals signals({.deadline = deadline});
  std::promise<void> stopped;
  signals.attach({.stop = [&](int) { stopped.set_value(); }, .reload = nullptr});
  ::kill(::getpid(), SIGINT);
  stopped.get_future().wait();
  if (deadline.count() == 0) ::kill(::getpid(), SIGINT);
  sleep_for_ever();
}

TEST_F(StopSignalsDeathTest, EndsCleanlyWhenAStopComesBeforeTheProgramHasStarted) {
  EXPECT_EXIT(stop_before_the_watcher_exists(), testing::ExitedWithCode(static_cast<int>(ExitCode::done)), "");
}

TEST_F(StopSignalsDeathTest, HandsAStopToTheNextLifeOfTheProgram) {
  EXPECT_EXIT(stop_between_two_lives(), testing::ExitedWithCode(42), "");
}

TEST_F(StopSignalsDeathTest, IgnoresPipeReloadsOnHupAndStopsOnTerm) {
  EXPECT_EXIT(pipe_then_hup_then_term(), testing::ExitedWithCode(42), "");
}

TEST_F(StopSignalsDeathTest, EndsAtOnceAtASecondStopAndWhenAStopTakesTooLong) {
  const testing::ExitedWithCode at_once(static_cast<int>(ExitCode::restart_may_heal));
  EXPECT_EXIT(stop_that_never_ends(std::chrono::milliseconds(0)), at_once, "second signal");
  EXPECT_EXIT(stop_that_never_ends(std::chrono::milliseconds(10)), at_once, "took too long");
}

}  // namespace
}  // namespace sluice
