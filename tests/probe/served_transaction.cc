#include "tests/probe/served_transaction.h"

#include <array>

#include <openssl/evp.h>

#include "base/status.h"
#include "net/tidb/binlog.pb.h"

namespace sluice::probe {
namespace {

std::string sha1_hex(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned digest_bytes = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &digest_bytes, EVP_sha1(), nullptr);
  return to_hex({reinterpret_cast<const char*>(digest.data()), digest_bytes});
}

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + '"';
}

}  // namespace

absl::Status TransactionJoiner::add(const RecordView& record) {
  const RecordHeader& header = record.header;
  if (!commit_) {
    if (header.kind != RecordKind::commit && header.kind != RecordKind::decided_commit)
      return absl::DataLossError(
          fmt::format("a record of kind {} where a commit belongs", static_cast<int>(header.kind)));
    commit_ = header;
    return absl::OkStatus();
  }
  if (!header.is_payload() || header.start_ts != commit_->start_ts)
    return absl::DataLossError(fmt::format("the commit of start ts {} is followed by a record of kind {}, start ts {}",
                                           commit_->start_ts, static_cast<int>(header.kind), header.start_ts));
  if (header.kind == RecordKind::prewrite_part && header.part_offset != payload_.size())
    return absl::DataLossError(fmt::format("start ts {}: a part at {} where {} belongs", header.start_ts,
                                           header.part_offset, payload_.size()));
  payload_ += as_text(record.body);
  if (!header.completes_prewrite()) return absl::OkStatus();
  const RecordHeader commit = *std::exchange(commit_, std::nullopt);
  return on_transaction_(CommitTs(commit.commit_ts), StartTs(commit.start_ts), std::exchange(payload_, {}));
}

absl::StatusOr<std::string> describe(CommitTs commit, StartTs start, const std::string& payload) {
  binlog::Binlog message;
  if (!message.ParseFromString(payload) || message.tp() != binlog::Prewrite)
    return absl::DataLossError(fmt::format("commit ts {}: the payload is no prewrite", commit));
  if (static_cast<uint64_t>(message.start_ts()) != start.value)
    return absl::DataLossError(
        fmt::format("commit ts {}: the payload is of start ts {}, not {}", commit, message.start_ts(), start));
  return fmt::format(
      R"({{"commit_ts":{},"start_ts":{},"ddl_job_id":{},"ddl":{},"prewrite_bytes":{},"prewrite_sha1":"{}"}})", commit,
      start, message.ddl_job_id(), json_text(message.ddl_query()), message.prewrite_value().size(),
      sha1_hex(message.prewrite_value()));
}

}  // namespace sluice::probe
