#include "drainer/sinks/mysql/server_errors.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::drainer::sinks::mysql {

namespace {

using enum ErrorMeaning;

// By number. Names are the servers' own; those from 1900 to 1999 and from 4000 on are MariaDB's unless marked.
constexpr ServerError kErrors[] = {
    {1020, "ER_CHECKREAD (the record has changed since it was read)", try_again},
    {1021, "ER_DISK_FULL", wait},
    {1026, "ER_ERROR_ON_WRITE", wait},
    {1037, "ER_OUTOFMEMORY", wait},
    {1038, "ER_OUT_OF_SORTMEMORY", wait},
    {1040, "ER_CON_COUNT_ERROR (too many connections)", wait},
    {1041, "ER_OUT_OF_RESOURCES", wait},
    {1044, "ER_DBACCESS_DENIED_ERROR", privilege},
    {1045, "ER_ACCESS_DENIED_ERROR", login},
    {1047, "ER_UNKNOWN_COM_ERROR (Galera: the node isn't ready)", wait},
    {1048, "ER_BAD_NULL_ERROR", stop},
    {1049, "ER_BAD_DB_ERROR", stop},
    {1053, "ER_SERVER_SHUTDOWN", connection_lost},
    {1054, "ER_BAD_FIELD_ERROR", stop},
    {1062, "ER_DUP_ENTRY", stop},
    {1064, "ER_PARSE_ERROR", stop},
    {1077, "ER_NORMAL_SHUTDOWN", connection_lost},
    {1114, "ER_RECORD_FILE_FULL (disk or tablespace full)", wait},
    {1118, "ER_TOO_BIG_ROWSIZE", stop},
    {1129, "ER_HOST_IS_BLOCKED", wait},
    {1130, "ER_HOST_NOT_PRIVILEGED", login},
    {1136, "ER_WRONG_VALUE_COUNT_ON_ROW", stop},
    {1142, "ER_TABLEACCESS_DENIED_ERROR", privilege},
    {1143, "ER_COLUMNACCESS_DENIED_ERROR", privilege},
    {1146, "ER_NO_SUCH_TABLE", stop},
    {1152, "ER_ABORTING_CONNECTION", connection_lost},
    {1153, "ER_NET_PACKET_TOO_LARGE", stop},
    {1158, "ER_NET_READ_ERROR", connection_lost},
    {1159, "ER_NET_READ_INTERRUPTED", connection_lost},
    {1160, "ER_NET_ERROR_ON_WRITE", connection_lost},
    {1161, "ER_NET_WRITE_INTERRUPTED", connection_lost},
    {1180, "ER_ERROR_DURING_COMMIT", wait},
    {1184, "ER_NEW_ABORTING_CONNECTION", connection_lost},
    {1203, "ER_TOO_MANY_USER_CONNECTIONS", wait},
    {1205, "ER_LOCK_WAIT_TIMEOUT", try_again},
    {1206, "ER_LOCK_TABLE_FULL", try_again},
    {1213, "ER_LOCK_DEADLOCK", try_again},
    {1226, "ER_USER_LIMIT_REACHED", wait},
    {1227, "ER_SPECIFIC_ACCESS_DENIED_ERROR", privilege},
    {1264, "ER_WARN_DATA_OUT_OF_RANGE", stop},
    {1265, "WARN_DATA_TRUNCATED", stop},
    {1290, "ER_OPTION_PREVENTS_STATEMENT (read_only, super_read_only)", wait},
    {1292, "ER_TRUNCATED_WRONG_VALUE", stop},
    {1317, "ER_QUERY_INTERRUPTED", connection_lost},
    {1364, "ER_NO_DEFAULT_FOR_FIELD", stop},
    {1366, "ER_TRUNCATED_WRONG_VALUE_FOR_FIELD", stop},
    {1370, "ER_PROCACCESS_DENIED_ERROR", privilege},
    {1406, "ER_DATA_TOO_LONG", stop},
    {1451, "ER_ROW_IS_REFERENCED_2", stop},
    {1452, "ER_NO_REFERENCED_ROW_2", stop},
    {1615, "ER_NEED_REPREPARE", try_again},
    {1637, "ER_TOO_MANY_CONCURRENT_TRXS", try_again},
    {1665, "ER_BINLOG_STMT_MODE_AND_ROW_ENGINE", stop},
    {1698, "ER_ACCESS_DENIED_NO_PASSWORD_ERROR", login},
    {1792, "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION", wait},
    {1836, "ER_READ_ONLY_MODE", wait},
    {1927, "ER_CONNECTION_KILLED", connection_lost},
    {1969, "ER_STATEMENT_TIMEOUT", try_again},
    {3024, "ER_QUERY_TIMEOUT (MySQL, TiDB)", try_again},
    {3032, "ER_SERVER_OFFLINE_MODE (MySQL)", wait},
    {3100, "ER_RUN_HOOK_ERROR (MySQL: group replication refuses)", wait},
    {3101, "ER_TRANSACTION_ROLLBACK_DURING_COMMIT (MySQL)", try_again},
    {3118, "ER_ACCOUNT_HAS_BEEN_LOCKED (MySQL)", login},
    {3819, "ER_CHECK_CONSTRAINT_VIOLATED (MySQL, TiDB)", stop},
    {4025, "ER_CONSTRAINT_FAILED", stop},
    {4031, "ER_CLIENT_INTERACTION_TIMEOUT (MySQL: wait_timeout)", connection_lost},
    {4151, "ER_ACCOUNT_HAS_BEEN_LOCKED", login},
    {8002, "ErrForUpdateCantRetry (TiDB)", try_again},
    {8022, "ErrTxnRetryable (TiDB)", try_again},
    {8027, "ErrInfoSchemaExpired (TiDB)", try_again},
    {8028, "ErrInfoSchemaChanged (TiDB)", try_again},
    {8121, "ErrPrivilegeCheckFail (TiDB)", privilege},
    {9001, "ErrPDServerTimeout (TiDB)", wait},
    {9002, "ErrTiKVServerTimeout (TiDB)", wait},
    {9003, "ErrTiKVServerBusy (TiDB)", wait},
    {9004, "ErrResolveLockTimeout (TiDB)", try_again},
    {9005, "ErrRegionUnavailable (TiDB)", wait},
    {9007, "ErrWriteConflict (TiDB)", try_again},
    {9011, "ErrTiKVDiskFull (TiDB)", wait},
};

// The client library's own numbers: all of them mean that the session is unusable.
constexpr unsigned kClientErrorMin = 2000, kClientErrorMax = 2999;
constexpr unsigned kConnectorErrorMin = 5000, kConnectorErrorMax = 5999;  // MariaDB Connector/C's

std::string_view text_of(ErrorMeaning meaning) {
  switch (meaning) {
    case connection_lost:
      return "passing: connects again, reads whether the last commit landed, goes on";
    case try_again:
      return "passing: rolls back and runs the same transaction again";
    case wait:
      return "passing: rolls back, connects again and tries, up to 2 s apart, until it passes";
    case privilege:
      return "at start exit 1, naming the privilege; later waits for it as above";
    case login:
      return "at start exit 2; later waits for it as above";
    case stop:
      return "permanent: nothing of the transaction is kept; exit 3, naming commit ts and table";
  }
  return "";
}

}  // namespace

