// What a write measured, as a table for people and as JSON for programs.
#pragma once

#include <string>

#include "tools/loadgen/lane_team.h"

namespace sluice::loadgen {

// {"count":…,"mean":…,"p50":…,"p90":…,"p99":…,"p999":…,"max":…}, in microseconds.
[[nodiscard]] std::string latency_json(const Histogram& latency);
// "prewrite   p50 …", in milliseconds.
[[nodiscard]] std::string latency_line(std::string_view name, const Histogram& latency);

// The fields without braces, for callers that have more to say.
[[nodiscard]] std::string write_json_fields(const WriteOptions& options, uint64_t run, const LaneTeam::Look& look);
[[nodiscard]] std::string write_text(const WriteOptions& options, uint64_t run, const LaneTeam::Look& look);

// `text` as a JSON string, quotes included.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace sluice::loadgen
