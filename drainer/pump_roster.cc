#include "drainer/pump_roster.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "base/assert.h"
#include "base/status.h"

namespace sluice::drainer {
namespace {

constexpr std::string_view kEnded = "ended:";

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::Status damaged(std::string_view line) {
  return absl::FailedPreconditionError(
      fmt::format("the drainer's file `pumps` has a line that isn't one of ours: `{}`. Restore it from a backup, "
                  "or remove it after making sure that --pumps names every pump",
                  line));
}

absl::StatusOr<PumpRoster::Entry> parse_entry(const std::string& line) {
  std::istringstream words(line);
  PumpRoster::Entry entry;
  std::string state;
  std::string rest;
  if (!(words >> entry.address >> entry.node_id >> state) || words >> rest) return damaged(line);
  if (state == "active") return entry;
  if (!state.starts_with(kEnded)) return damaged(line);
  const auto ts = parse_number(std::string_view(state).substr(kEnded.size()));
  if (!ts) return damaged(line);
  entry.final_ts = CommitTs(*ts);
  return entry;
}

}  // namespace

absl::StatusOr<PumpRoster> PumpRoster::parse(std::string_view text, std::vector<std::string> addresses) {
  PumpRoster roster;
  std::istringstream lines{std::string(text)};
  std::string line;
  if (std::getline(lines, line)) {
    constexpr std::string_view kCluster = "cluster ";
    const auto cluster =
        line.starts_with(kCluster) ? parse_number(std::string_view(line).substr(kCluster.size())) : std::nullopt;
    if (!cluster) return damaged(line);
    roster.cluster_id_ = *cluster;
    roster.first_start_ = false;
  }
  while (std::getline(lines, line)) {
    SLUICE_ASSIGN_OR_RETURN(Entry entry, parse_entry(line));
    roster.kept_.push_back(std::move(entry));
  }
  for (std::string& address : addresses) roster.given_.push_back({.address = std::move(address), .node_id = ""});
  return roster;
}

absl::Status PumpRoster::missing(const Entry& entry) const {
  return absl::FailedPreconditionError(
      fmt::format("BEHIND/{}: this drainer has pulled from pump {} (last at {}) and it isn't in --pumps; what it still "
                  "holds would be passed over. Add it to --pumps, or take it offline first so that this drainer "
                  "sees its end",
                  entry.node_id, entry.node_id, entry.address));
}

absl::Status PumpRoster::check(CommitTs position) const {
  const auto is_given = [this](const Entry& e) {
    return std::any_of(given_.begin(), given_.end(), [&](const Given& g) { return g.address == e.address; });
  };
  const auto is_new = [this](const Given& g) {
    return std::none_of(kept_.begin(), kept_.end(), [&](const Entry& e) { return e.address == g.address; });
  };
  // A pump whose address is gone may stand behind a new one; only its node id tells.
  auto new_addresses = std::count_if(given_.begin(), given_.end(), is_new);
  for (const Entry& entry : kept_) {
    if (is_given(entry) || (entry.final_ts && *entry.final_ts <= position)) continue;
    if (new_addresses-- <= 0) return missing(entry);
  }
  return absl::OkStatus();
}

PumpRoster::Entry* PumpRoster::kept(std::string_view node_id) {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Entry& e) { return e.node_id == node_id; });
  return found == kept_.end() ? nullptr : &*found;
}

absl::StatusOr<PumpAdmission> PumpRoster::welcome(size_t source, std::string_view node_id, uint64_t cluster_id) {
  SLUICE_ASSERT(source < given_.size(), "source={}", source);
  Given& given = given_[source];
  if (node_id.empty() || node_id.find_first_of(" \t\r\n") != std::string_view::npos)
    return absl::FailedPreconditionError(fmt::format(
        "pump at {} has the node id `{}`; start it with a --node-id without spaces", given.address, node_id));
  if (cluster_id_ != 0 && cluster_id != cluster_id_)
    return absl::FailedPreconditionError(fmt::format(
        "pump {} at {} is of cluster {}, this drainer pulls from cluster {}: correct --pumps, or use another "
        "--data-dir for another cluster",
        node_id, given.address, cluster_id, cluster_id_));
  for (const Given& other : given_)
    if (&other != &given && other.node_id == node_id)
      return absl::FailedPreconditionError(fmt::format("--pumps names pump {} twice, as {} and {}: leave one out",
                                                       node_id, other.address, given.address));
  if (!given.node_id.empty() && given.node_id != node_id)
    return absl::FailedPreconditionError(fmt::format(
        "the pump at {} was {} and is now {}: correct --pumps and start again", given.address, given.node_id, node_id));
  cluster_id_ = cluster_id;
  given.node_id = node_id;

  Entry* entry = kept(node_id);
  if (entry != nullptr && std::exchange(entry->address, given.address) != given.address) changed_ = true;
  if (all_welcomed()) {
    for (const Entry& e : kept_) {
      const bool here =
          std::any_of(given_.begin(), given_.end(), [&](const Given& g) { return g.node_id == e.node_id; });
      if (!here && !e.final_ts) return missing(e);
    }
    if (first_start_)
      for (const Given& g : given_) keep(g);
    first_start_ = false;
  }
  if (kept_.empty()) return PumpAdmission{};  // the first start, others have yet to speak
  entry = kept(node_id);
  if (entry == nullptr) return PumpAdmission{.pulled_through = CommitTs()};
  return PumpAdmission{.pulled_through = entry->final_ts};
}

void PumpRoster::keep(const Given& given) {
  if (Entry* entry = kept(given.node_id))
    entry->final_ts.reset();
  else
    kept_.push_back({.address = given.address, .node_id = given.node_id, .final_ts = std::nullopt});
  changed_ = true;
}

void PumpRoster::proven(size_t source) {
  keep(given_[source]);
}

void PumpRoster::ended(size_t source, CommitTs final_ts) {
  Entry* entry = kept(given_[source].node_id);
  if (entry == nullptr) return;
  entry->final_ts = final_ts;
  changed_ = true;
}

bool PumpRoster::all_welcomed() const {
  return std::none_of(given_.begin(), given_.end(), [](const Given& g) { return g.node_id.empty(); });
}

bool PumpRoster::take_changed() {
  return std::exchange(changed_, false);
}

std::string PumpRoster::text() const {
  std::string text = fmt::format("cluster {}\n", cluster_id_);
  for (const Entry& e : kept_)
    text += fmt::format("{} {} {}\n", e.address, e.node_id,
                        e.final_ts ? fmt::format("{}{}", kEnded, *e.final_ts) : "active");
  return text;
}

}  // namespace sluice::drainer
