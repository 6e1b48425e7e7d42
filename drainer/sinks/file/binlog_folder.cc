#include "drainer/sinks/file/binlog_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include <spdlog/spdlog.h>

#include "base/status.h"
#include "drainer/sinks/file/binlog_file_format.h"
#include "drainer/sinks/file/binlog_file_reader.h"
#include "drainer/sinks/file/binlog_payload.h"
#include "host/file_descriptor.h"

namespace sluice::drainer::sinks::file {
namespace {

using Tail = BinlogFileReader::Tail;

absl::Status cut(const std::string& path, uint64_t bytes) {
  const host::FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, path);
  if (::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0 && ::fsync(file.get()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, fmt::format("cutting {} to {} bytes", path, bytes));
}

absl::Status repair(BinlogFileReader& reader, const absl::Status& failure, CommitTs last, CommitTs at_least) {
  SLUICE_ASSIGN_OR_RETURN(const Tail tail, reader.tail());
  // Below at_least nothing is pulled again, so a whole record that doesn't check may be the only copy.
  const bool covered = last < at_least;
  if (tail == Tail::records || (tail == Tail::damaged && covered))
    return absl::DataLossError(fmt::format(
        "{}; nothing was changed. Restore the file from a copy, or move the folder's binlog files away and start "
        "into an empty one from a commit ts below {}",
        message_of(failure), last));
  spdlog::warn("binlog file has a torn end, cutting it off file={} offset={} bytes={} last_commit_ts={} found=\"{}\"",
               reader.path(), reader.offset(), reader.file_bytes() - reader.offset(), last, message_of(failure));
  return cut(reader.path(), reader.offset());
}

// Of one file. Files before the last were synced whole before their successor was made: nothing in them can be torn.
absl::Status read_to_end(const BinlogFile& file, std::optional<CommitTs> repair_above, BinlogEnd& end) {
  SLUICE_ASSIGN_OR_RETURN(BinlogFileReader reader, BinlogFileReader::open(file.path));
  for (;;) {
    end.bytes = reader.offset();
    const auto payload = reader.next();
    if (payload.status().code() == absl::StatusCode::kDataLoss && repair_above)
      return repair(reader, payload.status(), end.last, *repair_above);
    SLUICE_RETURN_IF_ERROR(payload.status());
    if (!payload->has_value()) return absl::OkStatus();
    const absl::StatusOr<CommitTs> ts = binlog_commit_ts(**payload);
    if (!ts.ok()) return annotate(ts.status(), fmt::format("binlog file {} at byte {}", file.path, end.bytes));
    end.last = std::max(end.last, *ts);
  }
}

}  // namespace

absl::StatusOr<std::vector<BinlogFile>> list_binlog_files(const std::string& folder) {
  std::vector<BinlogFile> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (const auto index = binlog_file_index(it->path().filename().string()))
      files.push_back({.index = *index, .path = it->path().string()});
  if (error) return absl::InternalError(fmt::format("folder {}: {}", folder, error.message()));
  std::ranges::sort(files, {}, &BinlogFile::index);
  for (size_t i = 1; i < files.size(); ++i)
    if (files[i].index != files[i - 1].index + 1)
      return absl::DataLossError(
          fmt::format("binlog files {} and {} aren't consecutive; restore what is missing, or move the older ones to "
                      "another folder",
                      files[i - 1].path, files[i].path));
  return files;
}

absl::StatusOr<BinlogEnd> repair_binlog_end(const std::vector<BinlogFile>& files, CommitTs at_least) {
  BinlogEnd end;
  // A file made by the last rotation may be empty yet: then the one before it knows the position.
  for (size_t i = files.size(); i-- > 0;) {
    BinlogEnd one;
    const bool newest = i + 1 == files.size();
    SLUICE_RETURN_IF_ERROR(read_to_end(files[i], newest ? std::optional(at_least) : std::nullopt, one));
    if (newest) end.bytes = one.bytes;
    end.last = one.last;
    if (end.last.value != 0) break;
  }
  return end;
}

}  // namespace sluice::drainer::sinks::file
