#include "drainer/sink_factory.h"

#include <cstdlib>
#include <set>

#include "base/clock.h"
#include "base/status.h"
#include "drainer/sinks/file/file_sink.h"
#include "drainer/sinks/mysql/mysql_sink.h"

namespace sluice::drainer {
namespace {

std::unique_ptr<Sink> make_mysql_sink(const DrainerConfig& config, uint64_t cluster_id) {
  MysqlSinkOptions options;
  options.endpoint = {.host = config.to.host,
                      .port = static_cast<uint16_t>(config.to.port),
                      .user = config.to.user,
                      .password = config.to.password};
  options.progress.cluster_id = cluster_id;
  for (const std::string& ts : config.ddl_skip)
    options.ddl_skip.insert(CommitTs(std::strtoull(ts.c_str(), nullptr, 10)));
  return std::make_unique<MysqlSink>(std::move(options));
}

}  // namespace

bool keeps_own_position(const DrainerConfig& config) {
  return config.dest_db_type == "mysql" || config.dest_db_type == "tidb";
}

absl::StatusOr<std::unique_ptr<Sink>> make_sink(const DrainerConfig& config, uint64_t cluster_id) {
  if (keeps_own_position(config)) return make_mysql_sink(config, cluster_id);
  if (config.dest_db_type == "file") {
    static const SystemClock clock;  // without state; outlives every sink
    return std::make_unique<FileSink>(
        FileSinkOptions{.folder = config.to.dir.empty() ? config.data_dir : config.to.dir}, clock);
  }
  return absl::InvalidArgumentError(fmt::format("--dest-db-type {} is not supported yet", config.dest_db_type));
}

}  // namespace sluice::drainer
