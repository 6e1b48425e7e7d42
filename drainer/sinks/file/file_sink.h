// Writes transactions into TiDB-Binlog's local binlog files, which Reparo reads.
// Contract: the position is the last whole record's commit ts; durable_through() moves only after a data sync, and a
//           new file's name is durable before anything in it is. After a crash the torn end is cut off and the stream
//           goes on behind the last whole record, so nothing is repeated or lost (INV-7). What was submitted reaches
//           the disk within sync_interval of the next tend(), whether or not more comes. After a failed sync what isn't
//           known to be on the disk is cut off: the page cache would show it to a successor all the same.
// Threads:  see Sink.
// Owns:     the folder, by a lock on its `.lock` and on the current file, as TiDB-Binlog's drainer locks it.
// Errors:   UNAVAILABLE when another process holds the folder or the file; DATA_LOSS for damaged files; the system's own
//           code for a full disk or a failed write or sync, which is final: what wasn't durable is pulled again after a
//           restart.
// Format:   docs/formats/binlog-file.md
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "drainer/sinks/sink.h"
#include "host/file_descriptor.h"
#include "host/folder_lock.h"

namespace sluice::drainer::sinks::file {

struct FileSinkOptions {
  std::string folder;
  uint64_t file_bytes_max = 512_MiB;  // a file that has reached it is followed by the next
  uint64_t sync_bytes = 8_MiB;
  std::chrono::milliseconds sync_interval{200};
  bool has_written = false;                // a checkpoint says so: a folder without files isn't the one
  std::function<int(int fd)> sync_file{};  // tests only; empty: fdatasync
};

class FileSink final : public Sink {
 public:
  // `clock` must outlive the sink.
  FileSink(FileSinkOptions options, const Clock& clock);
  ~FileSink() override;

  [[nodiscard]] absl::StatusOr<SinkPosition> open(CommitTs at_least) override;
  [[nodiscard]] absl::Status submit(std::shared_ptr<const change::Transaction> transaction) override;
  [[nodiscard]] absl::Status resolve(ResolvedTs ts) override;
  [[nodiscard]] absl::Status tend() override;
  [[nodiscard]] absl::Status flush() override;
  [[nodiscard]] CommitTs durable_through() const override { return CommitTs(durable_.load()); }
  void close() override;

 private:
  [[nodiscard]] absl::Status open_file(const std::string& path, bool create);
  [[nodiscard]] absl::Status create_next_file();
  [[nodiscard]] absl::Status write_out();
  [[nodiscard]] absl::Status write_all(std::string_view bytes);
  [[nodiscard]] absl::Status write_large_record();
  void cut_unsynced();
  [[nodiscard]] absl::Status sync();
  [[nodiscard]] absl::Status sync_if_due();
  // Remembers the first failure: every later call repeats it.
  [[nodiscard]] absl::Status fail(absl::Status status);

  FileSinkOptions options_;
  const Clock& clock_;
  std::optional<host::FolderLock> lock_;
  host::FileDescriptor file_;
  std::string path_;
  uint64_t next_index_ = 0;
  uint64_t written_bytes_ = 0;  // of the current file
  uint64_t unsynced_bytes_ = 0;
  std::string payload_;
  std::string pending_;  // framed records not yet written
  CommitTs submitted_;
  CommitTs resolved_;
  std::chrono::steady_clock::time_point next_sync_;
  std::atomic<uint64_t> durable_{0};
  absl::Status failure_;
};

}  // namespace sluice::drainer::sinks::file
