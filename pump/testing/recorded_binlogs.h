// For tests: the binlogs recorded from a real TiDB cluster in tests/data, and what its Go Pumps served.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/bytes.h"
#include "net/tidb/byte_source.h"
#include "net/tidb/recording_reader.h"

namespace sluice::pump {

struct RecordedBinlogs {
  std::filesystem::path dir;  // of one corpus

  [[nodiscard]] bool exists(int pump) const {
    return std::filesystem::exists(dir / fmt::format("pump-{}.writebinlog.zst", pump));
  }

  // What TiDB sent to this pump, in its order.
  [[nodiscard]] std::vector<net::RecordedBinlog> written(int pump) const {
    auto reader = net::RecordingReader::open((dir / fmt::format("pump-{}.writebinlog.zst", pump)).string());
    std::vector<net::RecordedBinlog> binlogs;
    while (reader.ok()) {
      auto binlog = (*reader)->next();
      if (!binlog.ok()) return {};
      if (!*binlog) break;
      binlogs.push_back(**std::move(binlog));
    }
    return binlogs;
  }
  // One JSON line a transaction that the Go Pump served.
  [[nodiscard]] std::vector<std::string> served(int pump) const {
    const std::string text = decompressed(fmt::format("pump-{}.pulled.jsonl.zst", pump));
    std::vector<std::string> lines;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      lines.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return lines;
  }

 private:
  [[nodiscard]] std::string decompressed(const std::string& name) const {
    auto source = net::ByteSource::open((dir / name).string());
    std::string bytes;
    std::byte chunk[1 << 16];
    while (source.ok()) {
      const auto got = (*source)->read(chunk);
      if (!got.ok() || *got == 0) break;
      bytes += as_text({chunk, *got});
    }
    return bytes;
  }
};

}  // namespace sluice::pump
