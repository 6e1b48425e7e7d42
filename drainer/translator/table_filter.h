// Which schemas and tables are replicated: ignore-schemas, ignore-table, replicate-do-db and replicate-do-table, with
// TiDB-Binlog's meaning.
// Contract: an entry matches a whole name without regard to case, as a regular expression when it isn't a plain name;
//           one that starts with `~` is a regular expression that may match anywhere. When a do-list isn't empty, a
//           table passes if one of them names it or its schema; then the ignore-lists drop. Immutable after make():
//           share it between threads.
// Errors:   INVALID_ARGUMENT names the entry that is empty or isn't a regular expression.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace sluice::drainer::translator {

struct TableName {
  std::string schema;
  std::string table;
};

struct TableFilterOptions {
  std::vector<std::string> ignore_schemas = {"INFORMATION_SCHEMA", "PERFORMANCE_SCHEMA", "mysql"};
  std::vector<TableName> ignore_tables;
  std::vector<std::string> do_schemas;
  std::vector<TableName> do_tables;
};

class TableFilter {
 public:
  // Passes everything but the database's own schemas.
  TableFilter();

  [[nodiscard]] static absl::StatusOr<TableFilter> make(const TableFilterOptions& options);

  // `table` is empty for what concerns a whole schema.
  [[nodiscard]] bool passes(std::string_view schema, std::string_view table) const;

 private:
  struct Rules;
  explicit TableFilter(std::shared_ptr<const Rules> rules);
  std::shared_ptr<const Rules> rules_;
};

}  // namespace sluice::drainer::translator
