#include "drainer/translator/translator.h"

#include <algorithm>
#include <array>
#include <memory_resource>
#include <utility>
#include <vector>

#include <absl/strings/match.h>

#include "base/status.h"
#include "drainer/translator/ddl_change.h"
#include "drainer/translator/row_decoder.h"
#include "drainer/translator/wire_reader.h"

namespace sluice::drainer::translator {
namespace {

constexpr int64_t kDeleteOnly = 1;                      // TiDB's SchemaState
constexpr int64_t kTableIdMax = 0xFFFFFFFFFFFF - 1000;  // above: virtual tables of the database's own schemas
constexpr uint32_t kRowsMax = UINT32_MAX;

// tipb's MutationType.
enum RowKind : uint64_t { kInsert = 0, kUpdate = 1, kDelete = 4 };

// Field numbers of tipb's messages.
namespace binlog_field {
enum : uint32_t { kStartTs = 2, kPrewriteValue = 5, kDdlQuery = 6, kDdlJobId = 7, kDdlSchemaState = 8 };
}
namespace prewrite_field {
enum : uint32_t { kSchemaVersion = 1, kMutations = 2 };
}
namespace mutation_field {
enum : uint32_t {
  kTableId = 1,
  kInserted = 2,
  kUpdated = 3,
  kDeletedIds = 4,
  kDeletedKeys = 5,
  kDeleted = 6,
  kSequence = 7
};
}

// Counts what a transaction's arena hands out.
class CountingArena final : public std::pmr::memory_resource {
 public:
  explicit CountingArena(std::pmr::memory_resource& arena) : arena_(arena) {}
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  void* do_allocate(size_t bytes, size_t alignment) override {
    bytes_ += bytes;
    return arena_.allocate(bytes, alignment);
  }
  void do_deallocate(void* at, size_t bytes, size_t alignment) override { arena_.deallocate(at, bytes, alignment); }
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::pmr::memory_resource& arena_;
  size_t bytes_ = 0;
};

bool is_setval(std::string_view query) {
  return absl::StartsWithIgnoreCase(absl::string_view(query.data(), query.size()), "select setval");
}

absl::Status explain(const absl::Status& status, StartTs start_ts, CommitTs commit_ts) {
  std::string text = fmt::format("transaction commit_ts={} start_ts={}: {}", commit_ts, start_ts, message_of(status));
  if (status.code() == absl::StatusCode::kDataLoss)
    text +=
        "; nothing of it was applied. Check that the DDL history is this cluster's and complete (fetch /ddl/history "
        "again); to go on "
        "without the transaction, name its commit ts in ignore-txn-commit-ts";
  return absl::Status(status.code(), text);
}

}  // namespace

std::string_view to_string(SkipReason reason) {
  switch (reason) {
    case SkipReason::none:
      return "none";
    case SkipReason::filtered:
      return "filtered";
    case SkipReason::no_rows:
      return "no rows";
    case SkipReason::dropped_table:
      return "dropped table";
    case SkipReason::ddl_unfinished:
      return "unfinished DDL";
    case SkipReason::ddl_system:
      return "DDL on a system table";
    case SkipReason::ddl_unsupported:
      return "DDL of the source cluster alone";
    case SkipReason::sequence_value:
      return "sequence value";
  }
  return "unknown";
}

struct Translator::Binlog {
  std::string_view payload;
  uint64_t start_ts = 0;
  std::string_view prewrite_value{};
  std::string_view ddl_query{};
  int64_t ddl_job_id = 0;
  int64_t ddl_schema_state = 0;

  static absl::StatusOr<Binlog> parse(std::string_view payload) {
    Binlog binlog{.payload = payload};
    for (WireReader reader(payload, payload); !reader.at_end();) {
      SLUICE_ASSIGN_OR_RETURN(const WireReader::Field field, reader.next());
      switch (field.number) {
        case binlog_field::kStartTs:
          binlog.start_ts = field.integer;
          break;
        case binlog_field::kPrewriteValue:
          binlog.prewrite_value = field.bytes;
          break;
        case binlog_field::kDdlQuery:
          binlog.ddl_query = field.bytes;
          break;
        case binlog_field::kDdlJobId:
          binlog.ddl_job_id = static_cast<int64_t>(field.integer);
          break;
        case binlog_field::kDdlSchemaState:
          binlog.ddl_schema_state = static_cast<int64_t>(field.integer);
          break;
        default:
          break;
      }
    }
    return binlog;
  }
};

// One table's rows of a transaction, as views.
struct Translator::Mutation {
  std::string_view payload;
  int64_t schema_version = 0;
  uint32_t first_ordinal = 0;
  int64_t table_id = 0;
  std::vector<std::string_view> inserted{};
  std::vector<std::string_view> updated{};
  std::vector<std::string_view> deleted{};
  std::vector<uint64_t> sequence{};

