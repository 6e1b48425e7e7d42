// Asserts for bugs, on in every build: they print the condition and the values, then abort.
// Bytes from disk, peer or user are never asserted; they get a status.
#pragma once

#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

namespace sluice {

[[noreturn]] inline void assert_failed(const char* condition, const char* file, int line, const std::string& values) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s %s\n", file, line, condition, values.c_str());
  std::abort();
}

}  // namespace sluice

// SLUICE_ASSERT(ts > last_, "ts={} last={}", ts, last_);  // INV-2
#define SLUICE_ASSERT(condition, ...)                                                                             \
  do {                                                                                                            \
    if (!(condition)) [[unlikely]]                                                                                \
      ::sluice::assert_failed(#condition, __FILE__, __LINE__, std::string(__VA_OPT__(fmt::format(__VA_ARGS__)))); \
  } while (false)
