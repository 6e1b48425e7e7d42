// The process' file descriptors: every connection is one.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sluice::net {

// Raises the soft limit to the hard one and returns it.
inline uint64_t raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t soft = std::exchange(limit.rlim_cur, limit.rlim_max);
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : soft;
}

// What is left for connections when the log and its reader keep theirs. `wanted` when the limit is far away.
constexpr unsigned connections_within(uint64_t file_limit, unsigned wanted) {
  const uint64_t reserved = std::min<uint64_t>(256, file_limit / 2);
  return static_cast<unsigned>(std::clamp<uint64_t>(file_limit - reserved, 8, wanted));
}

}  // namespace sluice::net
