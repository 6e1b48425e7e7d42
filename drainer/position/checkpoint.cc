#include "drainer/position/checkpoint.h"

#include <utility>

#include "base/assert.h"
#include "base/options.h"
#include "base/status.h"
#include "host/durable_file.h"

namespace sluice::drainer::position {
namespace {

constexpr uint64_t kMissing = ~uint64_t{0};
constexpr uint64_t kTsoMax = (uint64_t{1} << 62) - 1;  // also the merger's limit

}  // namespace

std::string encode_savepoint(const Savepoint& savepoint) {
  return fmt::format("consistent = {}\ncommitTS = {}\nschema-version = {}\n", savepoint.consistent, savepoint.commit_ts,
                     savepoint.schema_version);
}

absl::StatusOr<Savepoint> decode_savepoint(std::string_view text, std::string_view origin) {
  Savepoint savepoint;
  const OptionTable keys{
      .program = "drainer",
      .options = {{.key = "consistent", .flag = "", .field = &savepoint.consistent, .help = ""},
                  {.key = "commitTS", .flag = "", .field = &savepoint.commit_ts.value, .help = ""},
                  {.key = "schema-version", .flag = "", .field = &savepoint.schema_version, .help = ""}}};
  const auto refused = [&](std::string_view why) {
    return absl::FailedPreconditionError(
        fmt::format("{} is not a checkpoint of a drainer: {}. Restore it from a backup, or remove it and give "
                    "--initial-commit-ts",
                    origin, why));
  };
  savepoint.commit_ts = CommitTs(kMissing);
  if (const absl::Status status = apply_toml(keys, text, origin); !status.ok()) return refused(message_of(status));
  // Without it the file would mean "from the beginning": an empty or cut file must not.
  if (savepoint.commit_ts.value == kMissing) return refused("it has no commitTS");
  if (savepoint.commit_ts.value > kTsoMax)
    return refused(fmt::format("commitTS {} is not a timestamp of an oracle", savepoint.commit_ts));
  if (savepoint.schema_version < 0)
    return refused(fmt::format("schema-version {} is negative", savepoint.schema_version));
  return savepoint;
}

absl::StatusOr<Checkpoint> Checkpoint::open(std::string data_dir) {
  std::string path = data_dir + "/savepoint";
  SLUICE_ASSIGN_OR_RETURN(const auto text, host::read_small_file(path));
  if (!text) return Checkpoint(std::move(path), Savepoint());
  SLUICE_ASSIGN_OR_RETURN(const Savepoint savepoint, decode_savepoint(*text, path));
  return Checkpoint(std::move(path), savepoint);
}

absl::Status Checkpoint::save(const Savepoint& savepoint) {
  SLUICE_ASSERT(savepoint.commit_ts >= saved_.commit_ts, "ts={} saved={}", savepoint.commit_ts,
                saved_.commit_ts);  // INV-7
  if (savepoint == saved_) return absl::OkStatus();
  SLUICE_RETURN_IF_ERROR(annotate(host::replace_file(path_, encode_savepoint(savepoint), 0644), "checkpoint"));
  saved_ = savepoint;
  return absl::OkStatus();
}

}  // namespace sluice::drainer::position
