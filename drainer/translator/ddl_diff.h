// What a DDL job changed of a table, out of the table infos before and after it.
// Pure.
#pragma once

#include <vector>

#include "drainer/change/row_change.h"
#include "drainer/schema/table_schema.h"

namespace sluice::drainer::translator {

[[nodiscard]] std::vector<change::DdlElement> ddl_changes(const schema::TableSchema& before,
                                                          const schema::TableSchema& after);

}  // namespace sluice::drainer::translator
