#include "base/logging.h"

#include <memory>
#include <mutex>

#include <spdlog/details/file_helper.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/status.h"

namespace sluice {
namespace {

// spdlog's own file sink can't open its file again.
class ReopenableFileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ReopenableFileSink(std::string file) : file_(std::move(file)), out_(open()) {}

  void reopen() {
    auto fresh = open();  // throws, and leaves what is open
    const std::lock_guard lock(mutex_);
    out_ = std::move(fresh);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    out_->write(text);
  }
  void flush_() override { out_->flush(); }

 private:
  [[nodiscard]] std::unique_ptr<spdlog::details::file_helper> open() const {
    auto file = std::make_unique<spdlog::details::file_helper>();
    file->open(file_, false);
    return file;
  }

  const std::string file_;
  std::unique_ptr<spdlog::details::file_helper> out_;
};

std::shared_ptr<ReopenableFileSink>& file_sink() {
  static std::shared_ptr<ReopenableFileSink> sink;  // set once, before threads start
  return sink;
}

absl::StatusOr<spdlog::level::level_enum> parse_level(const std::string& level) {
  if (level == "fatal") return spdlog::level::critical;
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off")
    return absl::InvalidArgumentError(
        fmt::format("log level is `{}`; accepted: debug, info, warn, error, fatal", level));
  return parsed;
}

}  // namespace

absl::Status set_up_logging(const LogOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(const auto level, parse_level(options.level));
  try {
    spdlog::sink_ptr sink;
    if (options.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
      file_sink() = nullptr;
    } else {
      sink = file_sink() = std::make_shared<ReopenableFileSink>(options.file);
    }
    auto logger = std::make_shared<spdlog::logger>("sluice", std::move(sink));
    logger->set_level(level);
    logger->set_pattern("[%Y/%m/%d %H:%M:%S.%e %z] [%^%l%$] %v");
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& error) {
    return absl::InvalidArgumentError(fmt::format("cannot log to {}: {}", options.file, error.what()));
  }
  return absl::OkStatus();
}

absl::Status reopen_log() {
  if (!file_sink()) return absl::OkStatus();
  try {
    file_sink()->reopen();
  } catch (const spdlog::spdlog_ex& error) {
    return absl::UnavailableError(fmt::format("the log file can't be opened again: {}", error.what()));
  }
  return absl::OkStatus();
}

absl::Status set_log_level(const std::string& level) {
  SLUICE_ASSIGN_OR_RETURN(const auto parsed, parse_level(level));
  spdlog::default_logger()->set_level(parsed);
  return absl::OkStatus();
}

}  // namespace sluice
