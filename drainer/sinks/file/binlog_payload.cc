#include "drainer/sinks/file/binlog_payload.h"

#include <bit>

#include "base/status.h"
#include "drainer/sinks/file/binlog_file_format.h"

namespace sluice::drainer::sinks::file {
namespace {

// Written by hand, since each level must hold exactly these bytes: every scalar even when zero, in order of their
// numbers.
enum Tag : char {
  kBinlogType = 0x08,
  kBinlogCommitTs = 0x10,
  kBinlogDml = 0x1a,
  kBinlogDdl = 0x22,
  kDmlEvent = 0x0a,
  kEventSchema = 0x0a,
  kEventTable = 0x12,
  kEventType = 0x18,
  kEventRow = 0x22,
  kColumnName = 0x0a,
  kColumnType = 0x12,
  kColumnTypeName = 0x1a,
  kColumnValue = 0x22,
  kColumnChanged = 0x2a,
};
enum BinlogType : uint8_t { kDml = 0, kDdl = 1 };

// Datum flags of docs/formats/row-v1.md.
enum Flag : char { kNull = 0, kCompactBytes = 2, kFloat = 5, kVarint = 8, kUvarint = 9 };

constexpr uint64_t kSignBit = uint64_t{1} << 63;
// Leaves room for type, commit ts and the body's own length.
constexpr uint64_t kBinlogBodyBytesMax = kBinlogPayloadBytesMax - 32;

void append_varint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

uint64_t zigzag(int64_t value) {
  return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
}

void append_field(Tag tag, uint64_t value, std::string& out) {
  out += tag;
  append_varint(value, out);
}

void append_field(Tag tag, std::string_view bytes, std::string& out) {
  append_field(tag, bytes.size(), out);
  out.append(bytes);
}

void append_float(double value, std::string& out) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const uint64_t comparable = __builtin_bswap64(value >= 0 ? bits | kSignBit : ~bits);
  out += kFloat;
  out.append(reinterpret_cast<const char*>(&comparable), sizeof(comparable));
}

void append_datum(const change::Datum& datum, std::string& out) {
  switch (datum.kind()) {
    case change::Datum::Kind::absent:
    case change::Datum::Kind::null:
      out += kNull;
      return;
    case change::Datum::Kind::int64:
      out += kVarint;
      return append_varint(zigzag(datum.as_int64()), out);
    case change::Datum::Kind::uint64:
      out += kUvarint;
      return append_varint(datum.as_uint64(), out);
    case change::Datum::Kind::float32:
      return append_float(double{datum.as_float32()}, out);
    case change::Datum::Kind::float64:
      return append_float(datum.as_float64(), out);
    case change::Datum::Kind::bytes:
      out += kCompactBytes;
      append_varint(zigzag(static_cast<int64_t>(datum.as_bytes().size())), out);
      out.append(datum.as_bytes());
      return;
  }
}

// Builds a payload from the inside out; the buffers of the inner levels are reused.
class PayloadEncoder {
 public:
  void append_event(const change::RowChange& row, std::string& dml) {
    event_.clear();
    append_field(kEventSchema, row.table->schema, event_);
    append_field(kEventTable, row.table->name, event_);
    append_field(kEventType, static_cast<uint64_t>(row.kind), event_);
    const std::span<const change::Datum> values = row.kind == change::RowChangeKind::insert ? row.after : row.before;
    for (size_t i = 0; i < values.size(); ++i)
      if (!values[i].is_absent()) append_column(row, i, values[i]);
    append_field(kDmlEvent, event_, dml);
  }

 private:
  void append_column(const change::RowChange& row, size_t i, const change::Datum& value) {
    const change::ColumnDef& def = row.table->columns[i];
    const auto type = static_cast<char>(def.type);
    column_.clear();
    append_field(kColumnName, def.name, column_);
    append_field(kColumnType, std::string_view(&type, 1), column_);
    append_field(kColumnTypeName, mysql_type_name(def), column_);
    append_value(kColumnValue, value);
    if (row.kind == change::RowChangeKind::update) append_value(kColumnChanged, row.after[i]);
    append_field(kEventRow, column_, event_);
  }

  void append_value(Tag tag, const change::Datum& value) {
    value_.clear();
    append_datum(value, value_);
    append_field(tag, value_, column_);
  }

