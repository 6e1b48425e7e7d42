#include "drainer/status_page.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace sluice::drainer {
namespace {

// A moment is no trouble: every statement waits for its answer.
constexpr std::chrono::seconds kHoldIsTrouble{1};
// Longer than a pump's restart and the reconnect after it take.
constexpr std::chrono::seconds kPumpAwayIsTrouble{5};

uint64_t position_of(const pull::PullSourceStatus& pump) {
  return std::max(pump.received.value, pump.resolved.value);
}

const std::string& name_of(const pull::PullSourceStatus& pump) {
  return pump.node_id.empty() ? pump.address : pump.node_id;
}

std::string pump_json(const DrainerSnapshot& snapshot, const pull::PullSourceStatus& pump) {
  const std::string away =
      pump.away_since ? fmt::format("{}", snapshot.seconds_since(*pump.away_since).count()) : std::string("null");
  return fmt::format(
      R"({{"address":{},"node_id":{},"state":{},"reason":{},"away_seconds":{},"received_ts":{},"resolved_ts":{},"buffered_bytes":{},"received_bytes":{},"transactions":{},"reconnects":{}}})",
      json_text(pump.address), json_text(pump.node_id), json_text(to_string(pump.state)), json_text(pump.reason), away,
      pump.received, pump.resolved, pump.buffered_bytes, pump.received_bytes, pump.transactions, pump.reconnects);
}

std::string hold_json(const DrainerSnapshot& snapshot) {
  if (!snapshot.hold) return "null";
  return fmt::format(R"({{"what":{},"seconds":{},"error":{}}})", json_text(snapshot.hold->what),
                     snapshot.seconds_since(snapshot.hold->since).count(), snapshot.hold->error);
}

std::string lag_json(const DrainerSnapshot& snapshot) {
  const std::optional<double> lag = snapshot.lag_seconds();
  return lag ? fmt::format("{:.3f}", *lag) : "null";
}

}  // namespace

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out += '"';
}

// The newest of what is known to be dealt with: durable; else what waits to become so; else where nothing was to be
// done; else the least that every pump has sent.
CommitTs DrainerSnapshot::position() const {
  for (const uint64_t ts : {pipeline.durable.value, pipeline.submitted.value, pipeline.resolved.value})
    if (ts != 0) return CommitTs(ts);
  CommitTs least;
  for (const pull::PullSourceStatus& pump : pumps)
    if (const uint64_t sent = position_of(pump); sent != 0 && (least.value == 0 || sent < least.value))
      least = CommitTs(sent);
  return least;
}

std::optional<double> DrainerSnapshot::lag_seconds() const {
  const CommitTs known = position();
  if (known.value == 0) return std::nullopt;
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  return static_cast<double>(std::max<int64_t>(0, now_ms - static_cast<int64_t>(known.physical_ms()))) / 1000;
}

std::chrono::seconds DrainerSnapshot::seconds_since(std::chrono::steady_clock::time_point since) const {
  return std::chrono::duration_cast<std::chrono::seconds>(steady_now - since);
}

std::chrono::seconds DrainerSnapshot::held_for() const {
  return hold ? seconds_since(hold->since) : std::chrono::seconds(0);
}

bool DrainerSnapshot::is_there(const pull::PullSourceStatus& pump) const {
  if (pump.state == pull::PullState::pulling || pump.state == pull::PullState::ended) return true;
  const bool was_there = !pump.node_id.empty();
  return pump.state != pull::PullState::failed && was_there && pump.away_since &&
         steady_now - *pump.away_since < kPumpAwayIsTrouble;
}

bool DrainerSnapshot::ready() const {
  if (hold && held_for() >= kHoldIsTrouble) return false;
  const bool running = pipeline.state == PipelineState::merging || pipeline.state == PipelineState::waiting;
  return running && !pumps.empty() &&
         std::all_of(pumps.begin(), pumps.end(), [this](const auto& pump) { return is_there(pump); });
}

std::string DrainerSnapshot::state_of(const pull::PullSourceStatus& pump) const {
  std::string text(to_string(pump.state));
  if (pump.away_since) text += fmt::format(" since {} s", seconds_since(*pump.away_since).count());
  return pump.reason.empty() ? text : text + ": " + pump.reason;
}