  absl::Status parse(std::string_view message) {
    for (WireReader reader(payload, message); !reader.at_end();) {
      const size_t offset = reader.offset();
      SLUICE_ASSIGN_OR_RETURN(const WireReader::Field field, reader.next());
      switch (field.number) {
        case mutation_field::kTableId:
          table_id = static_cast<int64_t>(field.integer);
          break;
        case mutation_field::kInserted:
          inserted.push_back(field.bytes);
          break;
        case mutation_field::kUpdated:
          updated.push_back(field.bytes);
          break;
        case mutation_field::kDeleted:
          deleted.push_back(field.bytes);
          break;
        case mutation_field::kSequence:
          SLUICE_RETURN_IF_ERROR(add_sequence(field));
          break;
        case mutation_field::kDeletedIds:
        case mutation_field::kDeletedKeys:
          return absl::DataLossError(fmt::format(
              "table id {}: deletes by key, which TiDB stopped writing in 2016, at byte {}", table_id, offset));
        default:
          break;
      }
    }
    return check_sequence(offset_of(message));
  }

  // A protobuf writer may pack a repeated enum or not.
  absl::Status add_sequence(const WireReader::Field& field) {
    if (!field.is_bytes) return sequence.push_back(field.integer), absl::OkStatus();
    for (WireReader packed(payload, field.bytes); !packed.at_end();) {
      SLUICE_ASSIGN_OR_RETURN(const uint64_t kind, packed.varint());
      sequence.push_back(kind);
    }
    return absl::OkStatus();
  }

  [[nodiscard]] size_t offset_of(std::string_view view) const {
    return static_cast<size_t>(view.data() - payload.data());
  }

