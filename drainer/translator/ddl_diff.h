// What a DDL job changed of a table, out of the table infos before and after it.
// Pure.
#pragma once

#include <vector>

#include "base/row_change.h"
#include "drainer/schema/table_schema.h"

namespace sluice::drainer {

[[nodiscard]] std::vector<DdlElement> ddl_changes(const TableSchema& before, const TableSchema& after);

}  // namespace sluice::drainer
