// Decides what a DDL needs downstream: to be run, to be passed over because it changes no row and the server has no
// such thing, or a human, because the server can't do it at all. Pure.
#pragma once

#include <string_view>

#include "drainer/change/row_change.h"
#include "drainer/sinks/mysql/mysql_connection.h"

namespace sluice::drainer::sinks::mysql {

enum class DdlAction {
  run,
  skip_row_neutral,  // index visibility, placement, cache, TTL, TiFlash, attributes, statistics, resource groups
  impossible,        // RECOVER and FLASHBACK bring back rows that no binlog carries
};

struct DdlVerdict {
  DdlAction action = DdlAction::run;
  std::string_view reason{};  // for the log or the error; empty for run
};

[[nodiscard]] DdlVerdict classify_ddl(const change::DdlChange& ddl, ServerKind server);

// DROP TABLE, DROP VIEW and DROP SEQUENCE of several objects arrive as one job each, with one text.
[[nodiscard]] bool is_multi_object_drop(const change::DdlChange& ddl);

}  // namespace sluice::drainer::sinks::mysql