  std::string event_;
  std::string column_;
  std::string value_;
};

static_assert(static_cast<int>(change::RowChangeKind::insert) == 0 &&
                  static_cast<int>(change::RowChangeKind::update) == 1 &&
                  static_cast<int>(change::RowChangeKind::remove) == 2,
              "the file's EventType has these numbers");

std::string ddl_text(const change::DdlChange& ddl) {
  if (ddl.schema.empty()) return ddl.query;
  if (ddl.creates_schema) return ddl.query + ";";
  return fmt::format("use `{}`; {};", ddl.schema, ddl.query);
}

}  // namespace

std::string_view mysql_type_name(const change::ColumnDef& column) {
  const bool binary = column.is_binary();
  switch (column.type) {
    case change::MysqlType::tiny_int:
      return "tinyint";
    case change::MysqlType::small_int:
      return "smallint";
    case change::MysqlType::medium_int:
      return "mediumint";
    case change::MysqlType::integer:
      return "int";
    case change::MysqlType::big_int:
      return "bigint";
    case change::MysqlType::float32:
      return "float";
    case change::MysqlType::float64:
      return "double";
    case change::MysqlType::null:
      return "null";
    case change::MysqlType::timestamp:
      return "timestamp";
    case change::MysqlType::date:
    case change::MysqlType::new_date:
      return "date";
    case change::MysqlType::time:
      return "time";
    case change::MysqlType::datetime:
      return "datetime";
    case change::MysqlType::year:
      return "year";
    case change::MysqlType::bit:
      return "bit";
    case change::MysqlType::json:
      return "json";
    case change::MysqlType::decimal:
      return "decimal";
    case change::MysqlType::enumeration:
      return "enum";
    case change::MysqlType::set:
      return "set";
    case change::MysqlType::tiny_blob:
      return binary ? "tinyblob" : "tinytext";
    case change::MysqlType::medium_blob:
      return binary ? "mediumblob" : "mediumtext";
    case change::MysqlType::long_blob:
      return binary ? "longblob" : "longtext";
    case change::MysqlType::blob:
      return binary ? "blob" : "text";
    case change::MysqlType::varchar:
      return binary ? "varbinary" : "varchar";
    case change::MysqlType::string:
      return binary ? "binary" : "char";
    case change::MysqlType::var_string:
      return "var_string";
    case change::MysqlType::geometry:
      return "geometry";
  }
  return "";
}

absl::Status encode_binlog_payload(const change::Transaction& transaction, std::string& payload) {
  payload.clear();
  append_field(kBinlogType, transaction.ddl ? kDdl : kDml, payload);
  append_field(kBinlogCommitTs, transaction.commit_ts.value, payload);
  std::string body;
  if (transaction.ddl) body = ddl_text(*transaction.ddl);
  PayloadEncoder encoder;
  for (const change::RowChange& row : transaction.rows) {
    encoder.append_event(row, body);
    if (body.size() > kBinlogBodyBytesMax) break;
  }
  if (body.size() > kBinlogBodyBytesMax)
    return absl::OutOfRangeError(
        fmt::format("transaction commit_ts={} takes over {} bytes in a binlog file, more than readers accept; split it "
                    "upstream, or leave it out with ignore-txn-commit-ts",
                    transaction.commit_ts, kBinlogBodyBytesMax));
  append_field(transaction.ddl ? kBinlogDdl : kBinlogDml, body, payload);
  return absl::OkStatus();
}

absl::StatusOr<CommitTs> binlog_commit_ts(std::string_view payload) {
  // 08 type 10 commit-ts, the first bytes of every payload.
  if (payload.size() >= 3 && payload[0] == kBinlogType && payload[2] == kBinlogCommitTs) {
    uint64_t value = 0;
    for (size_t i = 3; i < payload.size() && i < 13; ++i) {
      const auto byte = static_cast<uint8_t>(payload[i]);
      value |= uint64_t{byte & 0x7fu} << (7 * (i - 3));
      if (byte < 0x80) return CommitTs(value);
    }
  }
  return absl::DataLossError("the payload doesn't begin with a type and a commit ts");
}

}  // namespace sluice::drainer::sinks::file
