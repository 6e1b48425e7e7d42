#include "pump/status_page.h"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace sluice::pump {
namespace {

namespace json = boost::json;

std::string quoted(std::string_view text) {
  return json::serialize(json::string(json::string_view(text.data(), text.size())));
}

json::string_view view(std::string_view text) {
  return {text.data(), text.size()};
}

json::array pullers_json(const PumpStatus& status) {
  json::array list;
  for (const PullService::PullerStatus& p : status.pullers)
    list.push_back({{"name", p.name},
                    {"address", p.address},
                    {"cursor", p.cursor.value},
                    {"credit_bytes", p.credit_bytes},
                    {"held_at_gap", p.held}});
  return list;
}

}  // namespace

std::string status_json(const PumpStatus& s) {
  json::object node;
  node["nodeId"] = s.node_id;
  node["host"] = s.host;
  node["state"] = view(to_string(s.state));
  node["isAlive"] = false;  // as the Go Pump has it: nobody computes it
  node["score"] = 0;
  node["label"] = nullptr;
  node["maxCommitTS"] = s.numbers.resolved_ts;
  node["updateTS"] = s.commit_ts;
  json::object page;
  page["status"] = json::object{{s.node_id, node}};
  page["CommitTS"] = s.commit_ts;
  page["Checkpoint"] = json::object{};
  page["ErrMsg"] = s.trouble;
  return json::serialize(page) + "\n";
}

std::string detail_json(const PumpStatus& s) {
  const MetricsSnapshot& n = s.numbers;
  json::object page;
  page["node_id"] = s.node_id;
  page["address"] = s.host;
  page["state"] = view(to_string(s.state));
  page["cluster_id"] = s.cluster_id;
  page["time_source"] = s.time_source;
  page["data_dir"] = s.data_dir;
  page["resolved_ts"] = n.resolved_ts;
  page["waiting_for"] = s.waiting_for;
  page["state_since_ms"] = s.state_since_ms;
  page["error"] = s.trouble;
  page["read_only"] = s.failure;
  page["open_transactions"] = n.open;
  page["pending_commits"] = n.pending;
  page["ordered_transactions"] = n.ordered;
  page["log"] = {{"backend", n.log.backend},
                 {"batches", n.log.batches},
                 {"segments", n.log.segments},
                 {"bytes_written", n.log.bytes_written},
                 {"record_bytes", n.log.record_bytes},
                 {"queued_bytes", n.queued_bytes},
                 {"recovered_bytes_read", n.log.recovered_bytes_read}};
  page["counters"] = {{"records", n.ingest.records},           {"refused", n.ingest.refused},
                      {"absorbed", n.sorter.absorbed},         {"prewrites", n.sorter.prewrites},
                      {"commits", n.sorter.commits},           {"rollbacks", n.sorter.rollbacks},
                      {"stale_copies", n.sorter.stale_copies}, {"strays", n.sorter.strays},
                      {"replay_ignored", s.replay_ignored},    {"pulled_transactions", n.pulls.transactions},
                      {"pulled_bytes", n.pulls.bytes},         {"gaps", n.pulls.gaps},
                      {"pulls_refused", n.pulls.refused}};
  json::object memory{{"budget", n.memory_budget}, {"bytes", n.memory_bytes}, {"bytes_top", n.memory_bytes_top}};
  for (const ByteUseStats& use : n.memory_uses)
    memory[view(use.name)] = {{"bytes", use.bytes}, {"bytes_top", use.bytes_top}, {"refusals", use.refusals}};
  page["memory"] = std::move(memory);
  page["writers"] = n.writers;
  page["pullers"] = pullers_json(s);
  return json::serialize(page) + "\n";
}

std::string action_json(int code, std::string_view message) {
  return fmt::format("{{\n  \"message\": {},\n  \"code\": {},\n  \"data\": null\n}}\n", quoted(message), code);
}

}  // namespace sluice::pump
