#include "drainer/sinks/mysql/ddl_remedy.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace sluice::drainer::sinks::mysql {

namespace {

enum class Remedy {
  make_database,
  make_missing,
  settle_existing,
  repair_rows,
  mend_reference,
  by_hand,
};

struct Known {
  unsigned number;
  Remedy remedy;
};

constexpr std::array kKnown = {
    Known{1007, Remedy::settle_existing},  // ER_DB_CREATE_EXISTS
    Known{1008, Remedy::make_missing},     // ER_DB_DROP_EXISTS
    Known{1049, Remedy::make_database},    // ER_BAD_DB_ERROR
    Known{1050, Remedy::settle_existing},  // ER_TABLE_EXISTS_ERROR
    Known{1051, Remedy::make_missing},     // ER_BAD_TABLE_ERROR
    Known{1054, Remedy::make_missing},     // ER_BAD_FIELD_ERROR
    Known{1060, Remedy::settle_existing},  // ER_DUP_FIELDNAME
    Known{1061, Remedy::settle_existing},  // ER_DUP_KEYNAME
    Known{1062, Remedy::repair_rows},      // ER_DUP_ENTRY
    Known{1068, Remedy::settle_existing},  // ER_MULTIPLE_PRI_KEY
    Known{1072, Remedy::make_missing},     // ER_KEY_COLUMN_DOES_NOT_EXITS
    Known{1091, Remedy::make_missing},     // ER_CANT_DROP_FIELD_OR_KEY
    Known{1138, Remedy::repair_rows},      // ER_INVALID_USE_OF_NULL
    Known{1146, Remedy::make_missing},     // ER_NO_SUCH_TABLE
    Known{1176, Remedy::make_missing},     // ER_KEY_DOES_NOT_EXITS
    Known{1264, Remedy::repair_rows},      // ER_WARN_DATA_OUT_OF_RANGE
    Known{1265, Remedy::repair_rows},      // WARN_DATA_TRUNCATED
    Known{1292, Remedy::repair_rows},      // ER_TRUNCATED_WRONG_VALUE
    Known{1366, Remedy::repair_rows},      // ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
    Known{1406, Remedy::repair_rows},      // ER_DATA_TOO_LONG
    Known{1451, Remedy::mend_reference},   // ER_ROW_IS_REFERENCED_2
    Known{1452, Remedy::repair_rows},      // ER_NO_REFERENCED_ROW_2
    Known{1507, Remedy::make_missing},     // ER_DROP_PARTITION_NON_EXISTENT
    Known{1517, Remedy::settle_existing},  // ER_SAME_NAME_PARTITION
    Known{1526, Remedy::repair_rows},      // ER_NO_PARTITION_FOR_GIVEN_VALUE
    Known{1701, Remedy::mend_reference},   // ER_TRUNCATE_ILLEGAL_FK
};

std::string_view text_of(Remedy remedy) {
  switch (remedy) {
    case Remedy::make_database:
      return "The downstream lacks the database: create it there as upstream has it, with the tables that upstream had "
             "in it before this DDL, then start again";
    case Remedy::make_missing:
      return "The downstream lacks what this DDL works on: make it there as upstream had it before this DDL, then "
             "start "
             "again. If the downstream already is as this DDL leaves it";
    case Remedy::settle_existing:
      return "The downstream has something of that name: drop or rename it there and start again. If it is what this "
             "DDL makes";
    case Remedy::repair_rows:
      return "Rows downstream don't fit what this DDL asks, though upstream's did: compare the table's rows with "
             "upstream, repair them, then start again; without the DDL the rows after it would not fit. If you have "
             "repaired the rows and made the table as this DDL leaves it";
    case Remedy::mend_reference:
      return "A foreign key downstream forbids it that upstream's didn't: drop that key downstream, then start again. "
             "If you have made the downstream as this DDL leaves it";
    case Remedy::by_hand:
      return "Make the downstream as this DDL leaves it, by hand";
  }
  return "";
}

}  // namespace

std::string ddl_remedy(unsigned error, CommitTs commit_ts) {
  const auto known = std::ranges::find(kKnown, error, &Known::number);
  const Remedy remedy = known == kKnown.end() ? Remedy::by_hand : known->remedy;
  // Rows for a database that isn't there would stop next: leaving the DDL out mends nothing.
  if (remedy == Remedy::make_database) return fmt::format("{}.", text_of(remedy));
  return fmt::format("{}, {}start again with: drainer ... --ddl-skip {}", text_of(remedy),
                     remedy == Remedy::by_hand ? "then " : "", commit_ts);
}

}  // namespace sluice::drainer::sinks::mysql
