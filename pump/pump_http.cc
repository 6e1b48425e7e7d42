// The pump's HTTP endpoints: TiDB-Binlog's paths and texts, and ours beside them.
#include <filesystem>

#include "base/status.h"
#include "pump/pump.h"

namespace sluice::pump {
namespace {

constexpr const char* kJson = "application/json; charset=UTF-8";
constexpr int kDone = 200;
constexpr int kRefused = 3;

net::HttpResponse action_answer(int code, std::string_view message) {
  return {.status = 200, .content_type = kJson, .body = action_json(code, message)};
}

}  // namespace

net::HttpRoutes Pump::routes() {
  net::HttpRoutes routes;
  routes.add("GET", "/status",
             [this](const net::HttpRequest&) { return net::HttpResponse{.body = status_json(status())}; });
  routes.add("GET", "/api/v1/status", [this](const net::HttpRequest&) {
    return net::HttpResponse{.content_type = kJson, .body = detail_json(status())};
  });
  // Without a registry there is no list of drainers; a Go Pump says so with null too.
  routes.add("GET", "/drainers",
             [](const net::HttpRequest&) { return net::HttpResponse{.content_type = kJson, .body = "null\n"}; });
  routes.add("GET", "/healthz", [](const net::HttpRequest&) { return net::HttpResponse{.body = "ok\n"}; });
  routes.add("GET", "/readyz", [this](const net::HttpRequest&) {
    if (const std::string why = not_ready(); !why.empty()) return net::HttpResponse{.status = 503, .body = why + "\n"};
    return net::HttpResponse{.body = "ok\n"};
  });
  routes.add("GET", "/metrics", [this](const net::HttpRequest&) { return metrics_.page(snapshot()); });
  routes.add("PUT", "/state/{node}/{action}",
             [this](const net::HttpRequest& request) { return apply_action(request); });
  return routes;
}

// The texts, misspelling included, are what TiDB-Binlog's tools know.
net::HttpResponse Pump::apply_action(const net::HttpRequest& request) {
  const std::string& node = request.parameters.at("node");
  const std::string& action = request.parameters.at("action");
  if (node != meta().node_id)
    return action_answer(kRefused, fmt::format("invalide nodeID {}, this pump's nodeID is {}", node, meta().node_id));
  if (state_ != NodeState::online)
    return action_answer(kRefused, fmt::format("this pump's state is {}, apply {} failed!", to_string(state_), action));
  if (action != "pause" && action != "close") return action_answer(kRefused, fmt::format("invalide action {}", action));
  begin_leaving(action == "pause" ? NodeState::pausing : NodeState::closing);
  return action_answer(kDone, fmt::format("apply action {} success!", action));
}

PumpStatus Pump::status() {
  PumpStatus s;
  s.node_id = meta().node_id;
  s.host = host_;
  s.state = state_;
  s.cluster_id = meta().cluster_id;
  s.time_source = to_string(time_->source());
  s.data_dir = folder_->dir().string();
  // The embedded oracle answers at once; another pump's answer is for the next who asks.
  if (time_->has_oracle()) time_->ask([](const absl::StatusOr<Tso>&) {});
  s.commit_ts = std::max(time_->newest(), order_->sorter().largest_durable()).value;
  s.replay_ignored = order_->replay_ignored();
  s.waiting_for = state_ == NodeState::closing ? close_waits_for() : order_->explain();
  s.failure = ingest_->failure_text();
  s.trouble = health_.text(clock_.now());
  s.state_since_ms = std::chrono::duration_cast<std::chrono::milliseconds>(state_since_.time_since_epoch()).count();
  s.pullers = pulls_->pullers();
  s.numbers = snapshot();
  return s;
}

MetricsSnapshot Pump::snapshot() const {
  MetricsSnapshot s;
  s.sorter = order_->sorter().counters();
  s.ingest = ingest_->counters();
  s.pulls = pulls_->counters();
  s.log = log_->stats();
  s.resolved_ts = order_->resolved().value;
  s.open = order_->sorter().open_count();
  s.pending = order_->sorter().pending_count();
  s.ordered = order_->index().size();
  s.queued_bytes = ingest_->queued_bytes();
  s.pullers = pulls_->count();
  s.writers = ingest_->writers();
  std::error_code ignored;  // a folder that can't be asked shows as zeros
  if (const auto space = std::filesystem::space(folder_->dir(), ignored); !ignored) {
    s.disk_capacity_bytes = space.capacity;
    s.disk_available_bytes = space.available;
  }
  s.log_errors = health_.episodes(Health::Trouble::log_read_only) + health_.episodes(Health::Trouble::no_space);
  s.memory_budget = memory_.budget.total();
  s.memory_bytes = memory_.budget.bytes();
  s.memory_bytes_top = memory_.budget.bytes_top();
  for (size_t i = 0; i < memory_.budget.uses(); ++i) s.memory_uses.push_back(memory_.budget.stats({i}));
  return s;
}

}  // namespace sluice::pump
