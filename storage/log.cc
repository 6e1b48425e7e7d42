#include "storage/log.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <random>
#include <thread>

#include <spdlog/spdlog.h>

#include "base/assert.h"
#include "base/status.h"
#include "storage/disk/disk.h"
#include "storage/format/log_identity.h"
#include "storage/log_reader.h"
#include "storage/log_writer.h"
#include "storage/recovery.h"
#include "storage/segment/segment_directory.h"
#include "storage/segment/segment_preparer.h"

namespace sluice::storage {
namespace {

uint64_t random_nonzero() {
  std::random_device random;
  for (;;)
    if (const uint64_t value = uint64_t{random()} << 32 | random(); value != 0) return value;
}

absl::Status check_options(const LogOptions& o) {
  if (o.batch_bytes_max % kBlockBytes != 0 || o.batch_bytes_max < kBatchBytesMaxMin ||
      o.batch_bytes_max > kBatchBytesMaxMax)
    return absl::InvalidArgumentError(fmt::format("batch_bytes_max is {}; it must be a multiple of {} from {} to {}",
                                                  o.batch_bytes_max, kBlockBytes, kBatchBytesMaxMin,
                                                  kBatchBytesMaxMax));
  const uint64_t segment_bytes_min = uint64_t{kSegmentDataStart} + o.batch_bytes_max + kSegmentTrailerBytes;
  if (o.segment_bytes % kBlockBytes != 0 || o.segment_bytes < segment_bytes_min || o.segment_bytes > kSegmentBytesMax)
    return absl::InvalidArgumentError(fmt::format("segment_bytes is {}; it must be a multiple of {} from {} to {}",
                                                  o.segment_bytes, kBlockBytes, segment_bytes_min, kSegmentBytesMax));
  if (o.reader_bytes_max < kReaderBytesMin)
    return absl::InvalidArgumentError(
        fmt::format("reader_bytes_max is {}; at least {} are needed", o.reader_bytes_max, kReaderBytesMin));
  return absl::OkStatus();
}

// Lengths only: the records themselves were checked on their way in.
absl::Status check_run(ByteSpan run) {
  if (run.empty()) return absl::InvalidArgumentError("an empty run");
  while (!run.empty()) {
    const uint32_t header_bytes = record_header_bytes(load_le<uint8_t>(run.data()));
    const uint32_t body_bytes = run.size() < kRecordHeaderBytesMin ? 0 : load_le<uint32_t>(run.data() + 4);
    const uint64_t bytes = align_up(uint64_t{header_bytes} + body_bytes, kRecordAlignment);
    if (header_bytes == 0 || body_bytes > kRecordBodyBytesMax || bytes > run.size())
      return absl::InvalidArgumentError(
          fmt::format("a run that isn't whole records: {} bytes are left of one of {}", run.size(), bytes));
    run = run.subspan(bytes);
  }
  return absl::OkStatus();
}

class LogImpl final : public Log {
 public:
  LogImpl(LogOptions options, Disk& disk, LogListener& listener, std::unique_ptr<DiskLock> lock,
          std::unique_ptr<IdentityFile> identity, RecoveredLog recovered)
      : options_(std::move(options)),
        disk_(disk),
        listener_(listener),
        lock_(std::move(lock)),
        identity_(std::move(identity)),
        preparer_(disk, {.dir = options_.dir,
                         .segment_bytes = options_.segment_bytes,
                         .ahead_bytes = options_.ahead_bytes,
                         .first_sequence = recovered.next_sequence,
                         .shortage_retry_every = options_.shortage_retry_every}),
        reader_(disk, options_.dir, directory_, options_.reader_bytes_max),
        writer_({.cluster_id = options_.cluster_id,
                 .segment_bytes = options_.segment_bytes,
                 .batch_bytes_max = options_.batch_bytes_max,
                 .new_salt = random_nonzero},
                preparer_, directory_, *identity_, adopt(recovered)) {
    stats_.recovered_bytes_read = recovered.bytes_read;
    reader_.set_durable_end(writer_.durable_end());
  }

