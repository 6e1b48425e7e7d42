#include "tools/loadgen/sysbench_tables.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "net/tidb/binlog.pb.h"

namespace sluice::loadgen {
namespace {

constexpr int64_t kDatabaseId = 100;
constexpr int64_t kFirstTableId = 101;
constexpr int64_t kFirstSchemaVersion = 1;
constexpr char kFlagBytes = 2;
constexpr char kFlagVarint = 8;

uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

void append_varint(int64_t value, std::string& to) {
  uint64_t zigzag = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; zigzag >= 0x80; zigzag >>= 7) to += static_cast<char>(zigzag | 0x80);
  to += static_cast<char>(zigzag);
}

void append_int(int64_t value, std::string& to) {
  to += kFlagVarint;
  append_varint(value, to);
}

void append_text(std::string_view text, std::string& to) {
  to += kFlagBytes;
  append_varint(static_cast<int64_t>(text.size()), to);
  to += text;
}

void append_columns(const SysbenchRow& row, std::string& to) {
  append_int(2, to);
  append_int(row.k, to);
  append_int(3, to);
  append_text(row.c, to);
  append_int(4, to);
  append_text(row.pad, to);
}

// The handle, or the column id 1 and its value, before the other columns.
std::string inserted(const SysbenchRow& row) {
  std::string bytes;
  append_int(row.id, bytes);
  append_columns(row, bytes);
  return bytes;
}
std::string whole(const SysbenchRow& row) {
  std::string bytes;
  append_int(1, bytes);
  append_int(row.id, bytes);
  append_columns(row, bytes);
  return bytes;
}

// As sysbench makes them: groups of eleven digits.
std::string groups(uint64_t from, unsigned count) {
  std::string text;
  for (unsigned i = 0; i < count; ++i)
    text += fmt::format("{}{:011}", i == 0 ? "" : "-", mix(from + i) % 100'000'000'000);
  return text;
}

std::string column(int id, std::string_view name, int type, int flag, int length, std::string_view charset,
                   std::string_view collation) {
  return fmt::format(
      R"({{"id":{},"name":{{"O":"{}","L":"{}"}},"offset":{},"origin_default":null,"default":null,"default_bit":null,"default_is_expr":false,"generated_expr_string":"","generated_stored":false,"type":{{"Tp":{},"Flag":{},"Flen":{},"Decimal":0,"Charset":"{}","Collate":"{}","Elems":null}},"state":5,"comment":"","hidden":false,"version":2}})",
      id, name, name, id - 1, type, flag, length, charset, collation);
}

std::string create_table(uint32_t table) {
  return fmt::format(
      "create table sbtest{}(id bigint primary key, k bigint not null, c char(120) not null, pad char(60) not null)",
      table + 1);
}

std::string job(int64_t id, int type, int64_t table_id, int64_t version, std::string_view query,
                std::string_view database, std::string_view table) {
  return fmt::format(
      R"({{"id":{},"type":{},"schema_id":{},"table_id":{},"schema_name":"sbtest","state":6,"start_ts":{},"query":"{}","binlog":{{"SchemaVersion":{},"DBInfo":{},"TableInfo":{},"FinishedTS":{},"MultipleTableInfos":null}}}})",
      id, type, kDatabaseId, table_id, version, query, version, database, table, version);
}

}  // namespace

SysbenchRow SysbenchTables::row(uint16_t worker, int64_t id, uint32_t version) const {
  const uint64_t from = mix(mix(seed_ ^ worker) ^ (static_cast<uint64_t>(id) * 2 + version));
  return {.id = id, .k = static_cast<int64_t>(from % 1'000'000), .c = groups(from, 10), .pad = groups(from + 10, 5)};
}

SysbenchRow SysbenchTables::hot_row(uint16_t worker, uint32_t hot, uint64_t sequence) const {
  const uint64_t from = mix(mix(mix(seed_ ^ worker) ^ ~uint64_t{hot}) ^ sequence);
  return {.id = kHotIds + hot,
          .k = static_cast<int64_t>(from % 1'000'000),
          .c = groups(from, 10),
          .pad = groups(from + 10, 5)};
}

uint32_t SysbenchTables::rows_of(uint16_t worker, uint64_t sequence) const {
  const uint64_t random = mix(mix(seed_ ^ worker) + sequence);
  switch (shape_.spread) {
    case RowsSpread::fixed:
      return shape_.rows_max;
    case RowsSpread::uniform:
      return static_cast<uint32_t>(1 + random % shape_.rows_max);
    case RowsSpread::log: {
      const double size = std::pow(shape_.rows_max + 1.0, static_cast<double>(random >> 11) * 0x1p-53);
      return std::clamp(static_cast<uint32_t>(size), 1u, shape_.rows_max);
    }
  }
  return shape_.rows_max;
}

std::optional<uint32_t> SysbenchTables::hot_of(uint16_t worker, uint64_t sequence) const {
  if (shape_.hot_rows == 0) return std::nullopt;
  const uint64_t random = mix(mix(seed_ ^ worker) ^ mix(~sequence));
  if (static_cast<double>(random >> 11) * 0x1p-53 >= shape_.hot_share) return std::nullopt;
  return static_cast<uint32_t>(sequence % shape_.hot_rows);
}

uint64_t SysbenchTables::last_hot(uint16_t worker, uint32_t hot, uint64_t through) const {
  // Row h is written by some of the transactions h, h + H, h + 2H …
  uint64_t s = through - (through + shape_.hot_rows - hot) % shape_.hot_rows;
  for (; s <= through && s >= 1; s -= std::min<uint64_t>(s, shape_.hot_rows))
    if (hot_of(worker, s) == hot) return s;
  return 0;
}

void SysbenchTables::add_inserts(uint16_t worker, PayloadKind kind, uint64_t sequence, uint32_t huge_rows,
                                 binlog::TableMutation& to) const {
  const int64_t sign = kind == PayloadKind::transaction ? 1 : -1;
  const auto insert = [&](int64_t id) {
    to.add_inserted_rows(inserted(row(worker, id, 0)));
    to.add_sequence(binlog::Insert);
  };
  for (uint32_t j = 1; j <= rows_of(worker, sequence); ++j) insert(sign * id_of(sequence, j));
  for (uint32_t j = 1; j <= huge_rows; ++j) insert(sign * huge_id_of(sequence, j));
}

void SysbenchTables::add_changes(uint16_t worker, uint64_t sequence, binlog::TableMutation& to) const {
  if (sequence > kUpdateAfter)
    for (uint32_t j = 1; j <= rows_of(worker, sequence - kUpdateAfter); ++j) {
      const int64_t id = id_of(sequence - kUpdateAfter, j);
      if (!is_updated(id)) continue;
      // Each column with both images: the first value of a column id is the old one.
      to.add_updated_rows(whole(row(worker, id, 0)) + whole(row(worker, id, 1)));
      to.add_sequence(binlog::Update);
    }
  if (sequence > kDeleteAfter && deletes(sequence))
    for (uint32_t j = 1; j <= rows_of(worker, sequence - kDeleteAfter); ++j) {
      const int64_t id = id_of(sequence - kDeleteAfter, j);
      to.add_deleted_rows(whole(row(worker, id, is_updated(id) ? 1 : 0)));
      to.add_sequence(binlog::DeleteRow);
    }
}

void SysbenchTables::add_hot(uint16_t worker, uint64_t sequence, binlog::TableMutation& to) const {
  const std::optional<uint32_t> hot = hot_of(worker, sequence);
  if (!hot) return;
  const SysbenchRow now = hot_row(worker, *hot, sequence);
  if (const uint64_t last = last_hot(worker, *hot, sequence - 1); last != 0) {
    to.add_updated_rows(whole(hot_row(worker, *hot, last)) + whole(now));
    to.add_sequence(binlog::Update);
  } else {
    to.add_inserted_rows(inserted(now));
    to.add_sequence(binlog::Insert);
  }
}

void SysbenchTables::make(uint16_t worker, PayloadKind kind, uint64_t sequence, StartTs start, std::string& to,
                          uint32_t huge_rows) const {
  binlog::PrewriteValue value;
  value.set_schema_version(kFirstSchemaVersion + kTablesMax);
  binlog::TableMutation& mutation = *value.add_mutations();
  mutation.set_table_id(kFirstTableId + worker);
  add_inserts(worker, kind, sequence, huge_rows, mutation);
  if (kind == PayloadKind::transaction) {
    add_changes(worker, sequence, mutation);
    add_hot(worker, sequence, mutation);
  }
  binlog::Binlog message;
  message.set_tp(binlog::Prewrite);
  message.set_start_ts(static_cast<int64_t>(start.value));
  const int64_t sign = kind == PayloadKind::transaction ? 1 : -1;
  message.set_prewrite_key(fmt::format("t{}_r{}", kFirstTableId + worker, sign * id_of(sequence, 1)));
  value.SerializeToString(message.mutable_prewrite_value());
  message.SerializeToString(&to);
}

std::string SysbenchTables::schema_history() {
  std::string jobs = job(
      1, 1, 0, kFirstSchemaVersion, "create database sbtest",
      fmt::format(
          R"({{"id":{},"db_name":{{"O":"sbtest","L":"sbtest"}},"charset":"utf8mb4","collate":"utf8mb4_bin","state":5}})",
          kDatabaseId),
      "null");
  const std::string columns = column(1, "id", 8, 4099, 20, "binary", "binary") + "," +
                              column(2, "k", 8, 4097, 20, "binary", "binary") + "," +
                              column(3, "c", 254, 1, 120, "utf8mb4", "utf8mb4_bin") + "," +
                              column(4, "pad", 254, 1, 60, "utf8mb4", "utf8mb4_bin");
  for (uint32_t i = 0; i < kTablesMax; ++i) {
    const std::string info = fmt::format(
        R"({{"id":{},"name":{{"O":"sbtest{}","L":"sbtest{}"}},"charset":"utf8mb4","collate":"utf8mb4_bin","cols":[{}],"index_info":null,"state":5,"pk_is_handle":true,"is_common_handle":false,"comment":"","max_col_id":4,"partition":null,"view":null,"sequence":null,"version":5}})",
        kFirstTableId + i, i + 1, i + 1, columns);
    jobs += ",\n" + job(i + 2, 3, kFirstTableId + i, kFirstSchemaVersion + 1 + i, create_table(i), "null", info);
  }
  return "[" + jobs + "]\n";
}

std::string SysbenchTables::schema_sql(uint32_t tables) {
  std::string sql = "create database if not exists sbtest character set utf8mb4 collate utf8mb4_bin;\nuse sbtest;\n";
  for (uint32_t i = 0; i < tables; ++i) sql += create_table(i) + ";\n";
  return sql;
}

}  // namespace sluice::loadgen
