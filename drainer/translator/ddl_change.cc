#include "drainer/translator/ddl_change.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/status.h"
#include "drainer/schema/rename_targets.h"
#include "drainer/translator/ddl_diff.h"

namespace sluice::drainer::translator {
namespace {

bool drops_table(schema::DdlType type) {
  return type == schema::DdlType::drop_table || type == schema::DdlType::drop_view ||
         type == schema::DdlType::drop_sequence;
}

change::DdlExpectation gone(const schema::SchemaTracker::Name& name) {
  return {.schema = name.schema, .table = name.table, .exists = false, .columns = {}};
}

absl::StatusOr<change::DdlExpectation> left(schema::SchemaTracker& schema, const schema::DdlTable& table,
                                            int64_t schema_version) {
  SLUICE_ASSIGN_OR_RETURN(const schema::SchemaTracker::TableAt at, schema.table(table.id, schema_version));
  if (at.schema == nullptr)
    return absl::DataLossError(fmt::format("DDL history: table id {} is gone at its own job", table.id));
  const change::TableDef& def = at.schema->def;
  change::DdlExpectation expectation{.schema = def.schema, .table = def.name, .exists = true, .columns = {}};
  for (const change::ColumnDef& column : def.columns)
    if (column.is_public && !column.hidden) expectation.columns.push_back(column.name);
  return expectation;
}

// TRUNCATE and changes of partitioning give a table a new id.
std::vector<change::DdlElement> changes_of(schema::SchemaTracker& schema, const schema::DdlJob& job,
                                           const schema::DdlTable& table) {
  using Kind = change::DdlElement::Kind;
  if (job.type == schema::DdlType::truncate_table || job.type == schema::DdlType::exchange_partition ||
      job.type == schema::DdlType::rename_table || job.type == schema::DdlType::rename_tables)
    return {{.kind = Kind::contents}};
  auto before = schema.table(table.id, job.schema_version - 1);
  if (!before.ok() && job.table_id != table.id) before = schema.table(job.table_id, job.schema_version - 1);
  const auto after = schema.table(table.id, job.schema_version);
  if (!before.ok() || !after.ok() || before->schema == nullptr || after->schema == nullptr) return {};
  return ddl_changes(*before->schema, *after->schema);
}

bool names_same(const change::DdlExpectation& a, const change::DdlExpectation& b) {
  return a.schema == b.schema && a.table == b.table;
}

// Old names that none of the new ones takes over don't exist any more.
absl::Status expect_tables(schema::SchemaTracker& schema, const schema::DdlJob& job, change::DdlChange& ddl) {
  std::vector<change::DdlExpectation> old_names;
  for (const schema::DdlTable& table : job.tables) {
    SLUICE_ASSIGN_OR_RETURN(change::DdlExpectation expectation, left(schema, table, job.schema_version));
    const auto same = [&](const change::DdlExpectation& other) { return names_same(other, expectation); };
    expectation.changes = changes_of(schema, job, table);
    if (std::ranges::none_of(ddl.expectations, same)) ddl.expectations.push_back(std::move(expectation));
    if (const auto name = schema.name_before(job, table.id); name.has_value()) old_names.push_back(gone(*name));
  }
  for (change::DdlExpectation& old : old_names)
    if (std::ranges::none_of(ddl.expectations,
                             [&](const change::DdlExpectation& other) { return names_same(other, old); }))
      ddl.expectations.push_back(std::move(old));
  return absl::OkStatus();
}

// The database in which a rename's text has its meaning: the one that its names without a database show.
std::string session_database(const schema::SchemaTracker& schema, const schema::DdlJob& job, std::string_view query) {
  const std::vector<schema::RenameStep> steps = schema::rename_steps(query);
  // The job's schema is that of the last target.
  if (!steps.empty() && steps.back().to_schema.empty()) return schema.schema_name(job.schema_id);
  for (size_t i = 0; i < std::min(steps.size(), job.tables.size()); ++i)
    if (steps[i].from_schema.empty())
      if (auto name = schema.name_before(job, job.tables[i].id); name.has_value()) return std::move(name->schema);
  return {};
}

// "2026-11-25 13:44:08.459", the fraction and the time of day as far as they are there, as Unix time; empty when it
// isn't such a text.
std::string unix_time_of(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (std::sscanf(text.c_str(), "%d-%u-%u %d:%d:%d", &year, &month, &day, &hour, &minute, &second) < 3) return {};
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok()) return {};
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  const auto at = std::chrono::duration_cast<std::chrono::seconds>(days).count() + hour * 3600 + minute * 60 + second;
  const size_t dot = text.find('.');
  return fmt::format("{}{}", at, dot == std::string::npos ? "" : text.substr(dot));
}

// A column that is added with DEFAULT CURRENT_TIMESTAMP gives rows that are there the moment at which upstream ran it.
// The sessions downstream are in UTC, so that the text of a DATETIME comes out as it is, whatever zone it was made in.
absl::Status set_clock(schema::SchemaTracker& schema, const schema::DdlJob& job, change::DdlChange& ddl) {
  for (const schema::DdlTable& table : job.tables) {
    const auto before = schema.table(table.id, job.schema_version - 1);
    if (!before.ok() || before->schema == nullptr) continue;  // the job makes the table: it has no rows
    SLUICE_ASSIGN_OR_RETURN(const schema::SchemaTracker::TableAt after, schema.table(table.id, job.schema_version));
    if (after.schema == nullptr) continue;
    for (size_t i = 0; i < after.schema->def.columns.size(); ++i) {
      const change::ColumnDef& column = after.schema->def.columns[i];
      const std::optional<std::string>& origin = after.schema->origin_defaults[i];
      if (!after.schema->defaults_to_now[i] || !origin || before->schema->find_column(column.id) >= 0) continue;
      const std::string clock = unix_time_of(*origin);
      // Columns of fewer digits have the same moment cut off.
      if (clock.starts_with(ddl.clock)) ddl.clock = clock;
      if (!ddl.clock.starts_with(clock))
        return absl::FailedPreconditionError(
            fmt::format("job {} adds columns that default to the current time, which is {} and {} for rows that are "
                        "there: the downstream can run it at one time only. Run it there in parts by hand, each after "
                        "SET timestamp, then start again with --ddl-skip and its commit ts: {}",
                        job.id, ddl.clock, clock, ddl.query));
    }
  }
  return absl::OkStatus();
}

// An unqualified name in the text means the database the user was in: that of the object before the job, where there is
// one.
schema::SchemaTracker::Name place_of(const schema::SchemaTracker& schema, const schema::DdlJob& job) {
  if (job.type == schema::DdlType::rename_table || job.type == schema::DdlType::rename_tables ||
      job.type == schema::DdlType::exchange_partition || drops_table(job.type)) {
    const bool altered = job.type == schema::DdlType::exchange_partition && !job.tables.empty();
    if (auto name = schema.name_before(job, altered ? job.tables[0].id : job.table_id); name.has_value())
      return *std::move(name);
  }
  std::string database = schema.schema_name(job.schema_id);
  if (database.empty()) database = job.schema_name;
  return {.schema = std::move(database), .table = job.tables.empty() ? std::string() : job.tables[0].name};
}

}  // namespace