  ~LogImpl() override {
    // Who wants to know whether the last appends became durable calls close().
    (void)close();
  }

  absl::Status start() {
    SLUICE_RETURN_IF_ERROR(writer_.ensure_segment());
    preparer_.start();
    std::promise<absl::Status> attached;
    thread_ = std::thread([this, &attached] {
      pthread_setname_np(pthread_self(), "log");
      const absl::Status status = disk_.attach_thread();
      attached.set_value(status);
      if (status.ok()) run();
    });
    return attached.get_future().get();
  }

  absl::StatusOr<Ticket> append(std::string run) override {
    SLUICE_RETURN_IF_ERROR(check_run(as_bytes(run)));
    const std::lock_guard lock(mutex_);
    SLUICE_RETURN_IF_ERROR(failed_);
    if (closing_) return absl::UnavailableError("the log is closed");
    if (run.size() > options_.queue_bytes_max)
      return absl::InvalidArgumentError(
          fmt::format("a run of {} bytes; at most {} are taken at once", run.size(), options_.queue_bytes_max));
    if (queued_bytes_ + run.size() > options_.queue_bytes_max)
      return absl::ResourceExhaustedError(fmt::format("{} bytes wait for the disk, at most {} may; retry later",
                                                      queued_bytes_, options_.queue_bytes_max));
    SLUICE_RETURN_IF_ERROR(refuse_while_short(run.size()));
    queued_bytes_ += run.size();
    pending_.push_back({.ticket = ++last_ticket_, .records = std::move(run)});
    work_.notify_one();
    return last_ticket_;
  }

  absl::Status read_prewrite(LogPosition position, std::string& out) override {
    PrewriteCursor cursor{.next = position};
    return reader_.read_prewrite_piece(cursor, UINT64_MAX, out);
  }
  absl::Status read_prewrite_piece(PrewriteCursor& cursor, uint64_t bytes_max, std::string& out) override {
    return reader_.read_prewrite_piece(cursor, bytes_max, out);
  }
  LogPosition durable_end() const override { return reader_.durable_end(); }
  uint64_t cluster_id() const override { return options_.cluster_id; }
  uint64_t birth_id() const override { return birth_id_; }

  LogStats stats() const override {
    const std::lock_guard lock(mutex_);
    LogStats stats = stats_;
    stats.segments = directory_.size();
    stats.preparer_stalls = preparer_.stalls();
    if (stats.shortage.empty()) stats.shortage = message_of(preparer_.shortage());
    stats.queued_bytes = queued_bytes_;
    stats.memory_bytes = queued_bytes_ + options_.batch_bytes_max + preparer_.memory_bytes() + reader_.memory_bytes();
    stats.backend = std::string(disk_.backend());
    return stats;
  }

  absl::Status close() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    work_.notify_all();
    // A shortage must not hold up the exit: what waits for its end was not acknowledged.
    preparer_.give_up_when_short();
    if (thread_.joinable()) thread_.join();
    preparer_.stop();
    lock_.reset();
    const std::lock_guard lock(mutex_);
    return failed_;
  }

 private:
  // Fills the directory before the writer adds to it.
  LogTail adopt(RecoveredLog& recovered) {
    LogTail tail = std::move(recovered.tail);
    uint32_t previous_end = 0;
    for (const SegmentEntry& entry : recovered.segments) {
      directory_.add({.sequence = entry.sequence, .salt = entry.salt, .batch_bytes_max = entry.batch_bytes_max},
                     previous_end);
      previous_end = entry.end;
    }
    if (!fits(tail, options_.segment_bytes, options_.batch_bytes_max)) tail.appendable = nullptr;
    if (tail.appendable != nullptr) preparer_.adopt(tail.end.segment(), tail.appendable, tail.end.offset());
    return tail;
  }

