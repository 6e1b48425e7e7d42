// Timestamps of the cluster's oracle: physical milliseconds << 18 | logical counter (18 bits).
// The kinds don't mix: a start ts names a transaction, a commit ts orders it, a resolved ts is a promise about order.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>

#include <fmt/format.h>

namespace sluice {

inline constexpr unsigned kTsoLogicalBits = 18;

template <class Tag>
struct Timestamp {
  uint64_t value = 0;

  constexpr Timestamp() = default;
  constexpr explicit Timestamp(uint64_t v) : value(v) {}
  friend constexpr auto operator<=>(const Timestamp&, const Timestamp&) = default;

  // Milliseconds since the epoch, as the oracle saw them.
  [[nodiscard]] constexpr uint64_t physical_ms() const { return value >> kTsoLogicalBits; }
};

using StartTs = Timestamp<struct StartTsTag>;
using CommitTs = Timestamp<struct CommitTsTag>;
using ResolvedTs = Timestamp<struct ResolvedTsTag>;
// A timestamp of any kind: an oracle's answer, or the largest of several kinds (the W of docs/architecture.md).
using Tso = Timestamp<struct TsoTag>;

template <class Tag>
[[nodiscard]] constexpr Tso any_ts(Timestamp<Tag> ts) {
  return Tso(ts.value);
}

[[nodiscard]] constexpr Tso compose_tso(uint64_t physical_ms, uint64_t logical) {
  return Tso((physical_ms << kTsoLogicalBits) + logical);
}

}  // namespace sluice

template <class Tag>
struct std::hash<sluice::Timestamp<Tag>> {
  size_t operator()(sluice::Timestamp<Tag> ts) const noexcept { return std::hash<uint64_t>{}(ts.value); }
};

template <class Tag>
struct fmt::formatter<sluice::Timestamp<Tag>> : fmt::formatter<uint64_t> {
  template <class Context>
  auto format(sluice::Timestamp<Tag> ts, Context& ctx) const {
    return fmt::formatter<uint64_t>::format(ts.value, ctx);
  }
};