std::span<const ServerError> server_errors() {
  return kErrors;
}

ErrorMeaning meaning_of(unsigned number) {
  if (number >= kClientErrorMin && number <= kClientErrorMax) return connection_lost;
  if (number >= kConnectorErrorMin && number <= kConnectorErrorMax) return connection_lost;
  const auto* found = std::lower_bound(std::begin(kErrors), std::end(kErrors), number,
                                       [](const ServerError& error, unsigned wanted) { return error.number < wanted; });
  return found == std::end(kErrors) || found->number != number ? stop : found->meaning;
}

absl::StatusCode code_of(ErrorMeaning meaning) {
  switch (meaning) {
    case connection_lost:
    case wait:
      return absl::StatusCode::kUnavailable;
    case try_again:
      return absl::StatusCode::kAborted;
    case privilege:
      return absl::StatusCode::kPermissionDenied;
    case login:
      return absl::StatusCode::kInvalidArgument;
    case stop:
      break;
  }
  return absl::StatusCode::kUnknown;
}

std::string server_errors_page() {
  std::string page =
      "# Errors of MySQL, MariaDB and TiDB downstreams\n\n"
      "What the drainer does at each error number of the server. While it waits, `/api/v1/status` says for what, with "
      "which error and since\nwhen, `/readyz` answers 503, and one line in 10 s is logged; when it goes on after an "
      "error, that is "
      "logged too. A number that isn't listed is\n**permanent**: the server refuses what was sent. The client "
      "library's own numbers, 2000–2999 and 5000–5999, are a lost connection.\nFor a DDL that the server refuses, exit "
      "3 names the statement and what to do. This page is made from the table in\n"
      "`drainer/sinks/mysql/server_errors.cc`; a test compares the two.\n\n"
      "| number | name | what happens |\n|---|---|---|\n";
  for (const ServerError& error : kErrors)
    page += fmt::format("| {} | {} | {} |\n", error.number, error.name, text_of(error.meaning));
  return page;
}

}  // namespace sluice::drainer::sinks::mysql
