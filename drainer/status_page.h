// What the drainer says of itself over HTTP: TiDB-Binlog's answers, byte for byte in shape, and our own in more detail.
// Pure: text of a snapshot.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "drainer/pipeline.h"
#include "drainer/pull/pull_source.h"
#include "drainer/sinks/sink.h"

namespace sluice::drainer {

struct DrainerSnapshot {
  std::string node_id;
  std::string dest_db_type;
  PipelineStatus pipeline;
  std::vector<pull::PullSourceStatus> pumps;
  uint64_t ddls_left_out = 0;  // row-neutral DDLs that the downstream has no counterpart for
  bool synced = false;         // no transaction for synced-check-time
  std::chrono::system_clock::time_point now;
  std::optional<sinks::SinkHold> hold{};               // what the downstream waits for
  std::chrono::steady_clock::time_point steady_now{};  // what every `since` is measured against
  std::string waits_before_start{};                    // for which pumps and why, while it meets them
  std::chrono::steady_clock::time_point started{};

  // How far the downstream is behind the clock, by the newest timestamp known to be dealt with there; before there is
  // one, by what the pumps have sent. Nothing: no timestamp is known yet.
  [[nodiscard]] std::optional<double> lag_seconds() const;
  // A pump that was there and is away for a moment is no trouble: a reconnect heals it.
  [[nodiscard]] bool ready() const;
  // "waits for pump X at resolved …": one line for a human. The downstream comes first: while it holds, no pump is what
  // is waited for. Empty only while it is ready and nothing is waited for.
  [[nodiscard]] std::string waits_for() const;
  [[nodiscard]] std::chrono::seconds seconds_since(std::chrono::steady_clock::time_point since) const;

 private:
  [[nodiscard]] std::chrono::seconds held_for() const;
  [[nodiscard]] std::string waits_for_pump() const;
  [[nodiscard]] CommitTs position() const;
  [[nodiscard]] bool is_there(const pull::PullSourceStatus& pump) const;
  // "waiting since 12 s: connection refused"
  [[nodiscard]] std::string state_of(const pull::PullSourceStatus& pump) const;
};

[[nodiscard]] std::string json_text(std::string_view text);  // quoted and escaped

[[nodiscard]] std::string go_status(const DrainerSnapshot& snapshot);        // GET /status
[[nodiscard]] std::string go_commit_ts(const DrainerSnapshot& snapshot);     // GET /commit_ts
[[nodiscard]] std::string go_response(std::string_view message, int code);   // PUT /state/…
[[nodiscard]] std::string detailed_status(const DrainerSnapshot& snapshot);  // GET /api/v1/status

}  // namespace sluice::drainer
