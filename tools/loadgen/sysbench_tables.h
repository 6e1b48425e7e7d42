// Payloads as TiDB sends them, of sysbench-like tables, one a worker: sbtest.sbtestN(id, k, c, pad). Every transaction
// is a pure function of (seed, worker, sequence), and so is the state the tables must end in:
//
//   transaction s inserts n(s) rows, ids (s-1)R+1 … (s-1)R+n(s); updates the even ones of transaction s-3; and, when s
//   is divisible by 3, deletes all rows of transaction s-5 (which were updated by s-2). R: rows_max, n(s): its size.
//   Some transactions also write one of a few hot rows, and some are huge (their extra rows are never touched again).
//
// Threads:  any; immutable.
// Format:   docs/formats/row-v1.md; the schema history is what a TiDB's /ddl/history answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/tso.h"
#include "tools/loadgen/content.h"

namespace binlog {
class TableMutation;
}

namespace sluice::loadgen {

struct SysbenchRow {
  int64_t id = 0;
  int64_t k = 0;
  std::string c;
  std::string pad;
};

// How many rows transactions have.
enum class RowsSpread : uint8_t {
  fixed,    // all rows_max
  uniform,  // 1 to rows_max, each as likely
  log,      // 1 to rows_max, each order of magnitude as likely: many small ones, few large
};

struct SysbenchShape {
  uint32_t rows_max = 1;
  RowsSpread spread = RowsSpread::fixed;
  uint32_t hot_rows = 0;  // of each table
  double hot_share = 0;   // of transactions that also write one of them
  bool inserts_only = false;
};

// A transaction that inserted `rows` more than its shape says.
struct HugeTransaction {
  uint16_t worker = 0;
  uint64_t sequence = 0;
  uint32_t rows = 0;
};

class SysbenchTables {
 public:
  static constexpr uint32_t kTablesMax = 64;
  static constexpr uint32_t kRowsMax = 1000;  // an ordinary transaction stays in one record
  static constexpr uint32_t kHugeRowsMax = 1u << 20;

  SysbenchTables(uint64_t seed, SysbenchShape shape) : seed_(seed), shape_(shape) {}

  // Replaces `to` with a serialized binlog.Binlog. Of kinds that are never committed: inserts of negative ids.
  void make(uint16_t worker, PayloadKind kind, uint64_t sequence, StartTs start, std::string& to,
            uint32_t huge_rows = 0) const;

  // What a worker's table holds after its transactions 1 to `committed`, by id; `visit` sees each row.
  template <class Visit>
  void for_each_row(uint16_t worker, uint64_t committed, const std::vector<HugeTransaction>& huge,
                    Visit&& visit) const {
    for (uint64_t s = 1; s <= committed; ++s) {
      if (deleted_by(s) <= committed && deletes(deleted_by(s))) continue;
      for (uint32_t j = 1; j <= rows_of(worker, s); ++j)
        visit(row(worker, id_of(s, j), is_updated(id_of(s, j)) && s + kUpdateAfter <= committed ? 1 : 0));
    }
    for (const HugeTransaction& one : huge)
      for (uint32_t j = 1; one.worker == worker && j <= one.rows; ++j)
        visit(row(worker, huge_id_of(one.sequence, j), 0));
    for (uint32_t h = 0; h < shape_.hot_rows; ++h)
      if (const uint64_t last = last_hot(worker, h, committed); last != 0) visit(hot_row(worker, h, last));
  }
  // Of a committed transaction, hot and huge ones not counted.
  [[nodiscard]] uint32_t rows_of(uint16_t worker, uint64_t sequence) const;

  // A /ddl/history answer with the database and all kTablesMax tables, finished long before any transaction.
  [[nodiscard]] static std::string schema_history();
  // SQL that makes the same tables downstream.
  [[nodiscard]] static std::string schema_sql(uint32_t tables);

 private:
  static constexpr uint64_t kUpdateAfter = 3;
  static constexpr uint64_t kDeleteAfter = 5;

  static constexpr int64_t kHugeIds = int64_t{1} << 60;  // far above all others
  static constexpr int64_t kHotIds = int64_t{1} << 61;

  [[nodiscard]] int64_t id_of(uint64_t sequence, uint32_t nth) const {
    return static_cast<int64_t>((sequence - 1) * shape_.rows_max + nth);
  }
  [[nodiscard]] static int64_t huge_id_of(uint64_t sequence, uint32_t nth) {
    return kHugeIds + static_cast<int64_t>(sequence) * kHugeRowsMax + nth;
  }
  [[nodiscard]] bool is_updated(int64_t id) const { return !shape_.inserts_only && id % 2 == 0; }
  [[nodiscard]] bool deletes(uint64_t sequence) const { return !shape_.inserts_only && sequence % 3 == 0; }
  [[nodiscard]] static uint64_t deleted_by(uint64_t sequence) { return sequence + kDeleteAfter; }
  [[nodiscard]] SysbenchRow row(uint16_t worker, int64_t id, uint32_t version) const;

  // Which hot row a transaction writes; nothing: none.
  [[nodiscard]] std::optional<uint32_t> hot_of(uint16_t worker, uint64_t sequence) const;
  // The last transaction up to `through` that wrote it; 0: none did.
  [[nodiscard]] uint64_t last_hot(uint16_t worker, uint32_t hot, uint64_t through) const;
  // As transaction `sequence` wrote it.
  [[nodiscard]] SysbenchRow hot_row(uint16_t worker, uint32_t hot, uint64_t sequence) const;

  void add_inserts(uint16_t worker, PayloadKind kind, uint64_t sequence, uint32_t huge_rows,
                   binlog::TableMutation& to) const;
  void add_changes(uint16_t worker, uint64_t sequence, binlog::TableMutation& to) const;
  void add_hot(uint16_t worker, uint64_t sequence, binlog::TableMutation& to) const;

  uint64_t seed_;
  SysbenchShape shape_;
};

}  // namespace sluice::loadgen
