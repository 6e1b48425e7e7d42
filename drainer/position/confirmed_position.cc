#include "drainer/position/confirmed_position.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/options.h"
#include "base/status.h"
#include "host/durable_file.h"

namespace sluice::drainer::position {

std::string encode_confirmed_position(const ConfirmedPosition& position) {
  return fmt::format("cluster-id = {}\ndownstream = \"{}\"\ncommitTS = {}\n", position.cluster_id, position.downstream,
                     position.commit_ts);
}

absl::StatusOr<ConfirmedPosition> decode_confirmed_position(std::string_view text, std::string_view origin) {
  ConfirmedPosition position;
  const OptionTable keys{.program = "drainer",
                         .options = {{.key = "cluster-id", .flag = "", .field = &position.cluster_id, .help = ""},
                                     {.key = "downstream", .flag = "", .field = &position.downstream, .help = ""},
                                     {.key = "commitTS", .flag = "", .field = &position.commit_ts.value, .help = ""}}};
  if (const absl::Status status = apply_toml(keys, text, origin); !status.ok())
    return absl::FailedPreconditionError(
        fmt::format("{} is not a position that a drainer kept: {}. Restore it from a backup, or remove it: then a "
                    "downstream that lost commits goes unnoticed this once",
                    origin, message_of(status)));
  return position;
}

std::string confirmed_position_path(const std::string& data_dir) {
  return data_dir + "/downstream-position";
}

absl::StatusOr<CommitTs> read_confirmed_position(const std::string& data_dir, uint64_t cluster_id,
                                                 const std::string& downstream) {
  const std::string path = confirmed_position_path(data_dir);
  SLUICE_ASSIGN_OR_RETURN(const auto text, host::read_small_file(path));
  if (!text) return CommitTs();
  SLUICE_ASSIGN_OR_RETURN(const ConfirmedPosition kept, decode_confirmed_position(*text, path));
  if (kept.cluster_id == cluster_id && kept.downstream == downstream) return kept.commit_ts;
  spdlog::info(
      "the position kept is of another downstream or cluster, and says nothing of this one file={} kept_of={} "
      "kept_cluster={}",
      path, kept.downstream, kept.cluster_id);
  return CommitTs();
}

}  // namespace sluice::drainer::position
