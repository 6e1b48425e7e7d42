#include "drainer/sinks/mysql/ddl_proof.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace sluice::drainer::sinks::mysql {

namespace {

using Kind = change::DdlElement::Kind;
using Part = Fingerprint::Part;

// TiDB's ActionType.
constexpr int kDropSchema = 2;
// Creates, drops and renames: whether the objects are there tells.
constexpr std::array kOfExistence = {1, 2, 3, 4, 14, 21, 24, 34, 36, 47, 60};
constexpr std::array kRenames = {14, 47};
// New storage behind unchanged names: TRUNCATE of a table or of partitions, EXCHANGE PARTITION.
constexpr std::array kOfContents = {11, 23, 42};
// Attributes that are set to a value: AUTO_INCREMENT, defaults, comments, charsets, a sequence's, visibility.
constexpr std::array kRepeatable = {13, 15, 16, 17, 22, 26, 35, 41};

bool is_among(const auto& types, int type) {
  return std::ranges::find(types, type) != types.end();
}

// Of one element, or of all.
struct Votes {
  bool done = false;
  bool not_run = false;
  bool unclear = false;

  [[nodiscard]] DdlProof sum() const {
    if (unclear || (done && not_run)) return DdlProof::unclear;
    return done ? DdlProof::done : DdlProof::not_run;
  }
};

// What information_schema may call a type; MariaDB keeps JSON as text.
std::vector<std::string_view> names_of(change::MysqlType type) {
  switch (type) {
    case change::MysqlType::tiny_int:
      return {"tinyint"};
    case change::MysqlType::small_int:
      return {"smallint"};
    case change::MysqlType::medium_int:
      return {"mediumint"};
    case change::MysqlType::integer:
      return {"int"};
    case change::MysqlType::big_int:
      return {"bigint"};
    case change::MysqlType::float32:
      return {"float"};
    case change::MysqlType::float64:
      return {"double"};
    case change::MysqlType::decimal:
      return {"decimal"};
    case change::MysqlType::timestamp:
      return {"timestamp"};
    case change::MysqlType::datetime:
      return {"datetime"};
    case change::MysqlType::date:
    case change::MysqlType::new_date:
      return {"date"};
    case change::MysqlType::time:
      return {"time"};
    case change::MysqlType::year:
      return {"year"};
    case change::MysqlType::bit:
      return {"bit"};
    case change::MysqlType::json:
      return {"json", "longtext"};
    case change::MysqlType::enumeration:
      return {"enum"};
    case change::MysqlType::set:
      return {"set"};
    case change::MysqlType::varchar:
    case change::MysqlType::var_string:
      return {"varchar", "varbinary"};
    case change::MysqlType::string:
      return {"char", "binary"};
    case change::MysqlType::tiny_blob:
      return {"tinyblob", "tinytext"};
    case change::MysqlType::blob:
      return {"blob", "text"};
    case change::MysqlType::medium_blob:
      return {"mediumblob", "mediumtext"};
    case change::MysqlType::long_blob:
      return {"longblob", "longtext"};
    default:
      return {};
  }
}

bool has_type(const ColumnState& column, const change::DdlElement& wanted) {
  const auto names = names_of(wanted.type);
  return names.empty() ||
         (std::ranges::find(names, column.data_type) != names.end() && column.is_unsigned == wanted.is_unsigned);
}

// One object's elements against what is there.
class Judge {
 public:
  Judge(const ObjectName& object, const ObjectState& now, const Fingerprint& present,
        const std::optional<Fingerprint>& before)
      : object_(object), now_(now), present_(present), before_(before) {}

  void look_at(const change::DdlElement& element, Votes& votes) const {
    switch (element.kind) {
      case Kind::column:
        return look_at_column(element, votes);
      case Kind::index:
        return look_at_index(element, votes);
      case Kind::partitions:
        return look_at_partitions(element, votes);
      case Kind::contents:
        return look_for_change(Part::contents, votes);
      case Kind::constraints:
        return look_for_change(Part::constraints, votes);
    }
  }

 private:
  [[nodiscard]] bool unchanged(Part part, std::string_view name = {}) const {
    return before_ && present_.same(*before_, object_, part, name);
  }

  void look_for_change(Part part, Votes& votes) const {
    if (!before_)
      votes.unclear = true;
    else
      (unchanged(part) ? votes.not_run : votes.done) = true;
  }

