// TiDB-Binlog's local binlog files: names, and the frame around each record's payload.
// Format:   docs/formats/binlog-file.md
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::drainer::sinks::file {

inline constexpr uint32_t kBinlogMagic = 0x1C1B0504;
inline constexpr size_t kBinlogHeaderBytes = 12;  // magic, payload size
inline constexpr size_t kBinlogTrailerBytes = 4;  // CRC-32C of the payload
// protobuf's own limit; the Go programs can't read more either.
inline constexpr uint64_t kBinlogPayloadBytesMax = (uint64_t{1} << 31) - 1;

// CRC-32C (Castagnoli); of "123456789" it is 0xE3069283.
[[nodiscard]] uint32_t crc32c(std::string_view bytes);

// Appends the framed record to `out`.
void append_binlog_record(std::string_view payload, std::string& out);
// The frame alone, so that a large payload needn't be copied: what stands before it, and what behind.
[[nodiscard]] std::string binlog_header(std::string_view payload);
[[nodiscard]] std::string binlog_trailer(std::string_view payload);

// "binlog-0000000000000000-20190101010101", in local time.
[[nodiscard]] std::string binlog_file_name(uint64_t index, std::chrono::system_clock::time_point made);

// The index in a file's name, nothing when the name isn't a binlog file's. Names of 2 to 4 parts are known.
[[nodiscard]] std::optional<uint64_t> binlog_file_index(std::string_view name);

}  // namespace sluice::drainer::sinks::file
