// For tests: the binlogs recorded from a real TiDB cluster in tests/data, and what its Go Pumps served.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/bytes.h"
#include "net/tidb/binlog.pb.h"
#include "net/tidb/pump.pb.h"

namespace sluice::pump {

struct RecordedBinlogs {
  std::filesystem::path dir;  // of one corpus

  [[nodiscard]] bool exists(int pump) const {
    return std::filesystem::exists(dir / fmt::format("pump-{}.writebinlog.zst", pump));
  }

  // What TiDB sent to this pump, in its order.
  [[nodiscard]] std::vector<std::string> written(int pump) const {
    const std::string bytes = decompressed(fmt::format("pump-{}.writebinlog.zst", pump));
    std::vector<std::string> payloads;
    for (size_t at = 0; at + 4 <= bytes.size();) {
      const auto size = load_le<uint32_t>(reinterpret_cast<const std::byte*>(bytes.data() + at));
      binlog::WriteBinlogReq request;
      if (!request.ParseFromArray(bytes.data() + at + 4, static_cast<int>(size))) return {};
      payloads.push_back(request.payload());
      at += 4 + size;
    }
    return payloads;
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
    FILE* pipe = ::popen(fmt::format("zstd -dcq '{}'", (dir / name).string()).c_str(), "r");
    std::string bytes;
    char chunk[1 << 16];
    for (size_t n; pipe != nullptr && (n = std::fread(chunk, 1, sizeof chunk, pipe)) > 0;) bytes.append(chunk, n);
    if (pipe != nullptr) ::pclose(pipe);
    return bytes;
  }
};

}  // namespace sluice::pump
