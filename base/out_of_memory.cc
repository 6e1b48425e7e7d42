#include "base/out_of_memory.h"

#include <unistd.h>

#include <atomic>
#include <new>
#include <string>

#include "base/exit_code.h"
#include "base/logging.h"

namespace sluice {
namespace {

// Given back when memory has run out, so that the last line can be written.
constexpr size_t kLastLineBytes = 256u << 10;
std::atomic<char*> last_line_memory{nullptr};
std::string out_of_memory_line;

[[noreturn]] void end_out_of_memory() {
  // Whoever comes second, another thread or the logging itself, leaves at once.
  if (char* memory = last_line_memory.exchange(nullptr)) {
    delete[] memory;
    if (spdlog::default_logger()) {
      spdlog::critical("{}", out_of_memory_line);
      spdlog::default_logger()->flush();
    }
  } else {
    constexpr std::string_view kText = "out of memory\n";
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, kText.data(), kText.size());
  }
  ::_exit(static_cast<int>(ExitCode::restart_may_heal));
}

}  // namespace

void exit_when_out_of_memory(std::string_view program) {
  out_of_memory_line = fmt::format(
      "{} is out of memory and ends, a restart goes on where it was; give it more (ulimit -v, the container's limit) "
      "or lower its memory budget",
      program);
  last_line_memory = new char[kLastLineBytes];
  std::set_new_handler(end_out_of_memory);
}

}  // namespace sluice
