// Tests write transactions as sentences: TransactionBuilder(10).insert(table, {1, "a"}).remove(table, {2,
// nullptr}).build()
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "drainer/change/row_change.h"

namespace sluice::drainer::sinks::mysql {

// A value of a row in a test.
struct Cell {
  change::Datum datum;
  Cell(int v) : datum(change::Datum::int64(v)) {}               // NOLINT: a little language
  Cell(double v) : datum(change::Datum::float64(v)) {}          // NOLINT
  Cell(float v) : datum(change::Datum::float32(v)) {}           // NOLINT
  Cell(const char* v) : datum(change::Datum::bytes(v)) {}       // NOLINT
  Cell(std::string_view v) : datum(change::Datum::bytes(v)) {}  // NOLINT
  Cell(std::nullptr_t) : datum(change::Datum::null()) {}        // NOLINT
  Cell(change::Datum d) : datum(d) {}                           // NOLINT
};
using Cells = std::initializer_list<Cell>;

inline change::ColumnDef column(std::string name, change::MysqlType type, std::string charset = "utf8mb4") {
  change::ColumnDef def;
  def.name = std::move(name);
  def.type = type;
  def.charset = std::move(charset);
  return def;
}

inline std::shared_ptr<change::TableDef> table(std::string schema, std::string name,
                                               std::vector<change::ColumnDef> columns,
                                               std::vector<change::IndexDef> indexes = {}) {
  auto def = std::make_shared<change::TableDef>();
  def->schema = std::move(schema);
  def->name = std::move(name);
  def->columns = std::move(columns);
  def->indexes = std::move(indexes);
  return def;
}

inline change::IndexDef primary(std::vector<uint32_t> columns) {
  change::IndexDef index{.name = "PRIMARY", .unique = true, .primary = true, .parts = {}};
  for (const uint32_t ordinal : columns) index.parts.push_back({.column = ordinal, .prefix = -1});
  return index;
}

inline change::IndexDef unique(std::string name, std::vector<uint32_t> columns) {
  change::IndexDef index{.name = std::move(name), .unique = true, .primary = false, .parts = {}};
  for (const uint32_t ordinal : columns) index.parts.push_back({.column = ordinal, .prefix = -1});
  return index;
}

class TransactionBuilder {
 public:
  explicit TransactionBuilder(uint64_t commit_ts) : transaction_(std::make_shared<change::Transaction>()) {
    transaction_->commit_ts = CommitTs(commit_ts);
    transaction_->start_ts = StartTs(commit_ts - 1);
    transaction_->memory_bytes = 100;
  }
  TransactionBuilder& insert(const std::shared_ptr<change::TableDef>& def, Cells after) {
    return add(change::RowChangeKind::insert, def, {}, keep(after));
  }
  TransactionBuilder& remove(const std::shared_ptr<change::TableDef>& def, Cells before) {
    return add(change::RowChangeKind::remove, def, keep(before), {});
  }
  TransactionBuilder& update(const std::shared_ptr<change::TableDef>& def, Cells before, Cells after) {
    return add(change::RowChangeKind::update, def, keep(before), keep(after));
  }
  TransactionBuilder& ddl(change::DdlChange change) {
    transaction_->ddl = std::move(change);
    return *this;
  }
  std::shared_ptr<const change::Transaction> build() { return transaction_; }

 private:
  // Values and their bytes live in the transaction's arena.
  std::span<const change::Datum> keep(Cells cells) {
    auto* memory = static_cast<change::Datum*>(
        transaction_->arena.allocate(sizeof(change::Datum) * cells.size(), alignof(change::Datum)));
    change::Datum* next = memory;
    for (const Cell& cell : cells) {
      change::Datum datum = cell.datum;
      if (datum.kind() == change::Datum::Kind::bytes) {
        auto* bytes = static_cast<char*>(transaction_->arena.allocate(datum.as_bytes().size() + 1, 1));
        std::copy(datum.as_bytes().begin(), datum.as_bytes().end(), bytes);
        transaction_->memory_bytes += datum.as_bytes().size();
        datum = change::Datum::bytes({bytes, datum.as_bytes().size()});
      }
      new (next++) change::Datum(datum);
    }
    return {memory, cells.size()};
  }
  TransactionBuilder& add(change::RowChangeKind kind, const std::shared_ptr<change::TableDef>& def,
                          std::span<const change::Datum> before, std::span<const change::Datum> after) {
    transaction_->tables.push_back(def);
    transaction_->rows.push_back({.kind = kind, .table = def.get(), .before = before, .after = after});
    return *this;
  }

  std::shared_ptr<change::Transaction> transaction_;
};

}  // namespace sluice::drainer::sinks::mysql
