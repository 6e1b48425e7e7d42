// Payloads as TiDB sends them, of sysbench-like tables, one a worker: sbtest.sbtestN(id, k, c, pad). Every transaction
// is a pure function of (seed, worker, sequence), and so is the state the tables must end in:
//
//   transaction s inserts rows ids (s-1)R+1 … sR; updates the even ones of transaction s-3; and, when s is divisible by
//   3, deletes all rows of transaction s-5 (which were updated by s-2). R: rows.
//
// Threads:  any; immutable.
// Format:   docs/formats/row-v1.md; the schema history is what a TiDB's /ddl/history answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/tso.h"
#include "tools/loadgen/content.h"

namespace sluice::loadgen {

struct SysbenchRow {
  int64_t id = 0;
  int64_t k = 0;
  std::string c;
  std::string pad;
};

class SysbenchTables {
 public:
  static constexpr uint32_t kTablesMax = 64;
  static constexpr uint32_t kRowsMax = 1000;  // a transaction stays in one record

  SysbenchTables(uint64_t seed, uint32_t rows) : seed_(seed), rows_(rows) {}

  // Replaces `to` with a serialized binlog.Binlog. Of kinds that are never committed: inserts of negative ids.
  void make(uint16_t worker, PayloadKind kind, uint64_t sequence, StartTs start, std::string& to) const;

  // What a worker's table holds after its transactions 1 to `committed`, by id; `visit` sees each row.
  template <class Visit>
  void for_each_row(uint16_t worker, uint64_t committed, Visit&& visit) const {
    for (uint64_t s = 1; s <= committed; ++s) {
      if (deleted_by(s) <= committed && deletes(deleted_by(s))) continue;
      for (uint32_t j = 1; j <= rows_; ++j)
        visit(row(worker, id_of(s, j), is_updated(id_of(s, j)) && s + kUpdateAfter <= committed ? 1 : 0));
    }
  }

  // A /ddl/history answer with the database and all kTablesMax tables, finished long before any transaction.
  [[nodiscard]] static std::string schema_history();
  // SQL that makes the same tables downstream.
  [[nodiscard]] static std::string schema_sql(uint32_t tables);

 private:
  static constexpr uint64_t kUpdateAfter = 3;
  static constexpr uint64_t kDeleteAfter = 5;

  [[nodiscard]] int64_t id_of(uint64_t sequence, uint32_t nth) const {
    return static_cast<int64_t>((sequence - 1) * rows_ + nth);
  }
  [[nodiscard]] static bool is_updated(int64_t id) { return id % 2 == 0; }
  [[nodiscard]] static bool deletes(uint64_t sequence) { return sequence % 3 == 0; }
  [[nodiscard]] static uint64_t deleted_by(uint64_t sequence) { return sequence + kDeleteAfter; }
  [[nodiscard]] SysbenchRow row(uint16_t worker, int64_t id, uint32_t version) const;

  uint64_t seed_;
  uint32_t rows_;
};

}  // namespace sluice::loadgen
