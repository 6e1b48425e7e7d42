#include "drainer/status_page.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace sluice::drainer {
namespace {

// A moment is no trouble: every statement waits for its answer.
constexpr std::chrono::seconds kHoldIsTrouble{1};

uint64_t position_of(const pull::PullSourceStatus& pump) {
  return std::max(pump.received.value, pump.resolved.value);
}

std::string pump_json(const pull::PullSourceStatus& pump) {
  return fmt::format(
      R"({{"address":{},"node_id":{},"state":{},"reason":{},"received_ts":{},"resolved_ts":{},"buffered_bytes":{},"received_bytes":{},"transactions":{},"reconnects":{}}})",
      json_text(pump.address), json_text(pump.node_id), json_text(to_string(pump.state)), json_text(pump.reason),
      pump.received, pump.resolved, pump.buffered_bytes, pump.received_bytes, pump.transactions, pump.reconnects);
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

double DrainerSnapshot::lag_seconds() const {
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  // Nothing durable yet: at least as far behind as what waits to become so.
  const CommitTs position = pipeline.durable.value != 0 ? pipeline.durable : pipeline.submitted;
  const auto position_ms = static_cast<int64_t>(position.physical_ms());
  return position.value == 0 ? 0 : static_cast<double>(std::max<int64_t>(0, now_ms - position_ms)) / 1000;
}

std::chrono::seconds DrainerSnapshot::held_for() const {
  return hold ? std::chrono::duration_cast<std::chrono::seconds>(steady_now - hold->since) : std::chrono::seconds(0);
}

bool DrainerSnapshot::ready() const {
  if (hold && held_for() >= kHoldIsTrouble) return false;
  const bool running = pipeline.state == PipelineState::merging || pipeline.state == PipelineState::waiting;
  return running && !pumps.empty() && std::all_of(pumps.begin(), pumps.end(), [](const auto& p) {
           return p.state == pull::PullState::pulling || p.state == pull::PullState::ended;
         });
}

std::string DrainerSnapshot::waits_for() const {
  if (hold) {
    const std::string error = hold->error == 0 ? "" : fmt::format(" (error {})", hold->error);
    return fmt::format("waits for the downstream since {} s: {}{}", held_for().count(), hold->what, error);
  }
  if (pipeline.state == PipelineState::opening_sink) return "waits for the downstream or for a pump's first word";
  if (std::string pump = waits_for_pump(); !pump.empty()) return pump;
  if (ready()) return "";
  for (const pull::PullSourceStatus& pump : pumps)
    if (pump.state != pull::PullState::pulling && pump.state != pull::PullState::ended)
      return fmt::format("pump {} is {}{}", pump.node_id.empty() ? pump.address : pump.node_id, to_string(pump.state),
                         pump.reason.empty() ? "" : ": " + pump.reason);
  return fmt::format("the drainer is {}", to_string(pipeline.state));
}

std::string DrainerSnapshot::waits_for_pump() const {
  if (pipeline.state != PipelineState::waiting || !pipeline.blocker || pipeline.blocker->source >= pumps.size())
    return "";
  const pull::PullSourceStatus& pump = pumps[pipeline.blocker->source];
  std::string text = fmt::format("waits for pump {} at resolved {}", pump.node_id.empty() ? pump.address : pump.node_id,
                                 pipeline.blocker->resolved);
  if (pipeline.blocker->wanted) text += fmt::format(", commit ts {} is ready", *pipeline.blocker->wanted);
  if (!pump.reason.empty()) text += fmt::format(" ({}: {})", to_string(pump.state), pump.reason);
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
  for (const pull::PullSourceStatus& pump : snapshot.pumps) pumps += (pumps.empty() ? "" : ",") + pump_json(pump);
  return fmt::format(
      R"({{"node_id":{},"dest_db_type":{},"state":{},"ready":{},"waits_for":{},"start_ts":{},"submitted_ts":{},"resolved_ts":{},"durable_ts":{},"lag_seconds":{:.3f},)"
      R"("transactions":{},"rows":{},"rows_inserted":{},"rows_updated":{},"rows_removed":{},"ddls":{},"ddls_left_out":{},"skipped":{},"repeated":{},"duplicates":{},"payload_bytes":{},"pumps":[{}]}})",
      json_text(snapshot.node_id), json_text(snapshot.dest_db_type), json_text(to_string(p.state)), snapshot.ready(),
      json_text(snapshot.waits_for()), p.start, p.submitted, p.resolved, p.durable, snapshot.lag_seconds(),
      p.transactions, p.rows(), p.rows_inserted, p.rows_updated, p.rows_removed, p.ddls, snapshot.ddls_left_out,
      p.skipped, p.repeated, p.duplicates, p.payload_bytes, pumps);
}

}  // namespace sluice::drainer