  // Says once that appends are refused, and once that they are taken again.
  absl::Status refuse_while_short(size_t run_bytes) {
    absl::Status lacking = preparer_.shortage();
    if (!lacking.ok() && queued_bytes_ + run_bytes + options_.batch_bytes_max <= preparer_.prepared_bytes())
      lacking = absl::OkStatus();  // it lasts a while yet
    if (!lacking.ok() && !std::exchange(refusing_, true))
      spdlog::warn("appends are refused until the shortage is over; they are taken again by themselves reason=\"{}\"",
                   message_of(lacking));
    if (lacking.ok() && std::exchange(refusing_, false)) spdlog::info("the shortage is over, appends are taken again");
    if (lacking.ok()) return lacking;
    return absl::ResourceExhaustedError(fmt::format(
        "the log can't grow: {}. It goes on by itself when that is over; retry later", message_of(lacking)));
  }

  void run() {
    std::deque<PendingRun> batch_from;
    while (wait_for_work(batch_from)) {
      const absl::Status status = batch_from.empty() ? write_watermark() : write_batch(batch_from);
      if (absl::IsResourceExhausted(status)) {
        if (wait_out_shortage(status)) continue;
        // Everything taken is durable; the next open has to do without the last watermark.
        if (batch_from.empty()) return;
      }
      if (!status.ok()) return fail(status, std::move(batch_from));
      end_shortage();
    }
    if (const absl::Status noted = writer_.note_end(); !noted.ok())
      spdlog::warn("the log's identity doesn't say how far the log has got; nothing is lost reason=\"{}\"",
                   message_of(noted));
  }

  // False: the log is being closed, and nobody waits for better times.
  bool wait_out_shortage(const absl::Status& why) {
    std::unique_lock lock(mutex_);
    if (closing_) return false;
    if (stats_.shortage.empty())
      spdlog::warn("the log waits and tries again by itself; nothing is lost reason=\"{}\"", message_of(why));
    stats_.shortage = message_of(why);
    work_.wait_for(lock, options_.shortage_retry_every, [this] { return closing_; });
    return true;
  }

  void end_shortage() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(stats_.shortage, {}).empty()) spdlog::info("the log goes on");
  }

  // Natural group commit: whatever arrived while the last write ran. False: closed and nothing is left to do.
  bool wait_for_work(std::deque<PendingRun>& batch_from) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return !pending_.empty() || closing_; };
    if (batch_from.empty() && !ready()) {
      if (!writer_.needs_watermark())
        work_.wait(lock, ready);
      else if (!work_.wait_for(lock, options_.idle_watermark_after, ready))
        return true;
    }
    std::move(pending_.begin(), pending_.end(), std::back_inserter(batch_from));
    pending_.clear();
    return !batch_from.empty() || writer_.needs_watermark() || !closing_;
  }

  absl::Status write_batch(std::deque<PendingRun>& from) {
    SLUICE_ASSIGN_OR_RETURN(const LogWriter::Written written, writer_.write_next(from));
    reader_.set_durable_end(writer_.durable_end());
    if (written.through != 0) durable_ticket_ = written.through;
    listener_.on_durable(written.run, durable_ticket_);
    publish(written.run.records.size());
    return absl::OkStatus();
  }

  absl::Status write_watermark() {
    SLUICE_RETURN_IF_ERROR(writer_.write_watermark());
    reader_.set_durable_end(writer_.durable_end());
    publish(0);
    return absl::OkStatus();
  }

  void publish(size_t durable_bytes) {
    const std::lock_guard lock(mutex_);
    const LogStats before = std::move(stats_);
    stats_ = writer_.stats();
    stats_.recovered_bytes_read = before.recovered_bytes_read;
    stats_.shortage = before.shortage;
    queued_bytes_ -= durable_bytes;
  }

  void fail(const absl::Status& status, std::deque<PendingRun> unwritten) {
    absl::Status why;
    {
      const std::lock_guard lock(mutex_);
      why = absl::UnavailableError(fmt::format("the log is read-only until a restart: {}", message_of(status)));
      failed_ = why;
      pending_.clear();
      queued_bytes_ = 0;
    }
    spdlog::error(
        "the log turned read-only: appends are refused, reads go on; restart to recover at={} unwritten_runs={} "
        "reason=\"{}\"",
        writer_.durable_end(), unwritten.size(), message_of(status));
    listener_.on_failed(why);
  }

  LogOptions options_;
  Disk& disk_;
  LogListener& listener_;
  std::unique_ptr<DiskLock> lock_;
  std::unique_ptr<IdentityFile> identity_;  // the log thread's, once it runs
  const uint64_t birth_id_ = identity_->identity().birth_id;
  SegmentDirectory directory_;
  SegmentPreparer preparer_;
  LogReader reader_;
  LogWriter writer_;  // the log thread's, once it runs

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::deque<PendingRun> pending_;
  uint64_t queued_bytes_ = 0;
  Ticket last_ticket_ = 0;
  bool closing_ = false;
  bool refusing_ = false;
  absl::Status failed_;
  LogStats stats_;

  Ticket durable_ticket_ = 0;  // the log thread's
  std::thread thread_;
};

