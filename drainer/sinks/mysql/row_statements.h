// Turns row changes into SQL packets: pure, no connection.
// Contract: a packet is one or several statements joined by ";"; run in order inside one transaction they have the
//           effect of the rows in order; every statement says how many rows it must find, so that a downstream that
//           differs is noticed.
// Limits:   a packet exceeds packet_bytes_target only for a single row, and never packet_bytes_max: such a row is
//           FAILED_PRECONDITION, naming table and sizes.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "drainer/change/row_change.h"
#include "drainer/sinks/mysql/mysql_connection.h"

namespace sluice::drainer::sinks::mysql {

inline constexpr uint64_t kAnyRows = UINT64_MAX;

struct StatementExpectation {
  uint64_t rows = 0;
  CommitTs commit_ts;                       // of the first row
  const change::TableDef* table = nullptr;  // null: a statement of the sink's own
  std::string what;                         // "UPDATE ... WHERE `id` = 5", cut: for the message of a refusal
};

struct SqlPacket {
  std::string sql;
  std::vector<StatementExpectation> expectations;  // one a statement

  void append(std::string_view statement, StatementExpectation expectation);
};

struct RowStatementLimits {
  uint64_t packet_bytes_target = 0;
  uint64_t packet_bytes_max = 0;
  size_t statement_rows_max = 500;
  bool show_values = false;  // in StatementExpectation::what; else the key's columns only
};

// Walks a run of transactions, packet by packet, so that a large transaction's SQL is never in memory whole.
class RowStatements {
 public:
  RowStatements(std::span<const std::shared_ptr<const change::Transaction>> transactions, ServerKind server,
                RowStatementLimits limits);

  // Fills `packet` (which may hold statements already) up to its target; done() says whether rows are left.
  [[nodiscard]] absl::Status fill(SqlPacket& packet);
  [[nodiscard]] bool done() const { return held_.empty() && at_end(); }

 private:
  [[nodiscard]] bool at_end() const { return transaction_ == transactions_.size(); }
  [[nodiscard]] const change::RowChange& row() const { return transactions_[transaction_]->rows[row_]; }
  void skip_to_row();
  void advance();
  [[nodiscard]] std::string build_statement(StatementExpectation& expectation, uint64_t bytes_max);
  void insert_rows(std::string& sql, StatementExpectation& expectation, uint64_t bytes_max);
  void delete_rows(std::string& sql, StatementExpectation& expectation, uint64_t bytes_max);

  std::span<const std::shared_ptr<const change::Transaction>> transactions_;
  ServerKind server_;
  RowStatementLimits limits_;
  size_t transaction_ = 0;
  size_t row_ = 0;
  std::string held_;  // built, but too large for the packet it was built for
  StatementExpectation held_expectation_;
};

// Our own schema, and TiDB-Binlog's: never replicated.
inline constexpr std::string_view kOwnSchema = "tidb_binlog";
[[nodiscard]] bool is_own_schema(std::string_view schema);

// The ordinals of the columns of the best key of `row`: the primary key, else the first unique one without a NULL.
// Empty: the row can be named only by all its values.
[[nodiscard]] std::vector<uint32_t> best_key(const change::TableDef& table, std::span<const change::Datum> row);

}  // namespace sluice::drainer::sinks::mysql
