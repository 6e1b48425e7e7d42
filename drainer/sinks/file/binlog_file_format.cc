#include "drainer/sinks/file/binlog_file_format.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <limits>

#include <fmt/format.h>
#include <isa-l.h>

#include "base/bytes.h"

namespace sluice::drainer::sinks::file {
namespace {

constexpr std::string_view kPrefix = "binlog-";
constexpr unsigned kPartsMax = 4;  // binlog, index, time, commit ts

template <class T>
void append_le(T value, std::string& out) {
  char bytes[sizeof(T)];
  store_le(reinterpret_cast<std::byte*>(bytes), value);
  out.append(bytes, sizeof(T));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  // ISA-L leaves the inversions before and after to its caller, and counts in int.
  uint32_t crc = 0xffffffff;
  while (!bytes.empty()) {
    const size_t size = std::min<size_t>(bytes.size(), std::numeric_limits<int>::max());
    // It doesn't write to the buffer; its signature lacks the const.
    auto* begin = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    crc = crc32_iscsi(begin, static_cast<int>(size), crc);
    bytes.remove_prefix(size);
  }
  return ~crc;
}

std::string binlog_header(std::string_view payload) {
  std::string header;
  append_le(kBinlogMagic, header);
  append_le(uint64_t{payload.size()}, header);
  return header;
}

std::string binlog_trailer(std::string_view payload) {
  std::string trailer;
  append_le(crc32c(payload), trailer);
  return trailer;
}

void append_binlog_record(std::string_view payload, std::string& out) {
  out.append(binlog_header(payload)).append(payload).append(binlog_trailer(payload));
}

std::string binlog_file_name(uint64_t index, std::chrono::system_clock::time_point made) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(made);
  std::tm local{};
  localtime_r(&seconds, &local);
  return fmt::format("{}{:016}-{:04}{:02}{:02}{:02}{:02}{:02}", kPrefix, index, local.tm_year + 1900, local.tm_mon + 1,
                     local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec);
}

std::optional<uint64_t> binlog_file_index(std::string_view name) {
  if (!name.starts_with(kPrefix) || name.ends_with(".tmp") || name.ends_with("checkpoint")) return std::nullopt;
  if (std::ranges::count(name, '-') >= kPartsMax) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  const std::string_view digits = name.substr(0, name.find('-'));
  uint64_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return index;
}

}  // namespace sluice::drainer::sinks::file
