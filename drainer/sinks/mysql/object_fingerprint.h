// What the downstream's objects look like: definition, columns, indexes, partitions, constraints, and the storage
// engine's table ids, so that a TRUNCATE or an exchange of partitions shows although no definition changes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "drainer/change/row_change.h"
#include "drainer/sinks/mysql/mysql_connection.h"

namespace sluice::drainer::sinks::mysql {

struct ColumnState {
  std::string shape;      // all of it but its place and its part in keys
  std::string data_type;  // "varchar"
  bool is_unsigned = false;
};

struct ObjectState {
  bool exists = false;
  std::string definition;    // without AUTO_INCREMENT's value, which rows move
  std::string contents_ids;  // the engine's, of the table and its partitions
  std::string constraints;
  std::vector<std::string> column_order;
  std::vector<std::string> partitions;
  // By names in lower case.
  std::map<std::string, ColumnState> columns;
  std::map<std::string, std::vector<std::string>> indexes;  // columns, in order
};

using ObjectName = std::pair<std::string, std::string>;  // schema, table; a schema itself has no table
using ObjectStates = std::map<ObjectName, ObjectState>;

// All objects that the DDL names. Needs the PROCESS privilege.
[[nodiscard]] absl::StatusOr<ObjectStates> read_objects(MysqlConnection& connection, const change::DdlChange& ddl);

// A hash of each part of each object, to tell later which parts have changed.
// Format:   docs/formats/mysql-progress.md
class Fingerprint {
 public:
  enum class Part : char {
    definition = 'd',
    contents = 't',
    constraints = 'f',
    partitions = 'p',
    column = 'c',
    index = 'i'
  };

  [[nodiscard]] static Fingerprint of(const ObjectStates& objects);
  // Nothing for a text of another version.
  [[nodiscard]] static std::optional<Fingerprint> parse(std::string_view text);
  [[nodiscard]] std::string text() const;  // ASCII

  // Is that part as it is in `other`, absent counting as a state too?
  [[nodiscard]] bool same(const Fingerprint& other, const ObjectName& object, Part part,
                          std::string_view name = {}) const;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;

 private:
  std::map<uint64_t, uint64_t> hashes_;  // of what names the part, of what it is
};

[[nodiscard]] std::string lower_name(std::string_view name);

// Do all objects look as the DDL must have left them, by existence and column names? False when the DDL says nothing of
// what it leaves.
[[nodiscard]] bool meets_expectations(const ObjectStates& objects, const change::DdlChange& ddl);
[[nodiscard]] absl::StatusOr<bool> meets_expectations(MysqlConnection& connection, const change::DdlChange& ddl);

}  // namespace sluice::drainer::sinks::mysql
