// The states of a pump or drainer and the moves between them, named as TiDB-Binlog's registry names them.
#pragma once

#include <optional>
#include <string_view>

namespace sluice {

enum class NodeState { online, pausing, paused, closing, offline };

[[nodiscard]] constexpr std::string_view to_string(NodeState state) {
  switch (state) {
    case NodeState::online:
      return "online";
    case NodeState::pausing:
      return "pausing";
    case NodeState::paused:
      return "paused";
    case NodeState::closing:
      return "closing";
    case NodeState::offline:
      return "offline";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::optional<NodeState> parse_node_state(std::string_view text) {
  for (const NodeState s :
       {NodeState::online, NodeState::pausing, NodeState::paused, NodeState::closing, NodeState::offline})
    if (to_string(s) == text) return s;
  return std::nullopt;
}

// online -> pausing -> paused -> online; online -> closing -> offline -> online.
[[nodiscard]] constexpr bool may_move(NodeState from, NodeState to) {
  switch (from) {
    case NodeState::online:
      return to == NodeState::pausing || to == NodeState::closing;
    case NodeState::pausing:
      return to == NodeState::paused;
    case NodeState::paused:
      return to == NodeState::online;
    case NodeState::closing:
      return to == NodeState::offline;
    case NodeState::offline:
      return to == NodeState::online;
  }
  return false;
}

}  // namespace sluice
