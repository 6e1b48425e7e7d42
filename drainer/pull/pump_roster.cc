#include "drainer/pull/pump_roster.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "base/assert.h"
#include "base/status.h"

namespace sluice::drainer::pull {
namespace {

constexpr std::string_view kEnded = "ended:";

// Above is no oracle's: also the merger's limit.
constexpr uint64_t kTsoMax = (uint64_t{1} << 62) - 1;

// Of a damaged file, which may be anything.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 120)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

constexpr std::string_view kLog = "log:";
constexpr std::string_view kSeen = "seen:";
constexpr std::string_view kResolved = "resolved:";

std::optional<uint64_t> parse_hex(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() != 16 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A line of the file while it is read: every complaint names the place.
struct Line {
  std::string_view origin;
  size_t number = 0;
  std::string text;

  [[nodiscard]] absl::Status damaged(std::string_view what) const {
    return absl::FailedPreconditionError(
        fmt::format("{} line {}: {}: `{}`. Restore the file from a backup, or remove it after making sure that --pumps "
                    "names every pump this drainer ever pulled from",
                    origin, number, what, printable(text)));
  }
  [[nodiscard]] absl::StatusOr<uint64_t> timestamp(std::string_view word) const {
    const auto ts = parse_number(word);
    if (!ts || *ts > kTsoMax) return damaged(fmt::format("`{}` is not a timestamp of an oracle", printable(word)));
    return *ts;
  }
};

// `log:`, `seen:`, `resolved:` in this order, none of them in files of before they were kept.
absl::Status parse_log(const Line& line, std::istringstream& words, PumpRoster::Entry& entry) {
  std::string log, seen, resolved, rest;
  if (!(words >> log)) return absl::OkStatus();
  if (!(words >> seen >> resolved) || words >> rest || !log.starts_with(kLog) || !seen.starts_with(kSeen) ||
      !resolved.starts_with(kResolved))
    return line.damaged("isn't one of ours");
  const auto id = parse_hex(std::string_view(log).substr(kLog.size()));
  if (!id) return line.damaged("`log:` isn't 16 hexadecimal digits");
  SLUICE_ASSIGN_OR_RETURN(const uint64_t seen_ts, line.timestamp(std::string_view(seen).substr(kSeen.size())));
  SLUICE_ASSIGN_OR_RETURN(const uint64_t bound, line.timestamp(std::string_view(resolved).substr(kResolved.size())));
  entry.log_birth_id = *id;
  entry.seen = CommitTs(seen_ts);
  entry.resolved = ResolvedTs(bound);
  return absl::OkStatus();
}

absl::StatusOr<PumpRoster::Entry> parse_entry(const Line& line) {
  std::istringstream words(line.text);
  PumpRoster::Entry entry;
  std::string state;
  if (!(words >> entry.address >> entry.node_id >> state)) return line.damaged("isn't one of ours");
  if (state.starts_with(kEnded)) {
    SLUICE_ASSIGN_OR_RETURN(const uint64_t ts, line.timestamp(std::string_view(state).substr(kEnded.size())));
    entry.final_ts = CommitTs(ts);
  } else if (state != "active") {
    return line.damaged("isn't one of ours");
  }
  SLUICE_RETURN_IF_ERROR(parse_log(line, words, entry));
  return entry;
}

}  // namespace

absl::StatusOr<PumpRoster> PumpRoster::parse(std::optional<std::string_view> text, std::vector<std::string> addresses,
                                             std::string_view origin) {
  PumpRoster roster;
  roster.origin_ = origin;
  for (std::string& address : addresses) roster.given_.push_back({.address = std::move(address), .node_id = ""});
  if (!text) return roster;
  roster.first_start_ = false;
  Line line{.origin = origin, .number = 1, .text = ""};
  if (text->empty() || text->back() != '\n') {
    line.text = text->substr(0, 80);
    return line.damaged(text->empty() ? "the file is empty" : "the file is cut off");
  }
  std::istringstream lines{std::string(*text)};
  constexpr std::string_view kCluster = "cluster ";
  std::getline(lines, line.text);
  const auto cluster = line.text.starts_with(kCluster)
                           ? parse_number(std::string_view(line.text).substr(kCluster.size()))
                           : std::nullopt;
  if (!cluster) return line.damaged("no cluster id");
  roster.cluster_id_ = *cluster;
  for (line.number = 2; std::getline(lines, line.text); ++line.number) {
    SLUICE_ASSIGN_OR_RETURN(Entry entry, parse_entry(line));
    if (roster.kept(entry.node_id) != nullptr) return line.damaged("the pump is named twice");
    roster.kept_.push_back(std::move(entry));
  }
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

absl::Status PumpRoster::check_log(const Given& given, const PumpIdentity& pump, const Entry* entry) const {
  const auto refused = [&](std::string_view what) {
    return absl::FailedPreconditionError(fmt::format(
        "pump {} at {} has a new or rewound log: {}. What it had acknowledged and this drainer hadn't pulled is gone. "
        "Stop the pump and give it back the folder it had; if that is lost, load the downstream anew from a dump of "
        "the "
        "upstream and start with an empty --data-dir and --initial-commit-ts at the dump's ts",
        pump.node_id, given.address, what));
  };
  const uint64_t known = given.log_birth_id != 0 ? given.log_birth_id : entry != nullptr ? entry->log_birth_id : 0;
  if (known != 0 && pump.log_birth_id != known)
    return refused(fmt::format("the log's birth id is {:016x}, it was {:016x} ({})", pump.log_birth_id, known,
                               given.log_birth_id != 0 ? "when this drainer started" : origin_));
  // A pump that doesn't say has no largest ts either.
  if (entry != nullptr && pump.log_birth_id != 0 && pump.log_largest_ts < entry->seen)
    return refused(fmt::format("its largest timestamp is {}, and commit ts {} had come from it already ({})",
                               pump.log_largest_ts, entry->seen, origin_));
  return absl::OkStatus();
}

absl::StatusOr<PumpAdmission> PumpRoster::welcome(size_t source, const PumpIdentity& pump) {
  SLUICE_ASSERT(source < given_.size(), "source={}", source);
  Given& given = given_[source];
  const std::string_view node_id = pump.node_id;
  if (node_id.empty() || node_id.find_first_of(" \t\r\n") != std::string_view::npos)
    return absl::FailedPreconditionError(fmt::format(
        "pump at {} has the node id `{}`; start it with a --node-id without spaces", given.address, node_id));
  SLUICE_RETURN_IF_ERROR(check_log(given, pump, kept(node_id)));  // first: a wiped pump may have made a new cluster id
  if (cluster_id_ != 0 && pump.cluster_id != cluster_id_)
    return absl::FailedPreconditionError(fmt::format(
        "pump {} at {} is of cluster {}, this drainer pulls from cluster {}: correct --pumps, or use another "
        "--data-dir for another cluster",
        node_id, given.address, pump.cluster_id, cluster_id_));
  for (const Given& other : given_)
    if (&other != &given && other.node_id == node_id)
      return absl::FailedPreconditionError(fmt::format("--pumps names pump {} twice, as {} and {}: leave one out",
                                                       node_id, other.address, given.address));
  if (!given.node_id.empty() && given.node_id != node_id)
    return absl::FailedPreconditionError(fmt::format(
        "the pump at {} was {} and is now {}: correct --pumps and start again", given.address, given.node_id, node_id));
  cluster_id_ = pump.cluster_id;
  given.node_id = node_id;
  given.log_birth_id = pump.log_birth_id;

  if (Entry* entry = kept(node_id)) {
    if (std::exchange(entry->address, given.address) != given.address) changed_ = true;
    if (std::exchange(entry->log_birth_id, pump.log_birth_id) != pump.log_birth_id) changed_ = true;
  }
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
  const Entry* entry = kept(node_id);
  if (entry == nullptr) return PumpAdmission{.pulled_through = CommitTs()};
  return PumpAdmission{.pulled_through = entry->final_ts, .seen = entry->seen, .resolved = entry->resolved};
}

void PumpRoster::saw(size_t source, CommitTs seen, ResolvedTs resolved) {
  Entry* entry = kept(given_[source].node_id);
  if (entry == nullptr) return;
  changed_ |= seen > entry->seen;
  entry->seen = std::max(entry->seen, seen);
  entry->resolved = std::max({entry->resolved, resolved, ResolvedTs(entry->seen.value)});
}

void PumpRoster::keep(const Given& given) {
  Entry* entry = kept(given.node_id);
  if (entry == nullptr) entry = &kept_.emplace_back(Entry{.address = given.address, .node_id = given.node_id});
  entry->final_ts.reset();
  entry->log_birth_id = given.log_birth_id;
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
    text += fmt::format("{} {} {} {}{:016x} {}{} {}{}\n", e.address, e.node_id,
                        e.final_ts ? fmt::format("{}{}", kEnded, *e.final_ts) : "active", kLog, e.log_birth_id, kSeen,
                        e.seen, kResolved, e.resolved);
  return text;
}

}  // namespace sluice::drainer::pull
