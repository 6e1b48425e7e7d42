#include "tools/loadgen/sysbench_tables.h"

#include <algorithm>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "net/tidb/binlog.pb.h"

namespace sluice::loadgen {
namespace {

// A datum at the front of `bytes`, taken off: the number, or the text's own.
int64_t take_varint(std::string_view& bytes) {
  uint64_t zigzag = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    zigzag |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return static_cast<int64_t>(zigzag >> 1) ^ -static_cast<int64_t>(zigzag & 1);
}
int64_t take_int(std::string_view& bytes) {
  EXPECT_EQ(bytes.front(), 8);
  bytes.remove_prefix(1);
  return take_varint(bytes);
}
std::string take_text(std::string_view& bytes) {
  EXPECT_EQ(bytes.front(), 2);
  bytes.remove_prefix(1);
  const auto size = static_cast<size_t>(take_varint(bytes));
  const std::string text(bytes.substr(0, size));
  bytes.remove_prefix(size);
  return text;
}
SysbenchRow take_columns(int64_t id, std::string_view& bytes) {
  SysbenchRow row{.id = id, .k = 0, .c = {}, .pad = {}};
  EXPECT_EQ(take_int(bytes), 2);
  row.k = take_int(bytes);
  EXPECT_EQ(take_int(bytes), 3);
  row.c = take_text(bytes);
  EXPECT_EQ(take_int(bytes), 4);
  row.pad = take_text(bytes);
  return row;
}
SysbenchRow take_whole(std::string_view& bytes) {
  EXPECT_EQ(take_int(bytes), 1);
  const int64_t id = take_int(bytes);
  return take_columns(id, bytes);
}

bool same(const SysbenchRow& a, const SysbenchRow& b) {
  return a.id == b.id && a.k == b.k && a.c == b.c && a.pad == b.pad;
}

// Applies payloads by the letter of their images, so that the closed form of the end state is held against another way.
class Table {
 public:
  void apply(const std::string& payload) {
    binlog::Binlog message;
    ASSERT_TRUE(message.ParseFromString(payload));
    binlog::PrewriteValue value;
    ASSERT_TRUE(value.ParseFromString(message.prewrite_value()));
    const binlog::TableMutation& mutation = value.mutations(0);
    ASSERT_EQ(mutation.sequence_size(),
              mutation.inserted_rows_size() + mutation.updated_rows_size() + mutation.deleted_rows_size());
    for (std::string_view bytes : mutation.inserted_rows()) {
      const int64_t id = take_int(bytes);
      ASSERT_TRUE(rows_.emplace(id, take_columns(id, bytes)).second) << id;
    }
    for (std::string_view bytes : mutation.updated_rows()) {
      const SysbenchRow before = take_whole(bytes);
      ASSERT_TRUE(same(rows_.at(before.id), before)) << before.id;
      rows_[before.id] = take_whole(bytes);
      ++updates_;
    }
    for (std::string_view bytes : mutation.deleted_rows()) {
      const SysbenchRow before = take_whole(bytes);
      ASSERT_TRUE(same(rows_.at(before.id), before)) << before.id;
      rows_.erase(before.id);
      ++deletes_;
    }
  }
  std::map<int64_t, SysbenchRow> rows_;
  size_t updates_ = 0, deletes_ = 0;
};

void expect_model(const SysbenchTables& tables, uint64_t through, const std::vector<HugeTransaction>& huge,
                  Table& table) {
  std::map<int64_t, SysbenchRow> model;
  tables.for_each_row(3, through, huge,
                      [&](const SysbenchRow& row) { ASSERT_TRUE(model.emplace(row.id, row).second); });
  ASSERT_EQ(model.size(), table.rows_.size()) << through;
  for (const auto& [id, row] : model) ASSERT_TRUE(same(table.rows_.at(id), row)) << through << " " << id;
}

TEST(SysbenchTables, TheModelIsWhatTheTransactionsLeaveBehind) {
  for (const uint32_t rows : {1u, 2u, 5u})
    for (const RowsSpread spread : {RowsSpread::fixed, RowsSpread::uniform, RowsSpread::log})
      for (const uint32_t hot : {0u, 1u, 3u}) {
        const SysbenchTables tables(7, {.rows_max = rows, .spread = spread, .hot_rows = hot, .hot_share = 0.4});
        Table table;
        std::string payload;
        for (uint64_t s = 1; s <= 40; ++s) {
          tables.make(3, PayloadKind::transaction, s, StartTs(s), payload);
          table.apply(payload);
          expect_model(tables, s, {}, table);
        }
        EXPECT_GT(table.updates_, 0u);
        EXPECT_GT(table.deletes_, 0u);
      }
}

TEST(SysbenchTables, AHugeTransactionsRowsStayAsTheyAre) {
  const SysbenchTables tables(7, {.rows_max = 2});
  Table table;
  std::string payload;
  for (uint64_t s = 1; s <= 20; ++s) {
    tables.make(3, PayloadKind::transaction, s, StartTs(s), payload, s == 9 ? 5000 : 0);
    table.apply(payload);
  }
  EXPECT_GT(table.rows_.size(), 5000u);
  expect_model(tables, 20, {{.worker = 3, .sequence = 9, .rows = 5000}, {.worker = 4, .sequence = 8, .rows = 1}},
               table);
}

TEST(SysbenchTables, InsertsOnlyAreCountedOnAndOn) {
  const SysbenchTables tables(7, {.rows_max = 3, .inserts_only = true});
  Table table;
  std::string payload;
  for (uint64_t s = 1; s <= 20; ++s) {
    tables.make(3, PayloadKind::transaction, s, StartTs(s), payload);
    table.apply(payload);
  }
  EXPECT_EQ(table.updates_ + table.deletes_, 0u);
  EXPECT_EQ(table.rows_.rbegin()->first, 60);
  expect_model(tables, 20, {}, table);
}

TEST(SysbenchTables, SizesSpreadAsTheyShould) {
  const auto sizes = [](RowsSpread spread) {
    const SysbenchTables tables(7, {.rows_max = 1000, .spread = spread});
    std::vector<uint32_t> all;
    for (uint64_t s = 1; s <= 3000; ++s) all.push_back(tables.rows_of(0, s));
    std::sort(all.begin(), all.end());
    return all;
  };
  EXPECT_EQ(sizes(RowsSpread::fixed).front(), 1000u);
  const auto uniform = sizes(RowsSpread::uniform), log = sizes(RowsSpread::log);
  EXPECT_NEAR(uniform[1500], 500, 50);
  EXPECT_NEAR(log[1500], 31, 6);  // the square root
  EXPECT_EQ(log.front(), 1u);
  EXPECT_GT(log.back(), 900u);
  EXPECT_LE(log.back(), 1000u);
}

TEST(SysbenchTables, WhatIsNeverCommittedWouldBeSeen) {
  const SysbenchTables tables(7, {.rows_max = 4});
  Table table;
  std::string payload;
  tables.make(0, PayloadKind::rolled_back, 2, StartTs(9), payload);
  table.apply(payload);
  EXPECT_EQ(table.rows_.begin()->first, -8);
  EXPECT_EQ(table.rows_.rbegin()->first, -5);
}

}  // namespace
}  // namespace sluice::loadgen
