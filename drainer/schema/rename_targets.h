// Where a RENAME TABLE statement of several tables moves them. Only its text tells when the job's arguments are gone,
// as they are in finished jobs of some TiDB versions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::drainer {

// The database named by each `TO [db.]table`, in order; empty where none is named.
[[nodiscard]] std::vector<std::string> rename_target_schemas(std::string_view statement);

}  // namespace sluice::drainer