std::string DrainerSnapshot::waits_for() const {
  if (hold) {
    const std::string error = fmt::format(" (error {})", hold->error);
    const bool said = hold->error == 0 || hold->what.find(error.substr(1)) != std::string::npos;
    return fmt::format("waits for the downstream since {} s: {}{}", held_for().count(), hold->what, said ? "" : error);
  }
  if (pipeline.state == PipelineState::meeting_pumps)
    return waits_before_start.empty()
               ? "the drainer is starting"
               : fmt::format("waits since {} s for {}", seconds_since(started).count(), waits_before_start);
  if (pipeline.state == PipelineState::opening_sink) return "waits for the downstream";
  if (std::string pump = waits_for_pump(); !pump.empty()) return pump;
  if (ready()) return "";
  for (const pull::PullSourceStatus& pump : pumps)
    if (!is_there(pump)) return fmt::format("pump {} is {}", name_of(pump), state_of(pump));
  return fmt::format("the drainer is {}", to_string(pipeline.state));
}

std::string DrainerSnapshot::waits_for_pump() const {
  if (pipeline.state != PipelineState::waiting || !pipeline.blocker || pipeline.blocker->source >= pumps.size())
    return "";
  const pull::PullSourceStatus& pump = pumps[pipeline.blocker->source];
  std::string text = fmt::format("waits for pump {} at resolved {}", name_of(pump), pipeline.blocker->resolved);
  if (pipeline.blocker->wanted) text += fmt::format(", commit ts {} is ready", *pipeline.blocker->wanted);
  if (!pump.reason.empty() || pump.away_since) text += fmt::format(" ({})", state_of(pump));
  return text;
}

std::string go_status(const DrainerSnapshot& snapshot) {
  std::map<std::string, uint64_t> positions;  // Go sorts map keys
  for (const pull::PullSourceStatus& pump : snapshot.pumps)
    if (!pump.node_id.empty()) positions[pump.node_id] = position_of(pump);
  std::string pumps;
  for (const auto& [node, ts] : positions)
    pumps += fmt::format("{}{}:{}", pumps.empty() ? "" : ",", json_text(node), ts);
  pumps = positions.empty() ? "null" : "{" + pumps + "}";
  return fmt::format(R"({{"PumpPos":{},"Synced":{},"LastTS":{},"TsMap":""}})", pumps, snapshot.synced,
                     snapshot.pipeline.durable);
}

std::string go_commit_ts(const DrainerSnapshot& snapshot) {
  return fmt::format(
      "{{\n  \"message\": \"get drainer's latest ts success!\",\n  \"code\": 200,\n  \"data\": {{\n    \"ts\": {}\n  "
      "}}\n}}\n",
      snapshot.pipeline.durable);
}

std::string go_response(std::string_view message, int code) {
  return fmt::format("{{\n  \"message\": {},\n  \"code\": {},\n  \"data\": null\n}}\n", json_text(message), code);
}

std::string detailed_status(const DrainerSnapshot& snapshot) {
  const PipelineStatus& p = snapshot.pipeline;
  std::string pumps;
  for (const pull::PullSourceStatus& pump : snapshot.pumps)
    pumps += (pumps.empty() ? "" : ",") + pump_json(snapshot, pump);
  return fmt::format(
      R"({{"node_id":{},"dest_db_type":{},"state":{},"ready":{},"waits_for":{},"start_ts":{},"submitted_ts":{},"resolved_ts":{},"durable_ts":{},"lag_seconds":{},"hold":{},)"
      R"("transactions":{},"rows":{},"rows_inserted":{},"rows_updated":{},"rows_removed":{},"ddls":{},"ddls_left_out":{},"skipped":{},"repeated":{},"duplicates":{},"payload_bytes":{},"pumps":[{}]}})",
      json_text(snapshot.node_id), json_text(snapshot.dest_db_type), json_text(to_string(p.state)), snapshot.ready(),
      json_text(snapshot.waits_for()), p.start, p.submitted, p.resolved, p.durable, lag_json(snapshot),
      hold_json(snapshot), p.transactions, p.rows(), p.rows_inserted, p.rows_updated, p.rows_removed, p.ddls,
      snapshot.ddls_left_out, p.skipped, p.repeated, p.duplicates, p.payload_bytes, pumps);
}

}  // namespace sluice::drainer
