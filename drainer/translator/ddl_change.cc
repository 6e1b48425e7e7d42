#include "drainer/translator/ddl_change.h"

#include <algorithm>

#include "base/status.h"
#include "drainer/schema/rename_targets.h"

namespace sluice::drainer {
namespace {

bool drops_table(DdlType type) {
  return type == DdlType::drop_table || type == DdlType::drop_view || type == DdlType::drop_sequence;
}

DdlExpectation gone(const SchemaTracker::Name& name) {
  return {.schema = name.schema, .table = name.table, .exists = false, .columns = {}};
}

absl::StatusOr<DdlExpectation> left(SchemaTracker& schema, const DdlTable& table, int64_t schema_version) {
  SLUICE_ASSIGN_OR_RETURN(const SchemaTracker::TableAt at, schema.table(table.id, schema_version));
  if (at.schema == nullptr)
    return absl::DataLossError(fmt::format("DDL history: table id {} is gone at its own job", table.id));
  const TableDef& def = at.schema->def;
  DdlExpectation expectation{.schema = def.schema, .table = def.name, .exists = true, .columns = {}};
  for (const ColumnDef& column : def.columns)
    if (column.is_public && !column.hidden) expectation.columns.push_back(column.name);
  return expectation;
}

bool names_same(const DdlExpectation& a, const DdlExpectation& b) {
  return a.schema == b.schema && a.table == b.table;
}

// Old names that none of the new ones takes over don't exist any more.
absl::Status expect_tables(SchemaTracker& schema, const DdlJob& job, DdlChange& ddl) {
  std::vector<DdlExpectation> old_names;
  for (const DdlTable& table : job.tables) {
    SLUICE_ASSIGN_OR_RETURN(DdlExpectation expectation, left(schema, table, job.schema_version));
    const auto same = [&](const DdlExpectation& other) { return names_same(other, expectation); };
    if (std::ranges::none_of(ddl.expectations, same)) ddl.expectations.push_back(std::move(expectation));
    if (const auto name = schema.name_before(job, table.id); name.has_value()) old_names.push_back(gone(*name));
  }
  for (DdlExpectation& old : old_names)
    if (std::ranges::none_of(ddl.expectations, [&](const DdlExpectation& other) { return names_same(other, old); }))
      ddl.expectations.push_back(std::move(old));
  return absl::OkStatus();
}

// The database in which a rename's text has its meaning: the one that its names without a database show.
std::string session_database(const SchemaTracker& schema, const DdlJob& job, std::string_view query) {
  const std::vector<RenameStep> steps = rename_steps(query);
  // The job's schema is that of the last target.
  if (!steps.empty() && steps.back().to_schema.empty()) return schema.schema_name(job.schema_id);
  for (size_t i = 0; i < std::min(steps.size(), job.tables.size()); ++i)
    if (steps[i].from_schema.empty())
      if (auto name = schema.name_before(job, job.tables[i].id); name.has_value()) return std::move(name->schema);
  return {};
}

// An unqualified name in the text means the database the user was in: that of the object before the job, where there is
// one.
SchemaTracker::Name place_of(const SchemaTracker& schema, const DdlJob& job) {
  if (job.type == DdlType::rename_table || job.type == DdlType::rename_tables ||
      job.type == DdlType::exchange_partition || drops_table(job.type)) {
    const bool altered = job.type == DdlType::exchange_partition && !job.tables.empty();
    if (auto name = schema.name_before(job, altered ? job.tables[0].id : job.table_id); name.has_value())
      return *std::move(name);
  }
  std::string database = schema.schema_name(job.schema_id);
  if (database.empty()) database = job.schema_name;
  return {.schema = std::move(database), .table = job.tables.empty() ? std::string() : job.tables[0].name};
}

}  // namespace

bool is_unsupported(DdlType type) {
  switch (type) {
    case DdlType::update_tiflash_status:
    case DdlType::lock_table:
    case DdlType::unlock_table:
    case DdlType::cache_table:
    case DdlType::no_cache_table:
    case DdlType::alter_table_attributes:
    case DdlType::alter_partition_attributes:
    case DdlType::create_placement_policy:
    case DdlType::alter_placement_policy:
    case DdlType::drop_placement_policy:
    case DdlType::alter_partition_placement:
    case DdlType::modify_schema_placement:
    case DdlType::alter_table_placement:
    case DdlType::create_resource_group:
    case DdlType::alter_resource_group:
    case DdlType::drop_resource_group:
      return true;
    default:
      return false;
  }
}

absl::StatusOr<DdlChange> make_ddl_change(SchemaTracker& schema, const DdlJob& job, std::string_view query) {
  DdlChange ddl{.job_id = job.id,
                .type = static_cast<int>(job.type),
                .schema_version = job.schema_version,
                .schema = {},
                .table = {},
                .query = std::string(query),
                .job_query = job.query,
                .expectations = {},
                .session_schema = {},
                .creates_schema = job.type == DdlType::create_schema};
  SchemaTracker::Name place = place_of(schema, job);
  ddl.schema = std::move(place.schema);
  ddl.table = std::move(place.table);
  if (job.type == DdlType::rename_table || job.type == DdlType::rename_tables)
    ddl.session_schema = session_database(schema, job, query);
  if (ddl.creates_schema || job.type == DdlType::drop_schema)
    ddl.expectations.push_back({.schema = ddl.schema, .table = {}, .exists = ddl.creates_schema, .columns = {}});
  else if (drops_table(job.type))
    ddl.expectations.push_back(gone({.schema = ddl.schema, .table = ddl.table}));
  else
    SLUICE_RETURN_IF_ERROR(expect_tables(schema, job, ddl));
  return ddl;
}

bool passes(const TableFilter& filter, const DdlChange& ddl) {
  return filter.passes(ddl.schema, ddl.table) || std::ranges::any_of(ddl.expectations, [&](const DdlExpectation& e) {
           return filter.passes(e.schema, e.table);
         });
}

}  // namespace sluice::drainer
