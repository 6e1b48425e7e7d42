// What a rename's text says of databases: where it moves tables, and which names mean the session's own database. Only
// the text tells when the job's arguments are gone, as they are in finished jobs of some TiDB versions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::drainer::schema {

// Databases as written; empty where none is named, which means the session's.
struct RenameStep {
  std::string from_schema;
  std::string to_schema;
  friend bool operator==(const RenameStep&, const RenameStep&) = default;
};

// The steps of RENAME TABLE [db.]t TO [db.]u, …, in order, or the one of ALTER TABLE [db.]t RENAME [TO|AS|=] [db.]u.
[[nodiscard]] std::vector<RenameStep> rename_steps(std::string_view statement);

}  // namespace sluice::drainer::schema