  // Each row is named exactly once: otherwise rows would be lost.
  [[nodiscard]] absl::Status check_sequence(size_t offset) const {
    const auto named = [&](uint64_t kind) { return static_cast<size_t>(std::ranges::count(sequence, kind)); };
    if (named(kInsert) == inserted.size() && named(kUpdate) == updated.size() && named(kDelete) == deleted.size() &&
        sequence.size() == inserted.size() + updated.size() + deleted.size())
      return absl::OkStatus();
    return absl::DataLossError(
        fmt::format("table id {} at byte {}: the sequence of {} entries doesn't fit {} inserts, {} updates, {} deletes",
                    table_id, offset, sequence.size(), inserted.size(), updated.size(), deleted.size()));
  }
};

Translator::Translator(schema::SchemaTracker& schema, TranslatorOptions options)
    : schema_(schema), options_(std::move(options)) {}

absl::StatusOr<Translation> Translator::translate(StartTs start_ts, CommitTs commit_ts,
                                                  std::shared_ptr<const std::string> payload) {
  Translation out;
  out.transaction = std::make_shared<change::Transaction>();
  out.transaction->start_ts = start_ts;
  out.transaction->commit_ts = commit_ts;
  out.transaction->payload = payload;
  out.transaction->memory_bytes = sizeof(change::Transaction) + payload->size();
  const absl::StatusOr<Binlog> binlog = Binlog::parse(*payload);
  absl::Status status = binlog.status();
  if (status.ok() && binlog->start_ts != start_ts.value)
    status = absl::DataLossError(fmt::format("the payload is that of start ts {}", binlog->start_ts));
  if (status.ok())
    status = binlog->ddl_job_id > 0 || !binlog->ddl_query.empty() ? translate_ddl(*binlog, out)
                                                                  : translate_rows(*binlog, out);
  if (!status.ok()) return explain(status, start_ts, commit_ts);
  return out;
}

absl::Status Translator::translate_ddl(const Binlog& binlog, Translation& out) {
  const auto skip = [&](SkipReason reason) { return out.skipped = reason, absl::OkStatus(); };
  if (is_setval(binlog.ddl_query)) return skip(SkipReason::sequence_value);  // its job id is made up
  SLUICE_ASSIGN_OR_RETURN(const schema::DdlJob* job, schema_.job(binlog.ddl_job_id));
  out.transaction->schema_version = job->schema_version;
  // DROP COLUMN announces its delete-only step with the same text; the job's end comes as a binlog of its own.
  if (binlog.ddl_schema_state == kDeleteOnly || !job->finished() || job->schema_version == 0)
    return skip(SkipReason::ddl_unfinished);
  if (job->table_id > kTableIdMax) return skip(SkipReason::ddl_system);
  applied_schema_version_ = std::max(applied_schema_version_, job->schema_version);
  if (is_unsupported(job->type)) return skip(SkipReason::ddl_unsupported);
  SLUICE_ASSIGN_OR_RETURN(change::DdlChange ddl, make_ddl_change(schema_, *job, binlog.ddl_query));
  if (!passes(options_.filter, ddl)) return skip(SkipReason::filtered);
  out.transaction->ddl = std::move(ddl);
  return absl::OkStatus();
}

absl::Status Translator::translate_rows(const Binlog& binlog, Translation& out) {
  change::Transaction& transaction = *out.transaction;
  std::vector<std::string_view> mutations;
  for (WireReader reader(binlog.payload, binlog.prewrite_value); !reader.at_end();) {
    SLUICE_ASSIGN_OR_RETURN(const WireReader::Field field, reader.next());
    if (field.number == prewrite_field::kSchemaVersion)
      transaction.schema_version = static_cast<int64_t>(field.integer);
    if (field.number == prewrite_field::kMutations) mutations.push_back(field.bytes);
  }
  size_t ordinal = 0;
  for (const std::string_view message : mutations) {
    Mutation mutation{.payload = binlog.payload,
                      .schema_version = transaction.schema_version,
                      .first_ordinal = static_cast<uint32_t>(ordinal)};
    SLUICE_RETURN_IF_ERROR(mutation.parse(message));
    ordinal += mutation.sequence.size();
    if (ordinal > kRowsMax) return absl::DataLossError(fmt::format("more than {} rows", kRowsMax));
    SLUICE_RETURN_IF_ERROR(translate_mutation(mutation, out));
  }
  transaction.memory_bytes += transaction.rows.capacity() * sizeof(change::RowChange);
  if (!transaction.rows.empty()) return absl::OkStatus();
  out.skipped = out.rows_filtered != 0            ? SkipReason::filtered
                : out.rows_of_dropped_tables != 0 ? SkipReason::dropped_table
                                                  : SkipReason::no_rows;
  return absl::OkStatus();
}

absl::Status Translator::translate_mutation(const Mutation& mutation, Translation& out) {
  change::Transaction& transaction = *out.transaction;
  // Truncated by a DDL that committed before these rows: they are lost upstream too.
  SLUICE_ASSIGN_OR_RETURN(const schema::SchemaTracker::TableAt now,
                          schema_.table(mutation.table_id, std::max(mutation.schema_version, applied_schema_version_)));
  if (now.state == schema::SchemaTracker::TableState::gone)
    return out.rows_of_dropped_tables += mutation.sequence.size(), absl::OkStatus();
  SLUICE_ASSIGN_OR_RETURN(const schema::SchemaTracker::TableAt at,
                          schema_.table(mutation.table_id, mutation.schema_version));
  if (at.schema == nullptr) return out.rows_of_dropped_tables += mutation.sequence.size(), absl::OkStatus();
  const change::TableDef& def = at.schema->def;
  if (!options_.filter.passes(def.schema, def.name))
    return out.rows_filtered += mutation.sequence.size(), absl::OkStatus();

  transaction.tables.emplace_back(at.schema, &def);
  CountingArena arena(transaction.arena);
  ColumnValues values(arena, options_.time_zone_offset);
  RowDecoder decoder(*at.schema,
                     {.schema_version = mutation.schema_version,
                      .schema_version_known = schema_.last_schema_version(),
                      .may_be_changing = schema_.may_be_changing(mutation.table_id, mutation.schema_version)},
                     mutation.payload, values);
  std::array<size_t, 3> next{};
  if (transaction.rows.empty()) transaction.rows.reserve(mutation.sequence.size());
  for (size_t i = 0; i < mutation.sequence.size(); ++i) {
    const uint64_t kind = mutation.sequence[i];
    absl::StatusOr<change::RowChange> row = kind == kInsert   ? decoder.insert(mutation.inserted[next[0]++])
                                            : kind == kUpdate ? decoder.update(mutation.updated[next[1]++])
                                                              : decoder.remove(mutation.deleted[next[2]++]);
    if (!row.ok()) return annotate(row.status(), fmt::format("row {}", mutation.first_ordinal + i));
    row->ordinal = mutation.first_ordinal + static_cast<uint32_t>(i);
    transaction.rows.push_back(*row);
  }
  transaction.memory_bytes += arena.bytes();
  return absl::OkStatus();
}

}  // namespace sluice::drainer::translator
