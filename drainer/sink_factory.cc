#include "drainer/sink_factory.h"

#include <cstdlib>
#include <set>

#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/status.h"
#include "drainer/position/confirmed_position.h"
#include "drainer/sinks/file/file_sink.h"
#include "drainer/sinks/mysql/mysql_sink.h"
#include "host/durable_file.h"

namespace sluice::drainer {
namespace {

absl::StatusOr<std::unique_ptr<sinks::Sink>> make_mysql_sink(const DrainerConfig& config, const SinkFacts& facts) {
  const uint64_t cluster_id = facts.cluster_id;
  sinks::mysql::MysqlSinkOptions options;
  options.endpoint = {.host = config.to.host,
                      .port = static_cast<uint16_t>(config.to.port),
                      .user = config.to.user,
                      .password = config.to.password};
  options.progress.cluster_id = cluster_id;
  options.allow_replica = config.to.allow_replica;
  options.log_row_values = config.to.log_row_values;
  const std::string path = position::confirmed_position_path(config.data_dir);
  const std::string downstream = options.endpoint.to_string();
  SLUICE_ASSIGN_OR_RETURN(options.progress.confirmed_before,
                          position::read_confirmed_position(config.data_dir, cluster_id, downstream));
  options.progress.confirmed_place = path;
  options.keep_confirmed = [path, cluster_id, downstream](CommitTs commit_ts) {
    const absl::Status kept =
        host::replace_file(path, position::encode_confirmed_position(
                                     {.cluster_id = cluster_id, .downstream = downstream, .commit_ts = commit_ts}));
    if (!kept.ok()) spdlog::warn("can't keep the downstream's position: {}", message_of(kept));
  };
  for (const std::string& ts : config.ddl_skip)
    options.ddl_skip.insert(CommitTs(std::strtoull(ts.c_str(), nullptr, 10)));
  return std::make_unique<sinks::mysql::MysqlSink>(std::move(options));
}

}  // namespace

bool keeps_own_position(const DrainerConfig& config) {
  return config.dest_db_type == "mysql" || config.dest_db_type == "tidb";
}

absl::StatusOr<std::unique_ptr<sinks::Sink>> make_sink(const DrainerConfig& config, const SinkFacts& facts) {
  if (keeps_own_position(config)) return make_mysql_sink(config, facts);
  if (config.dest_db_type == "file") {
    static const SystemClock clock;  // without state; outlives every sink
    return std::make_unique<sinks::file::FileSink>(
        sinks::file::FileSinkOptions{.folder = config.to.dir.empty() ? config.data_dir : config.to.dir,
                                     .has_written = facts.saved.value > 0},
        clock);
  }
  return absl::InvalidArgumentError(fmt::format("--dest-db-type {} is not supported yet", config.dest_db_type));
}

}  // namespace sluice::drainer
