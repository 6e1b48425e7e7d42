// Tests write transactions as sentences: TransactionBuilder(10).insert(table, {1, "a"}).remove(table, {2,
// nullptr}).build()
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/row_change.h"

namespace sluice::drainer {

// A value of a row in a test.
struct Cell {
  Datum datum;
  Cell(int v) : datum(Datum::int64(v)) {}               // NOLINT: a little language
  Cell(double v) : datum(Datum::float64(v)) {}          // NOLINT
  Cell(float v) : datum(Datum::float32(v)) {}           // NOLINT
  Cell(const char* v) : datum(Datum::bytes(v)) {}       // NOLINT
  Cell(std::string_view v) : datum(Datum::bytes(v)) {}  // NOLINT
  Cell(std::nullptr_t) : datum(Datum::null()) {}        // NOLINT
  Cell(Datum d) : datum(d) {}                           // NOLINT
};
using Cells = std::initializer_list<Cell>;

inline ColumnDef column(std::string name, MysqlType type, std::string charset = "utf8mb4") {
  ColumnDef def;
  def.name = std::move(name);
  def.type = type;
  def.charset = std::move(charset);
  return def;
}

inline std::shared_ptr<TableDef> table(std::string schema, std::string name, std::vector<ColumnDef> columns,
                                       std::vector<IndexDef> indexes = {}) {
  auto def = std::make_shared<TableDef>();
  def->schema = std::move(schema);
  def->name = std::move(name);
  def->columns = std::move(columns);
  def->indexes = std::move(indexes);
  return def;
}

inline IndexDef primary(std::vector<uint32_t> columns) {
  IndexDef index{.name = "PRIMARY", .unique = true, .primary = true, .parts = {}};
  for (const uint32_t ordinal : columns) index.parts.push_back({.column = ordinal, .prefix = -1});
  return index;
}

inline IndexDef unique(std::string name, std::vector<uint32_t> columns) {
  IndexDef index{.name = std::move(name), .unique = true, .primary = false, .parts = {}};
  for (const uint32_t ordinal : columns) index.parts.push_back({.column = ordinal, .prefix = -1});
  return index;
}

class TransactionBuilder {
 public:
  explicit TransactionBuilder(uint64_t commit_ts) : transaction_(std::make_shared<Transaction>()) {
    transaction_->commit_ts = CommitTs(commit_ts);
    transaction_->start_ts = StartTs(commit_ts - 1);
    transaction_->memory_bytes = 100;
  }
  TransactionBuilder& insert(const std::shared_ptr<TableDef>& def, Cells after) {
    return add(RowChangeKind::insert, def, {}, keep(after));
  }
  TransactionBuilder& remove(const std::shared_ptr<TableDef>& def, Cells before) {
    return add(RowChangeKind::remove, def, keep(before), {});
  }
  TransactionBuilder& update(const std::shared_ptr<TableDef>& def, Cells before, Cells after) {
    return add(RowChangeKind::update, def, keep(before), keep(after));
  }
  TransactionBuilder& ddl(DdlChange change) {
    transaction_->ddl = std::move(change);
    return *this;
  }
  std::shared_ptr<const Transaction> build() { return transaction_; }

 private:
  // Values and their bytes live in the transaction's arena.
  std::span<const Datum> keep(Cells cells) {
    auto* memory = static_cast<Datum*>(transaction_->arena.allocate(sizeof(Datum) * cells.size(), alignof(Datum)));
    Datum* next = memory;
    for (const Cell& cell : cells) {
      Datum datum = cell.datum;
      if (datum.kind() == Datum::Kind::bytes) {
        auto* bytes = static_cast<char*>(transaction_->arena.allocate(datum.as_bytes().size() + 1, 1));
        std::copy(datum.as_bytes().begin(), datum.as_bytes().end(), bytes);
        transaction_->memory_bytes += datum.as_bytes().size();
        datum = Datum::bytes({bytes, datum.as_bytes().size()});
      }
      new (next++) Datum(datum);
    }
    return {memory, cells.size()};
  }
  TransactionBuilder& add(RowChangeKind kind, const std::shared_ptr<TableDef>& def, std::span<const Datum> before,
                          std::span<const Datum> after) {
    transaction_->tables.push_back(def);
    transaction_->rows.push_back({.kind = kind, .table = def.get(), .before = before, .after = after});
    return *this;
  }

  std::shared_ptr<Transaction> transaction_;
};

}  // namespace sluice::drainer
