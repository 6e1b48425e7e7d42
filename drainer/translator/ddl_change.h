// What a DDL job means downstream: the database to run it in, its text, and how the objects it touches look afterwards.
#pragma once

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "drainer/change/row_change.h"
#include "drainer/schema/schema_tracker.h"
#include "drainer/translator/table_filter.h"

namespace sluice::drainer::translator {

// Jobs that are never sent downstream: they concern the source cluster alone.
[[nodiscard]] bool is_unsupported(schema::DdlType type);

// `query`: the statement as the binlog carries it.
[[nodiscard]] absl::StatusOr<change::DdlChange> make_ddl_change(schema::SchemaTracker& schema,
                                                                const schema::DdlJob& job, std::string_view query);

// A DDL passes when an object it touches does, under its old or its new name.
[[nodiscard]] bool passes(const TableFilter& filter, const change::DdlChange& ddl);

}  // namespace sluice::drainer::translator
