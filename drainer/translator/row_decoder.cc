#include "drainer/translator/row_decoder.h"

#include <memory>

#include "base/status.h"

namespace sluice::drainer::translator {
namespace {

constexpr int64_t kHandleColumnId = -1;  // the hidden row id, in deletes of tables without a clustered key
constexpr std::string_view kEmptyRow("\0", 1);

// Rows are written without generated columns in updates, and columns still being added aren't anybody's business yet.
bool is_writable(const change::ColumnDef& column) {
  return column.is_public && !column.generated;
}

}  // namespace

RowDecoder::RowDecoder(const schema::TableSchema& table, RowContext context, std::string_view payload,
                       ColumnValues& values)
    : table_(table), context_(context), payload_(payload), values_(values) {}

RowDecoder::Image RowDecoder::new_image() {
  const size_t count = table_.def.columns.size();
  auto* datums =
      static_cast<change::Datum*>(values_.arena().allocate(count * sizeof(change::Datum), alignof(change::Datum)));
  std::uninitialized_default_construct_n(datums, count);
  return {datums, count};
}

absl::Status RowDecoder::at(const absl::Status& status, std::string_view where, int column) const {
  if (status.ok()) return status;
  const size_t offset = static_cast<size_t>(where.data() - payload_.data());
  const std::string name =
      column < 0 ? std::string() : fmt::format(" column `{}`", table_.def.columns[static_cast<size_t>(column)].name);
  return absl::Status(status.code(), fmt::format("table `{}`.`{}` (id {}){} at byte {}: {}", table_.def.schema,
                                                 table_.def.name, table_.def.id, name, offset, message_of(status)));
}

// Normal while a DDL on the table is under way: rows carry columns that aren't public yet, filled with the default that
// the DDL itself brings downstream. Not normal when the history ends before: the column may be real.
absl::Status RowDecoder::unknown_column(int64_t id, std::string_view where) const {
  if (id == kHandleColumnId || context_.schema_version <= context_.schema_version_known) return absl::OkStatus();
  return at(absl::FailedPreconditionError(fmt::format("column id {} is unknown: the transaction has schema version {}, "
                                                      "the DDL history ends at {}; fetch /ddl/history again "
                                                      "from TiDB's status port once the running DDL has finished",
                                                      id, context_.schema_version, context_.schema_version_known)),
            where, -1);
}

absl::Status RowDecoder::take_pair(std::string_view& row, int& column, change::Datum& value) {
  const std::string_view begin = row;
  absl::StatusOr<RowDatum> id = take_datum(row, values_.arena());
  if (!id.ok()) return at(id.status(), begin, -1);
  if (id->kind != RowDatum::Kind::int64)
    return at(absl::DataLossError(fmt::format("a column id is expected, not a {} datum", to_string(id->kind))), begin,
              -1);
  column = table_.find_column(id->integer);
  const std::string_view body = row;
  const absl::StatusOr<RowDatum> datum = take_datum(row, values_.arena());
  if (!datum.ok()) return at(datum.status(), body, column);
  if (column < 0) return unknown_column(id->integer, begin);
  absl::StatusOr<change::Datum> converted = values_.from_row(*datum, table_.def.columns[static_cast<size_t>(column)]);
  if (!converted.ok()) return at(converted.status(), body, column);
  value = *converted;
  return absl::OkStatus();
}

absl::Status RowDecoder::take_handle(std::string_view& row, Image image) {
  if (table_.common_handle.empty()) {
    const std::string_view begin = row;
    const absl::StatusOr<RowDatum> handle = take_datum(row, values_.arena());
    if (!handle.ok()) return at(handle.status(), begin, -1);
    if (handle->kind != RowDatum::Kind::int64)
      return at(absl::DataLossError(fmt::format("a row id is expected, not a {} datum", to_string(handle->kind))),
                begin, -1);
    if (!table_.handle_is_key) return absl::OkStatus();
    const uint32_t column = table_.def.indexes[0].parts[0].column;
    absl::StatusOr<change::Datum> value = values_.from_row(*handle, table_.def.columns[column]);
    if (!value.ok()) return at(value.status(), begin, static_cast<int>(column));
    image[column] = *value;
    return absl::OkStatus();
  }
  for (const auto& [column, whole] : table_.common_handle) {
    const std::string_view begin = row;
    const absl::StatusOr<RowDatum> part = take_datum(row, values_.arena());
    if (!part.ok()) return at(part.status(), begin, static_cast<int>(column));
    if (!whole) continue;  // a prefix; the row has the value
    absl::StatusOr<change::Datum> value = values_.from_row(*part, table_.def.columns[column]);
    if (!value.ok()) return at(value.status(), begin, static_cast<int>(column));
    image[column] = *value;
  }
  return absl::OkStatus();
}

absl::Status RowDecoder::fill_missing(Image image, std::string_view row) {
  for (size_t i = 0; i < image.size(); ++i) {
    if (!image[i].is_absent()) continue;
    absl::StatusOr<change::Datum> value = values_.missing(table_.def.columns[i], table_.origin_defaults[i]);
    if (!value.ok()) return at(value.status(), row, static_cast<int>(i));
    image[i] = *value;
  }
  return absl::OkStatus();
}

absl::StatusOr<change::RowChange> RowDecoder::insert(std::string_view row) {
  const std::string_view whole = row;
  const Image image = new_image();
  SLUICE_RETURN_IF_ERROR(take_handle(row, image));
  while (!row.empty() && row != kEmptyRow) {
    int column = -1;
    change::Datum value;
    SLUICE_RETURN_IF_ERROR(take_pair(row, column, value));
    if (column >= 0) image[static_cast<size_t>(column)] = value;
  }
  SLUICE_RETURN_IF_ERROR(fill_missing(image, whole));
  return change::RowChange{.kind = change::RowChangeKind::insert, .table = &table_.def, .before = {}, .after = image};
}

absl::Status RowDecoder::complete_update(Image before, Image after, std::string_view row) {
  for (size_t i = 0; i < before.size(); ++i) {
    const change::ColumnDef& column = table_.def.columns[i];
    const int ordinal = static_cast<int>(i);
    if (!is_writable(column)) {
      before[i] = after[i] = change::Datum();
      continue;
    }
    if (before[i].is_absent() != after[i].is_absent())
      return at(absl::DataLossError("the update has one of the column's two values"), row, ordinal);
    if (!before[i].is_absent()) continue;
    // A column that is being dropped is written no more, though this schema version still has it. Its default is what
    // TiDB-Binlog's files say; the row downstream may hold anything there.
    if (!context_.may_be_changing) return at(absl::DataLossError("the update lacks the column"), row, ordinal);
    absl::StatusOr<change::Datum> value = values_.missing(column, table_.origin_defaults[i]);
    if (!value.ok()) return at(value.status(), row, ordinal);
    before[i] = after[i] = value->as_presumed();
  }
  return absl::OkStatus();
}

absl::StatusOr<change::RowChange> RowDecoder::update(std::string_view row) {
  const std::string_view whole = row;
  const Image before = new_image();
  const Image after = new_image();
  while (!row.empty() && row != kEmptyRow) {
    const std::string_view begin = row;
    int column = -1;
    change::Datum value;
    SLUICE_RETURN_IF_ERROR(take_pair(row, column, value));
    if (column < 0) continue;
    const auto i = static_cast<size_t>(column);
    // The old row comes first, the new one follows without a mark between them.
    if (before[i].is_absent())
      before[i] = value;
    else if (after[i].is_absent())
      after[i] = value;
    else
      return at(absl::DataLossError("a third value in one update"), begin, column);
  }
  SLUICE_RETURN_IF_ERROR(complete_update(before, after, whole));
  return change::RowChange{
      .kind = change::RowChangeKind::update, .table = &table_.def, .before = before, .after = after};
}

absl::StatusOr<change::RowChange> RowDecoder::remove(std::string_view row) {
  const Image image = new_image();
  while (!row.empty() && row != kEmptyRow) {
    int column = -1;
    change::Datum value;
    SLUICE_RETURN_IF_ERROR(take_pair(row, column, value));
    if (column >= 0) image[static_cast<size_t>(column)] = value;
  }
  return change::RowChange{.kind = change::RowChangeKind::remove, .table = &table_.def, .before = image, .after = {}};
}

}  // namespace sluice::drainer::translator
