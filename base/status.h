// Statuses: the values that operating failures and bad bytes travel as, and the two macros that pass them on.
#pragma once

#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

namespace sluice {

// Debian's Abseil keeps its own string_view type.
[[nodiscard]] inline std::string_view message_of(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// The same status with "context: " before its message; OK stays OK.
[[nodiscard]] inline absl::Status annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(), fmt::format("{}: {}", context, message_of(status)));
}

}  // namespace sluice

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

// The counter keeps a use inside a lambda inside another use from shadowing it.
#define SLUICE_RETURN_IF_ERROR(...) SLUICE_RETURN_IF_ERROR_INNER(SLUICE_CONCAT(status_, __COUNTER__), __VA_ARGS__)
#define SLUICE_RETURN_IF_ERROR_INNER(name, ...)                     \
  do {                                                              \
    if (absl::Status name = (__VA_ARGS__); !name.ok()) [[unlikely]] \
      return name;                                                  \
  } while (false)

// SLUICE_ASSIGN_OR_RETURN(auto value, function());
#define SLUICE_ASSIGN_OR_RETURN(declaration, ...) \
  SLUICE_ASSIGN_OR_RETURN_INNER(SLUICE_CONCAT(status_or_, __COUNTER__), declaration, __VA_ARGS__)
#define SLUICE_ASSIGN_OR_RETURN_INNER(name, declaration, ...) \
  auto name = (__VA_ARGS__);                                  \
  if (!name.ok()) [[unlikely]]                                \
    return std::move(name).status();                          \
  declaration = std::move(name).value()