// Before anything is made: a log that is gone must not be taken for a new one.
absl::Status check_birth(Disk& disk, const LogOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(const auto identity, read_identity(disk, options.dir));
  constexpr std::string_view kWhatToDo =
      "Nothing was changed. Put the log's folder back as it was; without it, move the whole data folder away, start "
      "this "
      "pump with an empty one and bring downstream back in step by a full copy";
  if (!identity)
    return absl::DataLossError(fmt::format(
        "{}: the log born as {:016x} is gone, with all that was acknowledged in it: there is no file {}. {}",
        options.dir.string(), options.birth_id, kIdentityFileName, kWhatToDo));
  if (identity->birth_id != options.birth_id)
    return absl::DataLossError(
        fmt::format("{}: this is another log, born as {:016x}; the one that belongs here is {:016x}. {}",
                    options.dir.string(), identity->birth_id, options.birth_id, kWhatToDo));
  return absl::OkStatus();
}

void log_recovery(const LogOptions& options, const RecoveredLog& recovered) {
  if (recovered.verdict == TailVerdict::torn)
    spdlog::info("the last write was torn and never acknowledged; the log goes on in a new segment at={} reason=\"{}\"",
                 recovered.tail.end, recovered.torn_because);
  spdlog::info("log opened dir={} cluster_id={} segments={} end={} bytes_read={}", options.dir.string(),
               options.cluster_id, recovered.segments.size(), recovered.tail.end, recovered.bytes_read);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Log>> Log::open(LogOptions options, Disk& disk, LogListener& listener,
                                               const Replay& replay) {
  SLUICE_RETURN_IF_ERROR(check_options(options));
  if (options.birth_id != 0) SLUICE_RETURN_IF_ERROR(check_birth(disk, options));
  SLUICE_RETURN_IF_ERROR(disk.create_dir(options.dir));
  SLUICE_ASSIGN_OR_RETURN(std::unique_ptr<DiskLock> lock, disk.lock(options.dir));
  SLUICE_ASSIGN_OR_RETURN(RecoveredLog recovered, recover_log(disk, options.dir, replay));
  if (recovered.cluster_id != 0 && options.cluster_id != 0 && recovered.cluster_id != options.cluster_id)
    return absl::FailedPreconditionError(
        fmt::format("{} belongs to cluster {}, this pump to cluster {}; give it a data folder of its own",
                    options.dir.string(), recovered.cluster_id, options.cluster_id));
  if (recovered.cluster_id != 0) options.cluster_id = recovered.cluster_id;
  if (options.cluster_id == 0) options.cluster_id = random_nonzero();
  log_recovery(options, recovered);
  SLUICE_ASSIGN_OR_RETURN(auto identity,
                          IdentityFile::open(disk, options.dir, identity_of(recovered, random_nonzero())));
  auto log = std::make_unique<LogImpl>(std::move(options), disk, listener, std::move(lock), std::move(identity),
                                       std::move(recovered));
  SLUICE_RETURN_IF_ERROR(log->start());
  return log;
}

}  // namespace sluice::storage
