#include "drainer/schema/schema_tracker.h"

#include <algorithm>

#include <absl/strings/match.h>

#include "base/status.h"
#include "drainer/schema/rename_targets.h"

namespace sluice::drainer::schema {
namespace {

constexpr int64_t kMysqlSchemaId = 1;  // made by TiDB's bootstrap, without a job
constexpr std::string_view kFetchAgain = "fetch /ddl/history again from TiDB's status port and start with the new file";

// Placement policies and resource groups put their own ids and names where other jobs have the schema's.
bool names_a_schema(const DdlJob& job) {
  return !job.database.empty() || (!job.tables.empty() && job.type != DdlType::rename_tables);
}

}  // namespace

SchemaTracker::State::State() {
  schema_names[kMysqlSchemaId] = "mysql";
}

SchemaTracker::SchemaTracker() = default;

absl::Status SchemaTracker::load(std::vector<DdlJob> jobs) {
  if (jobs.empty()) return absl::InvalidArgumentError(fmt::format("DDL history holds no job; {}", kFetchAgain));
  State next;
  for (DdlJob& job : jobs) next.job_by_id.try_emplace(job.id, 0);
  for (const DdlJob& job : state_.jobs)
    if (!next.job_by_id.contains(job.id)) jobs.push_back(job);
  std::ranges::stable_sort(jobs, {}, &DdlJob::schema_version);
  next.jobs = std::move(jobs);
  for (size_t i = 0; i < next.jobs.size(); ++i) {
    next.job_by_id[next.jobs[i].id] = i;
    next.replay(i);
  }
  state_ = std::move(next);
  cache_.clear();
  return absl::OkStatus();
}

const SchemaTracker::Version* SchemaTracker::State::current(int64_t table_id) const {
  const auto it = tables.find(table_id);
  if (it == tables.end() || it->second.back().job == kGone) return nullptr;
  return &it->second.back();
}

void SchemaTracker::State::replay(size_t index) {
  const DdlJob& job = jobs[index];
  // Version 0: the job failed before it changed anything.
  if (!job.finished() || job.schema_version == 0) return;
  if (!job.database.empty())
    schema_names[job.schema_id] = job.database;
  else if (names_a_schema(job) && !job.schema_name.empty())
    schema_names.try_emplace(job.schema_id, job.schema_name);
  switch (job.type) {
    case DdlType::drop_schema:
      return drop_schema(job.schema_id, job.schema_version);
    case DdlType::drop_table:
    case DdlType::drop_view:
    case DdlType::drop_sequence:
      return drop_table(job.table_id, job.schema_version);
    case DdlType::truncate_table:
      return replay_truncate(index);
    case DdlType::rename_tables:
      return replay_rename_tables(index);
    case DdlType::exchange_partition:
      return replay_exchange(index);
    default:
      break;
  }
  for (size_t i = 0; i < job.tables.size(); ++i)
    set_table(job.tables[i].id,
              {.schema_version = job.schema_version, .job = index, .index = i, .schema_id = job.schema_id});
}

void SchemaTracker::State::drop_schema(int64_t schema_id, int64_t schema_version) {
  std::vector<int64_t> dropped;
  for (const auto& [id, history] : tables)
    if (history.back().job != kGone && history.back().schema_id == schema_id) dropped.push_back(id);
  for (const int64_t id : dropped) drop_table(id, schema_version);
}

void SchemaTracker::State::replay_truncate(size_t index) {
  const DdlJob& job = jobs[index];
  drop_table(job.table_id, job.schema_version);
  if (!job.tables.empty())
    set_table(job.tables[0].id,
              {.schema_version = job.schema_version, .job = index, .index = 0, .schema_id = job.schema_id});
}

// Of namesakes the newest is the one not dropped. TiDB's names are the same in either case of letters.
int64_t SchemaTracker::State::schema_id(std::string_view name) const {
  int64_t newest = 0;
  for (const auto& [id, other] : schema_names)
    if (absl::EqualsIgnoreCase(other, absl::string_view(name.data(), name.size()))) newest = std::max(newest, id);
  return newest;
}

// A chain (a to x, b to a, x to b) lists a table once for each step; the last one counts. The job's own schema id is
// that of the last step's target.
void SchemaTracker::State::replay_rename_tables(size_t index) {
  const DdlJob& job = jobs[index];
  const std::vector<RenameStep> steps = rename_steps(job.query);
  const auto source_of = [&](size_t i) {
    const Version* before = current(job.tables[i].id);
    return before == nullptr ? job.schema_id : before->schema_id;
  };
  // The session's database, where a name without one shows it.
  int64_t session = 0;
  if (!steps.empty() && steps.size() == job.tables.size() && steps.back().to_schema.empty()) session = job.schema_id;
  for (size_t i = 0; session == 0 && i < std::min(steps.size(), job.tables.size()); ++i)
    if (steps[i].from_schema.empty()) session = source_of(i);
  for (size_t i = 0; i < job.tables.size(); ++i) {
    int64_t target = 0;
    if (i < steps.size()) target = steps[i].to_schema.empty() ? session : schema_id(steps[i].to_schema);
    set_table(job.tables[i].id, {.schema_version = job.schema_version,
                                 .job = index,
                                 .index = i,
                                 .schema_id = target == 0 ? source_of(i) : target});
  }
}

// The job shows the partitioned table only. The plain table took over the id that a partition had, and the partition
// the plain table's: found by comparing the partitions before and after.
void SchemaTracker::State::replay_exchange(size_t index) {
  const DdlJob& job = jobs[index];
  if (job.tables.empty()) return;
  const DdlTable& after = job.tables[0];
  const Version* before = current(after.id);
  if (before == nullptr) return;
  const std::vector<int64_t>& ids_before = jobs[before->job].tables[before->index].partition_ids;
  const int64_t partition_schema_id = before->schema_id;
  const auto among = [](const std::vector<int64_t>& ids, int64_t id) {
    return std::ranges::find(ids, id) != ids.end();
  };
  int64_t old_partition = 0;
  int64_t old_table = 0;
  for (const int64_t id : ids_before)
    if (!among(after.partition_ids, id)) old_partition = id;
  for (const int64_t id : after.partition_ids)
    if (!among(ids_before, id)) old_table = id;
  set_table(after.id,
            {.schema_version = job.schema_version, .job = index, .index = 0, .schema_id = partition_schema_id});
  const Version* plain = current(old_table);
  if (plain == nullptr || old_partition == 0) return;
  Version moved = *plain;
  moved.schema_version = job.schema_version;
  set_table(old_partition, moved);
  drop_table(old_table, job.schema_version);
}

absl::StatusOr<std::shared_ptr<const TableSchema>> SchemaTracker::build(int64_t table_id, const Version& version) {
  const std::pair key(table_id, version.schema_version);
  if (const auto it = cache_.find(key); it != cache_.end()) return it->second;
  SLUICE_ASSIGN_OR_RETURN(
      std::shared_ptr<const TableSchema> schema,
      make_table_schema(state_.jobs[version.job], version.index, table_id, schema_name(version.schema_id)));
  // Cheap to fill again, so no order of use is kept.
  if (cache_.size() >= kCachedSchemasMax) cache_.clear();
  cache_.emplace(key, schema);
  return schema;
}

absl::StatusOr<SchemaTracker::TableAt> SchemaTracker::table(int64_t table_id, int64_t schema_version) {
  const auto it = state_.tables.find(table_id);
  if (it == state_.tables.end())
    return absl::FailedPreconditionError(fmt::format(
        "DDL history lacks the job that made table id {} (wanted at schema version {}, the history ends at {}); {}",
        table_id, schema_version, last_schema_version(), kFetchAgain));
  // Of several entries of one version (rename chains, truncate) the last one counts.
  const History& history = it->second;
  const auto after = std::ranges::upper_bound(history, schema_version, {}, &Version::schema_version);
  if (after == history.begin())
    return absl::FailedPreconditionError(fmt::format(
        "DDL history lacks table id {} at schema version {}: its first job for it (id {}) has version {}; {}", table_id,
        schema_version, history[0].job == kGone ? 0 : state_.jobs[history[0].job].id, history[0].schema_version,
        kFetchAgain));
  const Version& version = *(after - 1);
  if (version.job == kGone) return TableAt{.state = TableState::gone, .schema = nullptr};
  SLUICE_ASSIGN_OR_RETURN(auto schema, build(table_id, version));
  return TableAt{.state = TableState::known, .schema = std::move(schema)};
}

absl::StatusOr<const DdlJob*> SchemaTracker::job(int64_t job_id) const {
  const auto it = state_.job_by_id.find(job_id);
  if (it == state_.job_by_id.end())
    return absl::FailedPreconditionError(fmt::format("DDL history lacks job id {} (it ends at schema version {}); {}",
                                                     job_id, last_schema_version(), kFetchAgain));
  return &state_.jobs[it->second];
}

std::string SchemaTracker::schema_name(int64_t schema_id) const {
  const auto it = state_.schema_names.find(schema_id);
  return it == state_.schema_names.end() ? std::string() : it->second;
}

std::optional<SchemaTracker::Name> SchemaTracker::name_before(const DdlJob& job, int64_t table_id) const {
  const auto it = state_.tables.find(table_id);
  if (it == state_.tables.end()) return std::nullopt;
  const auto at = std::ranges::lower_bound(it->second, job.schema_version, {}, &Version::schema_version);
  if (at == it->second.begin() || (at - 1)->job == kGone) return std::nullopt;
  const Version& version = *(at - 1);
  return Name{.schema = schema_name(version.schema_id), .table = state_.jobs[version.job].tables[version.index].name};
}

int64_t SchemaTracker::schema_version_at(Tso ts) const {
  int64_t version = 0;
  for (const DdlJob& job : state_.jobs)
    if (job.finished() && job.finished_ts != 0 && job.finished_ts <= ts.value)
      version = std::max(version, job.schema_version);
  return version;
}

int64_t SchemaTracker::last_schema_version() const {
  return state_.jobs.empty() ? 0 : state_.jobs.back().schema_version;
}

bool SchemaTracker::may_be_changing(int64_t table_id, int64_t schema_version) const {
  if (schema_version > last_schema_version()) return true;
  const auto it = state_.tables.find(table_id);
  return it != state_.tables.end() && it->second.back().schema_version > schema_version;
}

}  // namespace sluice::drainer::schema