  void look_at_column(const change::DdlElement& wanted, Votes& votes) const {
    const std::string name = lower_name(wanted.name);
    const auto found = now_.columns.find(name);
    const bool there = found != now_.columns.end();
    if (wanted.existed != wanted.exists && there != wanted.exists) {
      votes.not_run = true;
    } else if (!wanted.exists && !there) {
      votes.done = true;
    } else if (!there) {
      votes.unclear = true;  // to be modified, and gone
    } else if (wanted.existed && unchanged(Part::column, name)) {
      // Not run, or of no effect in this server.
    } else if (!has_type(found->second, wanted) || (wanted.existed && !before_)) {
      votes.unclear = true;
    } else {
      votes.done = true;
    }
  }

  void look_at_index(const change::DdlElement& wanted, Votes& votes) const {
    const std::string name = lower_name(wanted.name);
    const auto found = now_.indexes.find(name);
    const bool there = found != now_.indexes.end();
    if (wanted.existed != wanted.exists) {
      if (there != wanted.exists) votes.not_run = true;
      if (!there && !wanted.exists) votes.done = true;
      if (there && wanted.exists) (has_parts(found->second, wanted) ? votes.done : votes.unclear) = true;
    } else if (unchanged(Part::index, name)) {
      // Not run, or only its kind has changed.
    } else {
      (there && has_parts(found->second, wanted) ? votes.done : votes.unclear) = true;
    }
  }

  static bool has_parts(const std::vector<std::string>& columns, const change::DdlElement& wanted) {
    return wanted.parts.empty() || std::ranges::equal(columns, wanted.parts, {}, {}, lower_name);
  }

  void look_at_partitions(const change::DdlElement& wanted, Votes& votes) const {
    if (std::ranges::equal(now_.partitions, wanted.parts, {}, {}, lower_name))
      votes.done = true;
    else
      (unchanged(Part::partitions) ? votes.not_run : votes.unclear) = true;
  }

  const ObjectName& object_;
  const ObjectState& now_;
  const Fingerprint& present_;
  const std::optional<Fingerprint>& before_;
};

// Without an object that changed its definition or its storage there was no CREATE or DROP; a RENAME moves storage, and
// where names are exchanged nothing else tells.
DdlProof prove_existence(const change::DdlChange& ddl, const std::optional<Fingerprint>& before,
                         const Fingerprint& present, const ObjectStates& now) {
  const bool untouched =
      before && std::ranges::all_of(now, [&](const auto& object) {
        return present.same(*before, object.first, Part::contents) &&
               (is_among(kRenames, ddl.type) || present.same(*before, object.first, Part::definition));
      });
  if (untouched) return DdlProof::not_run;
  if (meets_expectations(now, ddl)) return DdlProof::done;
  // Dropping a schema is the one DDL that leaves a half behind, and may simply go on.
  if (ddl.type == kDropSchema) return DdlProof::not_run;
  const bool nothing_met = std::ranges::none_of(ddl.expectations, [&](const change::DdlExpectation& expectation) {
    return now.at({expectation.schema, expectation.table}).exists == expectation.exists;
  });
  return nothing_met && !ddl.expectations.empty() ? DdlProof::not_run : DdlProof::unclear;
}

}  // namespace

DdlProof prove_ddl(const change::DdlChange& ddl, const std::optional<Fingerprint>& before, const ObjectStates& now) {
  const Fingerprint present = Fingerprint::of(now);
  if (before && *before == present) return DdlProof::not_run;
  if (is_among(kOfExistence, ddl.type)) return prove_existence(ddl, before, present, now);
  Votes votes;
  bool any = false;
  for (const change::DdlExpectation& expectation : ddl.expectations) {
    const auto& [name, state] = *now.find({expectation.schema, expectation.table});
    const Judge judge(name, state, present, before);
    std::vector<change::DdlElement> changes = expectation.changes;
    if (changes.empty() && is_among(kOfContents, ddl.type)) changes.push_back({.kind = Kind::contents});
    for (const change::DdlElement& element : changes) judge.look_at(element, votes);
    any = any || !changes.empty();
  }
  if (any) return votes.sum();
  if (is_among(kRepeatable, ddl.type)) return DdlProof::not_run;
  const bool untouched = before && std::ranges::all_of(now, [&](const auto& object) {
                           return present.same(*before, object.first, Part::definition);
                         });
  return untouched ? DdlProof::not_run : DdlProof::unclear;
}

}  // namespace sluice::drainer::sinks::mysql
