#include "storage/segment/segment_preparer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include <spdlog/spdlog.h>

#include "base/status.h"
#include "storage/format/segment_format.h"

namespace sluice::storage {
namespace {

// One sync each: small enough that a fresh pump starts in milliseconds, large enough that the journal commits stay
// rare.
constexpr uint32_t kChunkBytes = 4u << 20;
constexpr uint32_t kZeroWriteBytes = 1u << 20;

}  // namespace

SegmentPreparer::SegmentPreparer(Disk& disk, Options options)
    : disk_(disk), options_(std::move(options)), zeros_(kZeroWriteBytes), next_sequence_(options_.first_sequence) {}

SegmentPreparer::~SegmentPreparer() {
  stop();
}

void SegmentPreparer::adopt(uint32_t sequence, std::shared_ptr<DiskFile> file, uint32_t offset) {
  SLUICE_ASSERT(!thread_.joinable() && segments_.empty() && sequence < next_sequence_);
  // Whether blocks beyond the append position were written before the restart is unknown; writing zeros again is
  // harmless.
  segments_.push_back({sequence, std::move(file), offset});
  active_ = true;
  append_offset_ = offset;
}

void SegmentPreparer::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "log-prepare");
    run();
  });
}

void SegmentPreparer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  progress_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SegmentPreparer::give_up_when_short() {
  {
    const std::lock_guard lock(mutex_);
    give_up_when_short_ = true;
  }
  progress_.notify_all();
}

void SegmentPreparer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!wants_work_locked()) {
      work_.wait(lock);
      continue;
    }
    lock.unlock();
    const bool was_short = !shortage().ok();
    const auto worked = step();
    lock.lock();
    if (!worked.ok() && !absl::IsResourceExhausted(worked.status())) return;
    if (!worked.ok() && !was_short)
      spdlog::warn(
          "nothing more can be prepared for the log; appends go on in what is prepared, and this tries again by itself "
          "prepared_bytes={} reason=\"{}\"",
          prepared_locked(), message_of(worked.status()));
    if (worked.ok() && was_short) spdlog::info("the log is prepared ahead again");
    if (!worked.ok()) work_.wait_for(lock, options_.shortage_retry_every, [this] { return stopping_; });
  }
}

uint64_t SegmentPreparer::prepared_locked() const {
  uint64_t bytes = 0;
  for (const Segment& s : segments_) {
    const uint32_t used = active_ && &s == &segments_.front() ? append_offset_ : kSegmentDataStart;
    const uint32_t usable = std::min(s.written_through, options_.segment_bytes - kSegmentTrailerBytes);
    bytes += usable - std::min(usable, used);
  }
  return bytes;
}

// Fills to the brim, then rests until half is used: zeroing and appending in turns disturbs the appends' syncs less
// than both at once.
bool SegmentPreparer::wants_work_locked() {
  const uint64_t prepared = prepared_locked();
  if (prepared >= options_.ahead_bytes) filling_ = false;
  if (prepared < options_.ahead_bytes / 2) filling_ = true;
  // A shortage is over only when a try has succeeded, and until then appends may be refused: so it goes on trying.
  return absl::IsResourceExhausted(status_) || ((filling_ || waited_for_) && status_.ok());
}

absl::StatusOr<bool> SegmentPreparer::step() {
  uint32_t sequence = 0, from = 0;
  std::shared_ptr<DiskFile> file;
  {
    const std::lock_guard lock(mutex_);
    if (!wants_work_locked()) return false;
    const auto unfinished = std::find_if(segments_.begin(), segments_.end(), [this](const Segment& s) {
      return s.written_through < options_.segment_bytes;
    });
    if (unfinished != segments_.end()) {
      file = unfinished->file;
      from = unfinished->written_through;
      sequence = unfinished->sequence;
    } else {
      sequence = next_sequence_;
    }
  }
  absl::Status done;
  if (file == nullptr) {
    auto made = make_file(sequence);
    done = made.status();
    if (made.ok()) file = *std::move(made);
  }
  const uint32_t to = std::min(from + kChunkBytes, options_.segment_bytes);
  if (done.ok()) done = write_chunk(*file, from, to);

  const std::lock_guard lock(mutex_);
  status_ = done;
  progress_.notify_all();
  if (!done.ok()) return done;
  if (sequence == next_sequence_) {
    segments_.push_back({sequence, std::move(file), to});
    ++next_sequence_;
    return true;
  }
  // The appender may have left the segment meanwhile.
  for (Segment& s : segments_)
    if (s.sequence == sequence) s.written_through = to;
  return true;
}

