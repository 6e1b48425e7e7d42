// sysbench's table, and rows of it as TiDB writes them, for the drainer's benchmarks.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "drainer/schema/table_schema.h"

namespace sluice::drainer {

// sbtest.sbtest1(id bigint primary key, k bigint not null, c char(120) not null, pad char(60) not null)
inline schema::TableSchema sysbench_table() {
  schema::TableSchema table;
  table.def.id = 101;
  table.def.schema = "sbtest";
  table.def.name = "sbtest1";
  const auto add = [&](std::string name, change::MysqlType type, uint32_t flags, int32_t length, std::string charset) {
    const auto ordinal = static_cast<uint32_t>(table.def.columns.size());
    change::ColumnDef column;
    column.id = ordinal + 1;
    column.name = std::move(name);
    column.type = type;
    column.flags = change::kColumnNotNull | flags;
    column.length = length;
    column.charset = std::move(charset);
    table.ordinals.emplace_back(column.id, ordinal);
    table.def.columns.push_back(std::move(column));
  };
  add("id", change::MysqlType::big_int, change::kColumnPrimaryKey, 20, "binary");
  add("k", change::MysqlType::big_int, 0, 20, "binary");
  add("c", change::MysqlType::string, 0, 120, "utf8mb4");
  add("pad", change::MysqlType::string, 0, 60, "utf8mb4");
  change::IndexDef key{.name = "PRIMARY", .unique = true, .primary = true, .parts = {}};
  key.parts.push_back({.column = 0, .prefix = -1});
  table.def.indexes.push_back(std::move(key));
  table.handle_is_key = true;
  table.origin_defaults.resize(4);
  table.column_hashes.resize(4);
  table.defaults_to_now.resize(4);
  return table;
}

// Row format v1 (docs/formats/row-v1.md): what the images of sysbench's rows consist of.
class SysbenchRows {
 public:
  explicit SysbenchRows(uint64_t seed) : random_(seed) {}

  [[nodiscard]] std::string inserted(int64_t id) {
    std::string row = integer(id);
    return row + columns();
  }
  [[nodiscard]] std::string whole(int64_t id) {
    std::string row = integer(1);
    return row + integer(id) + columns();
  }

 private:
  static std::string varint(int64_t value) {
    std::string bytes;
    uint64_t zigzag = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
    for (; zigzag >= 0x80; zigzag >>= 7) bytes += static_cast<char>(zigzag | 0x80);
    bytes += static_cast<char>(zigzag);
    return bytes;
  }
  static std::string integer(int64_t value) {
    std::string bytes(1, '\x08');
    return bytes + varint(value);
  }
  static std::string text(std::string_view value) {
    std::string bytes(1, '\x02');
    return (bytes + varint(static_cast<int64_t>(value.size()))).append(value);
  }
  std::string digits(size_t count) {
    std::string made;
    for (size_t i = 0; i < count; ++i) made += i % 12 == 11 ? '-' : static_cast<char>('0' + random_() % 10);
    return made;
  }
  std::string columns() {
    std::string row = integer(2);
    row += integer(static_cast<int64_t>(random_() % 1'000'000));
    row += integer(3) + text(digits(119));
    row += integer(4) + text(digits(59));
    return row;
  }

  std::mt19937_64 random_;
};

}  // namespace sluice::drainer
