#include "base/logging.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/status.h"

namespace sluice {

absl::Status set_up_logging(const LogOptions& options) {
  const auto level = spdlog::level::from_str(options.level);
  if (level == spdlog::level::off && options.level != "off")
    return absl::InvalidArgumentError(
        fmt::format("log level is `{}`; accepted: debug, info, warn, error", options.level));
  try {
    auto logger =
        options.file.empty() ? spdlog::stderr_logger_mt("sluice") : spdlog::basic_logger_mt("sluice", options.file);
    logger->set_level(level);
    logger->set_pattern("[%Y/%m/%d %H:%M:%S.%e %z] [%^%l%$] %v");
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& error) {
    return absl::InvalidArgumentError(fmt::format("cannot log to {}: {}", options.file, error.what()));
  }
  return absl::OkStatus();
}

}  // namespace sluice