absl::StatusOr<std::shared_ptr<DiskFile>> SegmentPreparer::make_file(uint32_t sequence) {
  const auto path = options_.dir / segment_file_name(sequence);
  auto leftover = disk_.open(path);
  if (leftover.ok()) {
    SLUICE_ASSIGN_OR_RETURN(const uint64_t bytes, (*leftover)->size());
    if (bytes == options_.segment_bytes) {
      // It may be this life's, from a try that failed behind the rename.
      SLUICE_RETURN_IF_ERROR((*leftover)->sync());
      SLUICE_RETURN_IF_ERROR(disk_.sync_dir(options_.dir));
      return std::shared_ptr<DiskFile>(*std::move(leftover));
    }
  } else if (!absl::IsNotFound(leftover.status())) {
    return leftover.status();
  }
  // Under its own name it always has its full size: so a shorter segment file is a truncated one. A leftover of another
  // size stays until the rename takes its place: a name that is gone for a moment is a lost segment to the next open.
  const auto spare = options_.dir / "spare.tmp";
  if (absl::Status removed = disk_.remove(spare); !removed.ok() && !absl::IsNotFound(removed)) return removed;
  {
    SLUICE_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, disk_.create(spare, options_.segment_bytes));
    SLUICE_RETURN_IF_ERROR(file->sync());
  }
  SLUICE_RETURN_IF_ERROR(disk_.rename(spare, path));
  SLUICE_RETURN_IF_ERROR(disk_.sync_dir(options_.dir));
  // Opened by the name that its errors shall give.
  SLUICE_ASSIGN_OR_RETURN(std::unique_ptr<DiskFile> file, disk_.open(path));
  return std::shared_ptr<DiskFile>(std::move(file));
}

absl::Status SegmentPreparer::write_chunk(DiskFile& file, uint32_t from, uint32_t to) {
  for (uint64_t at = from; at < to; at += kZeroWriteBytes) {
    uint64_t calls = 0;
    const uint64_t bytes = std::min<uint64_t>(kZeroWriteBytes, to - at);
    SLUICE_RETURN_IF_ERROR(write_fully(file, at, zeros_.span().first(bytes), WriteMode::plain, calls));
  }
  return file.sync();
}

absl::Status SegmentPreparer::wait_for(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready) {
  if (ready()) return absl::OkStatus();
  if (thread_.joinable()) ++stalls_;
  waited_for_ = true;
  absl::Status result;
  while (result.ok() && !ready()) {
    if (stopping_) {
      result = absl::CancelledError("the log is being closed");
    } else if (!status_.ok() && (give_up_when_short_ || !absl::IsResourceExhausted(status_))) {
      result = status_;
    } else if (thread_.joinable()) {
      work_.notify_all();
      progress_.wait(lock);
    } else {
      lock.unlock();
      const auto worked = step();
      lock.lock();
      result = worked.status();
    }
  }
  waited_for_ = false;
  return result;
}

absl::StatusOr<SegmentPreparer::Prepared> SegmentPreparer::activate() {
  std::unique_lock lock(mutex_);
  if (active_) {
    segments_.pop_front();
    active_ = false;
  }
  SLUICE_RETURN_IF_ERROR(
      wait_for(lock, [this] { return !segments_.empty() && segments_.front().written_through > kSegmentDataStart; }));
  active_ = true;
  append_offset_ = kSegmentDataStart;
  return Prepared{segments_.front().sequence, segments_.front().file};
}

absl::Status SegmentPreparer::wait_written(uint32_t offset) {
  std::unique_lock lock(mutex_);
  SLUICE_ASSERT(active_ && offset <= options_.segment_bytes, "offset={}", offset);
  return wait_for(lock, [&] { return segments_.front().written_through >= offset; });
}

void SegmentPreparer::appended(uint32_t offset) {
  const std::lock_guard lock(mutex_);
  append_offset_ = offset;
  if (thread_.joinable() && wants_work_locked()) work_.notify_one();
}

absl::Status SegmentPreparer::shortage() const {
  const std::lock_guard lock(mutex_);
  return absl::IsResourceExhausted(status_) ? status_ : absl::OkStatus();
}

uint64_t SegmentPreparer::prepared_bytes() const {
  const std::lock_guard lock(mutex_);
  return prepared_locked();
}

uint64_t SegmentPreparer::stalls() const {
  const std::lock_guard lock(mutex_);
  return stalls_;
}

}  // namespace sluice::storage
