#include "drainer/sinks/file/file_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <spdlog/spdlog.h>

#include "base/assert.h"
#include "base/status.h"
#include "drainer/sinks/file/binlog_file_format.h"
#include "drainer/sinks/file/binlog_folder.h"
#include "drainer/sinks/file/binlog_payload.h"
#include "host/durable_file.h"

namespace sluice::drainer::sinks::file {
namespace {

constexpr uint64_t kWriteBytes = 1_MiB;  // records are gathered into writes of this size
constexpr host::FolderLockOptions kLock{
    .noun = "folder of binlog files", .option = "syncer.to.dir (--to-dir)", .holder = "drainer"};

// A sync that failed leaves pages that look written and aren't on the disk. They are let go of, so that what is read
// next is what the disk has.
absl::Status read_back_from_disk(const std::string& path) {
  const host::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, path);
  const int error = ::fsync(file.get()) == 0 ? 0 : errno;
  // Advice: a file system without it has nothing to let go of.
  (void)::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, fmt::format("syncing {}", path));
}

}  // namespace

FileSink::FileSink(FileSinkOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

FileSink::~FileSink() = default;

absl::Status FileSink::fail(absl::Status status) {
  failure_ = std::move(status);
  return failure_;
}

absl::StatusOr<SinkPosition> FileSink::open(CommitTs at_least) {
  std::error_code error;
  if (std::filesystem::create_directories(options_.folder, error))
    std::filesystem::permissions(options_.folder, std::filesystem::perms::owner_all, error);
  if (error) return fail(absl::InternalError(fmt::format("folder {}: {}", options_.folder, error.message())));
  auto lock = host::FolderLock::take(options_.folder, kLock);
  if (!lock.ok()) return fail(lock.status());
  lock_ = std::move(lock).value();
  const auto files = list_binlog_files(options_.folder);
  if (!files.ok()) return fail(files.status());
  if (files->empty() && options_.has_written)
    return fail(absl::FailedPreconditionError(
        fmt::format("the checkpoint says that binlog files were written (through commit ts {}), and {} has none: give "
                    "the folder that has them, or restore them. To go on into an empty folder, remove `savepoint` from "
                    "--data-dir and start with --initial-commit-ts {}",
                    at_least, options_.folder, at_least)));
  if (absl::Status settled = files->empty() ? absl::OkStatus() : read_back_from_disk(files->back().path); !settled.ok())
    return fail(std::move(settled));
  const auto end = repair_binlog_end(*files, at_least);
  if (!end.ok()) return fail(end.status());
  next_index_ = files->empty() ? 0 : files->back().index + 1;
  written_bytes_ = end->bytes;
  absl::Status opened = files->empty() ? create_next_file() : open_file(files->back().path, false);
  // A predecessor may have died between writing and syncing: what it wrote counts from here on.
  if (opened.ok() && ::fsync(file_.get()) != 0) opened = absl::ErrnoToStatus(errno, path_);
  if (opened.ok()) opened = host::sync_folder(options_.folder);
  if (!opened.ok()) return fail(std::move(opened));
  submitted_ = end->last;
  durable_ = end->last.value;
  next_sync_ = clock_.now() + options_.sync_interval;
  return SinkPosition{.applied_through = end->last, .place = "the binlog files of " + options_.folder};
}

absl::Status FileSink::open_file(const std::string& path, bool create) {
  file_ = host::FileDescriptor(
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600));
  if (!file_.valid()) return absl::ErrnoToStatus(errno, path);
  path_ = path;
  return host::lock_file(file_, fmt::format("binlog file {}", path), kLock);
}

absl::Status FileSink::create_next_file() {
  SLUICE_RETURN_IF_ERROR(open_file(options_.folder + "/" + binlog_file_name(next_index_, clock_.wall_now()), true));
  ++next_index_;
  written_bytes_ = 0;
  return host::sync_folder(options_.folder);
}

