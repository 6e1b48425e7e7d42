// One transaction as the payload of a local binlog file's record, byte by byte as TiDB-Binlog's Drainer writes it.
// Format:   docs/formats/binlog-file.md
#pragma once

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "base/tso.h"
#include "drainer/change/row_change.h"

namespace sluice::drainer::sinks::file {

// Replaces `payload`.
// Errors:   OUT_OF_RANGE above kBinlogPayloadBytesMax, which no reader takes.
[[nodiscard]] absl::Status encode_binlog_payload(const change::Transaction& transaction, std::string& payload);

// The commit ts of a payload, found without decoding the rest.
// Errors:   DATA_LOSS.
[[nodiscard]] absl::StatusOr<CommitTs> binlog_commit_ts(std::string_view payload);

// "varchar", or "varbinary" where the charset is binary.
[[nodiscard]] std::string_view mysql_type_name(const change::ColumnDef& column);

}  // namespace sluice::drainer::sinks::file
