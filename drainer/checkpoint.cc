#include "drainer/checkpoint.h"

#include <utility>

#include "base/assert.h"
#include "base/options.h"
#include "base/status.h"
#include "drainer/durable_file.h"

namespace sluice::drainer {

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
  if (const absl::Status status = apply_toml(keys, text, origin); !status.ok())
    return absl::FailedPreconditionError(
        fmt::format("{} is not a checkpoint of a drainer: {}. Restore it from a backup, or remove it and give "
                    "--initial-commit-ts",
                    origin, message_of(status)));
  return savepoint;
}

absl::StatusOr<Checkpoint> Checkpoint::open(std::string data_dir) {
  std::string path = data_dir + "/savepoint";
  SLUICE_ASSIGN_OR_RETURN(const auto text, read_small_file(path));
  if (!text) return Checkpoint(std::move(path), Savepoint());
  SLUICE_ASSIGN_OR_RETURN(const Savepoint savepoint, decode_savepoint(*text, path));
  return Checkpoint(std::move(path), savepoint);
}

absl::Status Checkpoint::save(const Savepoint& savepoint) {
  SLUICE_ASSERT(savepoint.commit_ts >= saved_.commit_ts, "ts={} saved={}", savepoint.commit_ts,
                saved_.commit_ts);  // INV-7
  if (savepoint == saved_) return absl::OkStatus();
  SLUICE_RETURN_IF_ERROR(annotate(replace_file_durably(path_, encode_savepoint(savepoint)), "checkpoint"));
  saved_ = savepoint;
  return absl::OkStatus();
}

}  // namespace sluice::drainer
