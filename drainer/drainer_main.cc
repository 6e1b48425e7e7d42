// The drainer program. Exit codes: base/exit_code.h.
#include <cstdio>
#include <cstdlib>

#include <spdlog/spdlog.h>

#include "base/exit_code.h"
#include "base/logging.h"
#include "base/out_of_memory.h"
#include "base/status.h"
#include "drainer/drainer.h"
#include "host/stop_signals.h"

namespace {

using sluice::exit_code;
using sluice::ExitCode;
using sluice::drainer::Drainer;
using sluice::drainer::DrainerConfig;

int fail(const absl::Status& status) {
  const ExitCode code = exit_code(status.code());
  spdlog::error("{}", sluice::message_of(status));
  return static_cast<int>(code);
}

void reload() {
  if (const absl::Status reopened = sluice::reopen_log(); !reopened.ok())
    spdlog::error("{}", sluice::message_of(reopened));
  else
    spdlog::info("log opened again");
}

// One life of the drainer, from its folder's and the downstream's state to its end.
absl::StatusOr<absl::Status> live(const DrainerConfig& config, sluice::StopSignals& signals) {
  SLUICE_ASSIGN_OR_RETURN(auto drainer, Drainer::create(config));
  signals.attach({.stop = [&](int) { drainer->request_stop(); }, .reload = reload});
  const Drainer::Outcome outcome = drainer->run();
  signals.detach();
  if (outcome.abandoned) {
    spdlog::shutdown();
    std::_Exit(static_cast<int>(ExitCode::done));
  }
  return outcome.status;
}

// A downstream that lost commits is pulled for again as after a restart: everything is read anew.
int run(const DrainerConfig& config, sluice::StopSignals& signals) {
  for (;;) {
    const absl::StatusOr<absl::Status> outcome = live(config, signals);
    if (!outcome.ok()) return fail(outcome.status());
    if (outcome->ok()) return static_cast<int>(ExitCode::done);
    if (!sluice::drainer::sinks::asks_for_rewind(*outcome)) return fail(*outcome);
    spdlog::warn("starting again from the downstream's position: {}", sluice::message_of(*outcome));
  }
}

}  // namespace

int main(int argc, char** argv) {
  sluice::StopSignals::block();

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
  sluice::exit_when_out_of_memory("drainer");
  for (const std::string& warning : parsed->warnings) spdlog::warn("{}", warning);
  sluice::StopSignals signals({.thread_name = "drainer-signals"});
  return run(config, signals);
}
