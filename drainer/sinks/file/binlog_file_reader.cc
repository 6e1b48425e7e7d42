#include "drainer/sinks/file/binlog_file_reader.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/status.h"
#include "drainer/sinks/file/binlog_file_format.h"

namespace sluice::drainer::sinks::file {
namespace {

const std::byte* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::byte*>(text.data());
}

}  // namespace

absl::StatusOr<BinlogFileReader> BinlogFileReader::open(std::string path) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return absl::ErrnoToStatus(errno, fmt::format("binlog file {}: cannot be opened", path));
  BinlogFileReader reader(std::move(path), file, 0);
  struct stat status {};
  if (fstat(fileno(file), &status) != 0) return absl::ErrnoToStatus(errno, fmt::format("binlog file {}", reader.path_));
  reader.file_bytes_ = static_cast<uint64_t>(status.st_size);
  return reader;
}

absl::Status BinlogFileReader::broken(std::string_view what) const {
  return absl::DataLossError(fmt::format("binlog file {}: {} at byte {}", path_, what, offset_));
}

absl::Status BinlogFileReader::read(uint64_t bytes) {
  buffer_.resize(bytes);
  if (std::fread(buffer_.data(), 1, bytes, file_.get()) == bytes) return absl::OkStatus();
  if (std::ferror(file_.get()) != 0)
    return absl::ErrnoToStatus(errno, fmt::format("binlog file {}: reading at byte {}", path_, offset_));
  return broken("the file has shrunk");
}

absl::StatusOr<std::optional<std::string_view>> BinlogFileReader::next() {
  if (!failure_.ok()) return failure_;
  const uint64_t left = file_bytes_ - offset_;
  if (left == 0) return std::nullopt;
  if (left < kBinlogHeaderBytes) return failure_ = broken("a record is cut off");
  if (failure_ = read(kBinlogHeaderBytes); !failure_.ok()) return failure_;
  const auto magic = load_le<uint32_t>(bytes_of(buffer_));
  const auto size = load_le<uint64_t>(bytes_of(buffer_) + sizeof(magic));
  if (magic != kBinlogMagic)
    return failure_ = broken(fmt::format("magic {:08x} instead of {:08x}", magic, kBinlogMagic));
  if (size > kBinlogPayloadBytesMax)
    return failure_ = broken(fmt::format("a payload of {} bytes is over the limit", size));
  if (size + kBinlogTrailerBytes > left - kBinlogHeaderBytes) return failure_ = broken("a record is cut off");
  if (failure_ = read(size + kBinlogTrailerBytes); !failure_.ok()) return failure_;
  const std::string_view payload(buffer_.data(), size);
  const auto stored = load_le<uint32_t>(bytes_of(buffer_) + size);
  if (const uint32_t actual = crc32c(payload); actual != stored)
    return failure_ = broken(fmt::format("CRC is {:08x}, stored {:08x}", actual, stored));
  offset_ += kBinlogHeaderBytes + size + kBinlogTrailerBytes;
  return payload;
}

bool BinlogFileReader::good_record_in(std::string_view rest) const {
  const char magic[] = {0x04, 0x05, 0x1b, 0x1c};
  for (size_t at = rest.find(std::string_view(magic, 4), 1); at != std::string_view::npos;
       at = rest.find(std::string_view(magic, 4), at + 1)) {
    if (rest.size() - at < kBinlogHeaderBytes) return false;
    const auto size = load_le<uint64_t>(bytes_of(rest) + at + 4);
    if (size == 0 || size > kBinlogPayloadBytesMax ||
        size + kBinlogHeaderBytes + kBinlogTrailerBytes > rest.size() - at)
      continue;
    const std::string_view payload = rest.substr(at + kBinlogHeaderBytes, size);
    if (crc32c(payload) == load_le<uint32_t>(bytes_of(rest) + at + kBinlogHeaderBytes + size)) return true;
  }
  return false;
}

absl::StatusOr<BinlogFileReader::Tail> BinlogFileReader::tail() {
  std::clearerr(file_.get());
  if (std::fseek(file_.get(), static_cast<long>(offset_), SEEK_SET) != 0) return absl::ErrnoToStatus(errno, path_);
  SLUICE_RETURN_IF_ERROR(read(file_bytes_ - offset_));
  const std::string_view rest = buffer_;
  if (good_record_in(rest)) return Tail::records;
  if (rest.find_first_not_of('\0') == std::string_view::npos || rest.size() < kBinlogHeaderBytes) return Tail::torn;
  const auto size = load_le<uint64_t>(bytes_of(rest) + 4);
  const bool begins = load_le<uint32_t>(bytes_of(rest)) == kBinlogMagic && size <= kBinlogPayloadBytesMax;
  return begins && size + kBinlogHeaderBytes + kBinlogTrailerBytes > rest.size() ? Tail::torn : Tail::damaged;
}

}  // namespace sluice::drainer::sinks::file
