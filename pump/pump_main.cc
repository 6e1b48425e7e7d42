// pump: takes binlogs, makes them durable and serves them in commit order.
#include <cstdio>

#include "base/exit_code.h"
#include "base/logging.h"
#include "base/out_of_memory.h"
#include "base/status.h"
#include "host/stop_signals.h"
#include "pump/pump.h"

namespace {

using sluice::exit_code;
using sluice::ExitCode;
using sluice::message_of;
using sluice::pump::PumpOptions;

// A stop is promised within 10 s of the signal.
constexpr std::chrono::milliseconds kStopDeadline{9'500};

int exit_with(ExitCode code) {
  return static_cast<int>(code);
}

// SIGHUP: the log file again by its name; and of the options what can change while the pump runs.
void reload(PumpOptions& now, std::span<char* const> arguments) {
  if (const absl::Status reopened = sluice::reopen_log(); !reopened.ok()) spdlog::error("{}", message_of(reopened));
  PumpOptions fresh;
  const sluice::OptionTable table = sluice::pump::pump_option_table(fresh);
  absl::Status status = sluice::parse_options(table, arguments).status();
  if (status.ok()) status = sluice::pump::check_options(fresh);
  if (!status.ok()) return spdlog::error("nothing was reloaded error=\"{}\"", message_of(status));
  const auto changed = sluice::changed_options(sluice::pump::pump_option_table(now), table);
  if (!changed.need_restart.empty())
    spdlog::warn("changed options need a restart options={}", fmt::join(changed.need_restart, ","));
  (void)sluice::set_log_level(fresh.log_level);  // checked by the table
  now.log_level = fresh.log_level;
  spdlog::info("reloaded log_level={} changed={}", fresh.log_level, fmt::join(changed.reloadable, ","));
}

int run(PumpOptions options, std::span<char* const> arguments, sluice::StopSignals& signals) {
  sluice::SystemClock clock;
  auto pump = sluice::pump::Pump::start(options, clock);
  if (!pump.ok()) {
    spdlog::error("pump can't start: {}", message_of(pump.status()));
    return exit_with(exit_code(pump.status().code()));
  }
  signals.attach({.stop = [&](int) { (*pump)->request_stop(); }, .reload = [&] { reload(options, arguments); }});
  (*pump)->wait();
  signals.detach();
  const absl::Status status = (*pump)->stop();
  if (!status.ok()) spdlog::error("pump stopped badly: {}", message_of(status));
  return exit_with(exit_code(status.code()));
}

}  // namespace

int main(int argc, char** argv) {
  sluice::StopSignals::block();
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
  sluice::exit_when_out_of_memory("pump");
  for (const std::string& warning : parsed->warnings) spdlog::warn("{}", warning);
  sluice::StopSignals signals({.thread_name = "pump-signals", .deadline = kStopDeadline});
  return run(std::move(options), {argv, static_cast<size_t>(argc)}, signals);
}
