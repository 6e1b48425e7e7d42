#include "drainer/sinks/mysql/apply_transaction.h"

#include <fmt/format.h>

#include "base/status.h"

namespace sluice::drainer::sinks::mysql {

namespace {

std::string place_of(const StatementExpectation& statement) {
  return fmt::format("commit_ts={} table={}.{} statement={}", statement.commit_ts, statement.table->schema,
                     statement.table->name, statement.what);
}

absl::Status diverged(const StatementExpectation& statement, uint64_t found) {
  if (statement.table == nullptr)
    return absl::FailedPreconditionError(
        "the progress row has moved: another drainer took over this downstream; stop one of the two");
  return absl::FailedPreconditionError(
      fmt::format("the downstream has diverged: {} rows wanted, {} found; nothing of this transaction was kept. "
                  "Compare the row with "
                  "upstream, repair it downstream, then start again. {}",
                  statement.rows, found, place_of(statement)));
}

// The server quotes what it refuses: "Incorrect integer value: 'secret' for column ...".
std::string without_values(std::string_view message) {
  std::string text(message);
  for (size_t from = 0; (from = text.find("value: '", from)) != std::string::npos;) {
    from += std::string_view("value: '").size();
    const size_t end = text.find("' for ", from);
    if (end == std::string::npos) break;
    text.replace(from, end - from, "...");
  }
  return text;
}

// The server's refusal of a row is the downstream's state speaking: a duplicate key, a value too long, a missing table.
absl::Status refused(const absl::Status& status, const StatementExpectation& statement, bool show_values) {
  if (status.code() != absl::StatusCode::kUnknown) return status;
  if (statement.table == nullptr) return annotate(status, statement.what);
  return absl::FailedPreconditionError(fmt::format(
      "the downstream refuses a row: {}; nothing of this transaction was kept. Compare table and row with "
      "upstream, repair "
      "them downstream, then start again. {}",
      show_values ? std::string(message_of(status)) : without_values(message_of(status)), place_of(statement)));
}

}  // namespace

absl::Status run_packet(MysqlConnection& connection, const SqlPacket& packet, bool show_values) {
  if (packet.expectations.empty()) return absl::OkStatus();
  std::vector<uint64_t> affected;
  const absl::Status status = connection.execute(packet.sql, affected);
  for (size_t i = 0; i < affected.size(); ++i) {
    const StatementExpectation& expected = packet.expectations.at(i);
    if (expected.rows != kAnyRows && expected.rows != affected[i]) return diverged(expected, affected[i]);
  }
  if (!status.ok()) return refused(status, packet.expectations.at(affected.size()), show_values);
  SLUICE_ASSERT(affected.size() == packet.expectations.size(), "ran={} sent={}", affected.size(),
                packet.expectations.size());
  return absl::OkStatus();
}

absl::Status commit(MysqlConnection& connection, Progress& progress, CommitTs through, const SinkStepHook& hook) {
  SLUICE_RETURN_IF_ERROR(pass_step(hook, SinkStep::before_commit));
  SLUICE_RETURN_IF_ERROR(connection.execute("COMMIT").status());
  SLUICE_RETURN_IF_ERROR(pass_step(hook, SinkStep::commit_done));
  progress.confirm(through);
  return absl::OkStatus();
}

}  // namespace sluice::drainer::sinks::mysql
