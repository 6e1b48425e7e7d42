// Makes row changes and DDLs of TiDB's binlog payloads, each decoded with the schema of its own schema version.
// Contract: translate() sees transactions in commit order. The answer's transaction is never null; one without rows and
//           without a DDL has nothing for the sinks, and `skipped` says why (resolve() past its commit ts all the
//           same). Long strings and blobs are views into `payload`, which the transaction keeps alive; rendered text
//           lies in its arena.
// Threads:  one.
// Borrows:  SchemaTracker&, which must outlive it.
// Errors:   DATA_LOSS for a payload that doesn't decode, naming commit ts, start ts, table, column, byte offset and
//           what to do; FAILED_PRECONDITION when the schema history lacks a job (fetch it again, SchemaTracker::load,
//           and call again: a failed call changes nothing). Never throws, skips nothing silently.
// Format:   docs/formats/row-v1.md
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "base/tso.h"
#include "drainer/change/row_change.h"
#include "drainer/schema/schema_tracker.h"
#include "drainer/translator/table_filter.h"

namespace sluice::drainer::translator {

enum class SkipReason : uint8_t {
  none,             // there is something to apply
  filtered,         // every row, or the DDL, is outside the filter
  no_rows,          // the payload has no row changes; a fake binlog is one
  dropped_table,    // every row belongs to tables truncated or dropped since
  ddl_unfinished,   // the job was cancelled or rolled back, or this is its delete-only step
  ddl_system,       // the job is about one of the database's virtual tables
  ddl_unsupported,  // a job TiDB-Binlog never sends downstream: placement, attributes, locks, cache, resource groups
  sequence_value,   // SELECT SETVAL(...)
};

[[nodiscard]] std::string_view to_string(SkipReason reason);

struct Translation {
  std::shared_ptr<change::Transaction> transaction;
  SkipReason skipped = SkipReason::none;
  uint64_t rows_filtered = 0;  // row changes of tables that the filter drops
  uint64_t rows_of_dropped_tables = 0;
};

struct TranslatorOptions {
  TableFilter filter;
  // TIMESTAMP values are stored in UTC; their text is rendered at this offset.
  std::chrono::minutes time_zone_offset{0};
};

class Translator {
 public:
  Translator(schema::SchemaTracker& schema, TranslatorOptions options);

  // What comes next commits after `position`: the DDLs up to there count as translated.
  void start_at(CommitTs position) { applied_schema_version_ = schema_.schema_version_at(any_ts(position)); }

  // `payload`: a serialized tipb `binlog.Binlog`, as TiDB sent it with its prewrite.
  [[nodiscard]] absl::StatusOr<Translation> translate(StartTs start_ts, CommitTs commit_ts,
                                                      std::shared_ptr<const std::string> payload);

 private:
  struct Binlog;  // the message's fields, still undecoded
  struct Mutation;

  [[nodiscard]] absl::Status translate_ddl(const Binlog& binlog, Translation& out);
  [[nodiscard]] absl::Status translate_rows(const Binlog& binlog, Translation& out);
  [[nodiscard]] absl::Status translate_mutation(const Mutation& mutation, Translation& out);

  schema::SchemaTracker& schema_;
  TranslatorOptions options_;
  int64_t applied_schema_version_ = 0;  // of the last DDL behind us: rows of a table it truncated are moot
};

}  // namespace sluice::drainer::translator
