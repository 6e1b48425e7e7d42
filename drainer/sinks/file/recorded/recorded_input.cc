#include "drainer/sinks/file/recorded/recorded_input.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include "base/bytes.h"
#include "base/status.h"
#include "drainer/schema/compression.h"
#include "net/tidb/binlog.pb.h"
#include "net/tidb/pump.pb.h"

namespace sluice::drainer::sinks::file {
namespace {

using Payloads = std::unordered_map<uint64_t, std::shared_ptr<const std::string>>;

// One frame: u32 length, then a WriteBinlogReq.
absl::Status take_frame(std::string_view& file, Payloads& prewrites, std::vector<RecordedTransaction>& transactions) {
  if (file.size() < 4) return absl::DataLossError("recorded frame is cut off");
  const auto size = load_le<uint32_t>(reinterpret_cast<const std::byte*>(file.data()));
  if (size > file.size() - 4) return absl::DataLossError("recorded frame is cut off");
  binlog::WriteBinlogReq request;
  binlog::Binlog message;
  if (!request.ParseFromArray(file.data() + 4, static_cast<int>(size)) || !message.ParseFromString(request.payload()))
    return absl::DataLossError("recorded frame isn't a WriteBinlogReq");
  file.remove_prefix(4 + size);
  const auto start = static_cast<uint64_t>(message.start_ts());
  if (message.tp() == binlog::Prewrite) prewrites[start] = std::make_shared<const std::string>(request.payload());
  if (message.tp() != binlog::Commit) return absl::OkStatus();
  const auto prewrite = prewrites.find(start);
  if (prewrite == prewrites.end())
    return absl::DataLossError(fmt::format("commit of start ts {} without a prewrite", start));
  transactions.push_back({StartTs(start), CommitTs(static_cast<uint64_t>(message.commit_ts())), prewrite->second});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> read_zstd_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(path);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return schema::decompress(std::move(bytes).str());
}

absl::StatusOr<std::vector<RecordedTransaction>> read_recorded(const std::string& folder) {
  Payloads prewrites;
  std::vector<RecordedTransaction> transactions;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.path().string().ends_with(".writebinlog.zst")) continue;
    SLUICE_ASSIGN_OR_RETURN(const std::string file, read_zstd_file(entry.path().string()));
    for (std::string_view rest = file; !rest.empty();)
      SLUICE_RETURN_IF_ERROR(take_frame(rest, prewrites, transactions));
  }
  std::ranges::sort(transactions, {}, &RecordedTransaction::commit_ts);
  const auto same = [](const auto& a, const auto& b) { return a.commit_ts == b.commit_ts && a.start_ts == b.start_ts; };
  transactions.erase(std::unique(transactions.begin(), transactions.end(), same), transactions.end());
  return transactions;
}

}  // namespace sluice::drainer::sinks::file
