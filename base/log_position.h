// A place in a pump's log: segment sequence << 32 | byte offset in that segment's file. Later in the log is larger.
#pragma once

#include <compare>
#include <cstdint>

#include <fmt/format.h>

namespace sluice {

struct LogPosition {
  uint64_t value = 0;

  constexpr LogPosition() = default;
  constexpr explicit LogPosition(uint64_t v) : value(v) {}
  constexpr LogPosition(uint32_t segment, uint32_t offset) : value(uint64_t{segment} << 32 | offset) {}
  friend constexpr auto operator<=>(const LogPosition&, const LogPosition&) = default;

  [[nodiscard]] constexpr uint32_t segment() const { return static_cast<uint32_t>(value >> 32); }
  [[nodiscard]] constexpr uint32_t offset() const { return static_cast<uint32_t>(value); }
};

}  // namespace sluice

template <>
struct fmt::formatter<sluice::LogPosition> {
  constexpr auto parse(fmt::format_parse_context& ctx) { return ctx.begin(); }
  template <class Context>
  auto format(sluice::LogPosition p, Context& ctx) const {
    return fmt::format_to(ctx.out(), "{}:{}", p.segment(), p.offset());
  }
};