bool is_unsupported(schema::DdlType type) {
  switch (type) {
    case schema::DdlType::update_tiflash_status:
    case schema::DdlType::lock_table:
    case schema::DdlType::unlock_table:
    case schema::DdlType::cache_table:
    case schema::DdlType::no_cache_table:
    case schema::DdlType::alter_table_attributes:
    case schema::DdlType::alter_partition_attributes:
    case schema::DdlType::create_placement_policy:
    case schema::DdlType::alter_placement_policy:
    case schema::DdlType::drop_placement_policy:
    case schema::DdlType::alter_partition_placement:
    case schema::DdlType::modify_schema_placement:
    case schema::DdlType::alter_table_placement:
    case schema::DdlType::create_resource_group:
    case schema::DdlType::alter_resource_group:
    case schema::DdlType::drop_resource_group:
      return true;
    default:
      return false;
  }
}

absl::StatusOr<change::DdlChange> make_ddl_change(schema::SchemaTracker& schema, const schema::DdlJob& job,
                                                  std::string_view query) {
  change::DdlChange ddl{.job_id = job.id,
                        .type = static_cast<int>(job.type),
                        .schema_version = job.schema_version,
                        .schema = {},
                        .table = {},
                        .query = std::string(query),
                        .job_query = job.query,
                        .expectations = {},
                        .clock = {},
                        .session_schema = {},
                        .creates_schema = job.type == schema::DdlType::create_schema};
  schema::SchemaTracker::Name place = place_of(schema, job);
  ddl.schema = std::move(place.schema);
  ddl.table = std::move(place.table);
  if (job.type == schema::DdlType::rename_table || job.type == schema::DdlType::rename_tables)
    ddl.session_schema = session_database(schema, job, query);
  if (ddl.creates_schema || job.type == schema::DdlType::drop_schema)
    ddl.expectations.push_back({.schema = ddl.schema, .table = {}, .exists = ddl.creates_schema, .columns = {}});
  else if (drops_table(job.type))
    ddl.expectations.push_back(gone({.schema = ddl.schema, .table = ddl.table}));
  else
    SLUICE_RETURN_IF_ERROR(expect_tables(schema, job, ddl));
  SLUICE_RETURN_IF_ERROR(set_clock(schema, job, ddl));
  return ddl;
}

bool passes(const TableFilter& filter, const change::DdlChange& ddl) {
  return filter.passes(ddl.schema, ddl.table) ||
         std::ranges::any_of(ddl.expectations,
                             [&](const change::DdlExpectation& e) { return filter.passes(e.schema, e.table); });
}

}  // namespace sluice::drainer::translator
