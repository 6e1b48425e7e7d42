#include "tests/recorded/recorded_input.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include "base/status.h"
#include "drainer/schema/compression.h"
#include "net/tidb/recording_reader.h"

namespace sluice::drainer::sinks::file {
namespace {

using Payloads = std::unordered_map<uint64_t, std::shared_ptr<const std::string>>;

absl::Status take(net::RecordedBinlog binlog, Payloads& prewrites, std::vector<RecordedTransaction>& transactions) {
  if (binlog.step == net::BinlogStep::prewrite)
    prewrites[binlog.start.value] = std::make_shared<const std::string>(std::move(binlog.payload));
  if (binlog.step != net::BinlogStep::commit) return absl::OkStatus();
  const auto prewrite = prewrites.find(binlog.start.value);
  if (prewrite == prewrites.end())
    return absl::DataLossError(fmt::format("commit of start ts {} without a prewrite", binlog.start.value));
  transactions.push_back({binlog.start, binlog.commit, prewrite->second});
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
    SLUICE_ASSIGN_OR_RETURN(const auto reader, net::RecordingReader::open(entry.path().string()));
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(std::optional<net::RecordedBinlog> binlog, reader->next());
      if (!binlog) break;
      SLUICE_RETURN_IF_ERROR(take(*std::move(binlog), prewrites, transactions));
    }
  }
  std::ranges::sort(transactions, {}, &RecordedTransaction::commit_ts);
  const auto same = [](const auto& a, const auto& b) { return a.commit_ts == b.commit_ts && a.start_ts == b.start_ts; };
  transactions.erase(std::unique(transactions.begin(), transactions.end(), same), transactions.end());
  return transactions;
}

}  // namespace sluice::drainer::sinks::file