absl::Status FileSink::submit(std::shared_ptr<const change::Transaction> transaction) {
  SLUICE_RETURN_IF_ERROR(failure_);
  SLUICE_ASSERT(file_.valid() && transaction->commit_ts > submitted_, "commit_ts={} submitted={}",
                transaction->commit_ts, submitted_);  // INV-6
  if (absl::Status encoded = encode_binlog_payload(*transaction, payload_); !encoded.ok())
    return fail(std::move(encoded));
  const CommitTs commit_ts = transaction->commit_ts;
  transaction.reset();  // a large one is in memory once from here on, unless the caller keeps it
  if (payload_.size() >= kWriteBytes)
    SLUICE_RETURN_IF_ERROR(write_large_record());
  else
    append_binlog_record(payload_, pending_);
  submitted_ = commit_ts;
  if (written_bytes_ + pending_.size() >= options_.file_bytes_max) {
    if (absl::Status synced = sync(); !synced.ok()) return synced;
    if (absl::Status created = create_next_file(); !created.ok()) return fail(std::move(created));
    return absl::OkStatus();
  }
  if (pending_.size() >= kWriteBytes) SLUICE_RETURN_IF_ERROR(write_out());
  return sync_if_due();
}

absl::Status FileSink::write_all(std::string_view bytes) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t written = ::write(file_.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      return fail(absl::ErrnoToStatus(
          errno, fmt::format("writing {} (durable through commit ts {}; the rest is pulled again after a restart)",
                             path_, durable_.load())));
    rest.remove_prefix(static_cast<size_t>(written));
  }
  written_bytes_ += bytes.size();
  unsynced_bytes_ += bytes.size();
  return absl::OkStatus();
}

absl::Status FileSink::write_out() {
  SLUICE_RETURN_IF_ERROR(write_all(pending_));
  pending_.clear();
  return absl::OkStatus();
}

// Past the buffer: its payload would lie in memory a second time there.
absl::Status FileSink::write_large_record() {
  SLUICE_RETURN_IF_ERROR(write_out());
  SLUICE_RETURN_IF_ERROR(write_all(binlog_header(payload_)));
  SLUICE_RETURN_IF_ERROR(write_all(payload_));
  SLUICE_RETURN_IF_ERROR(write_all(binlog_trailer(payload_)));
  payload_ = std::string();
  return absl::OkStatus();
}

absl::Status FileSink::sync() {
  SLUICE_RETURN_IF_ERROR(write_out());
  if (unsynced_bytes_ != 0 && (options_.sync_file ? options_.sync_file(file_.get()) : ::fdatasync(file_.get())) != 0) {
    const int error = errno;
    cut_unsynced();
    return fail(absl::ErrnoToStatus(
        error, fmt::format("syncing {} (durable through commit ts {}; the rest is pulled again after a restart)", path_,
                           durable_.load())));
  }
  unsynced_bytes_ = 0;
  next_sync_ = clock_.now() + options_.sync_interval;
  durable_ = std::max(submitted_, resolved_).value;  // INV-7
  return absl::OkStatus();
}

void FileSink::cut_unsynced() {
  if (::ftruncate(file_.get(), static_cast<off_t>(written_bytes_ - unsynced_bytes_)) != 0)
    spdlog::warn("binlog file can't be cut to what is on the disk file={} bytes={} error=\"{}\"", path_,
                 written_bytes_ - unsynced_bytes_, std::strerror(errno));
}

absl::Status FileSink::sync_if_due() {
  if (unsynced_bytes_ + pending_.size() < options_.sync_bytes && clock_.now() < next_sync_) return absl::OkStatus();
  return sync();
}

absl::Status FileSink::resolve(ResolvedTs ts) {
  SLUICE_RETURN_IF_ERROR(failure_);
  resolved_ = std::max(resolved_, CommitTs(ts.value));
  if (unsynced_bytes_ + pending_.size() != 0) return sync_if_due();
  durable_ = std::max(submitted_, resolved_).value;
  return absl::OkStatus();
}

absl::Status FileSink::tend() {
  SLUICE_RETURN_IF_ERROR(failure_);
  return unsynced_bytes_ + pending_.size() == 0 ? absl::OkStatus() : sync_if_due();
}

absl::Status FileSink::flush() {
  SLUICE_RETURN_IF_ERROR(failure_);
  return sync();
}

void FileSink::close() {
  file_ = host::FileDescriptor();
  lock_.reset();
}

}  // namespace sluice::drainer::sinks::file
