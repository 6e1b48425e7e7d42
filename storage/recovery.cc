#include "storage/recovery.h"

#include <algorithm>
#include <map>

#include "base/status.h"
#include "storage/format/segment_format.h"
#include "storage/segment/segment_scanner.h"

namespace sluice::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhatToDo =
    "Nothing was changed. Put back an intact copy of this file; without one, move the folder away, start this pump "
    "with an empty one "
    "and bring downstream back in step by a full copy";

absl::Status damaged(const fs::path& file, uint64_t offset, std::string_view why) {
  return absl::DataLossError(
      fmt::format("{}, offset {}: {}. These bytes were acknowledged, so this is no torn write. {}", file.string(),
                  offset, why, kWhatToDo));
}

// An activated segment, or a file that waits to become one.
struct Found {
  uint32_t sequence = 0;
  std::optional<SegmentHeader> header;
};

class Recovery {
 public:
  Recovery(Disk& disk, const fs::path& dir, const Replay& replay) : disk_(disk), dir_(dir), replay_(replay) {}

  absl::StatusOr<RecoveredLog> run() {
    SLUICE_RETURN_IF_ERROR(disk_.sync_dir(dir_));
    SLUICE_ASSIGN_OR_RETURN(log_.identity, read_identity(disk_, dir_));
    SLUICE_RETURN_IF_ERROR(find_segments());
    SLUICE_RETURN_IF_ERROR(check_links());
    SLUICE_RETURN_IF_ERROR(check_identity());
    for (size_t i = 0; i + 1 < active_.size(); ++i)
      SLUICE_RETURN_IF_ERROR(scan_closed(active_[i], *active_[i + 1].header));
    if (!active_.empty()) SLUICE_RETURN_IF_ERROR(scan_last(active_.back()));
    return std::move(log_);
  }

 private:
  fs::path path(uint32_t sequence) const { return dir_ / segment_file_name(sequence); }

  // Certainly without a record: a log of the former format has no such knowledge.
  [[nodiscard]] bool never_used(uint32_t sequence) const {
    return log_.identity && sequence > log_.identity->last_segment;
  }

  absl::Status find_segments() {
    SLUICE_ASSIGN_OR_RETURN(const std::vector<std::string> names, disk_.list(dir_));
    std::optional<uint32_t> first, before, missing;
    bool waiting = false;
    for (const std::string& name : names) {  // sorted: fixed-width names, so in order of their sequence
      const auto sequence = parse_segment_file_name(name);
      if (!sequence) continue;
      if (before && *sequence != *before + 1 && !missing) missing = *before + 1;
      if (missing && !never_used(*missing))
        return damaged(path(*missing), 0, fmt::format("the file is missing, {} is there", name));
      if (!first) first = sequence;
      before = sequence;
      SLUICE_ASSIGN_OR_RETURN(Found found, look_at(*sequence));
      if (found.header && missing)
        return damaged(path(*missing), 0, fmt::format("the file is missing, {} is in use", name));
      if (found.header && waiting)
        return damaged(path(*sequence - 1), 0, "the segment header is gone, a later segment is in use");
      waiting = !found.header;
      if (found.header) active_.push_back(std::move(found));
    }
    if (first && active_.empty() && *first != 1 && !never_used(*first - 1))
      return damaged(path(*first - 1), 0, "the file is missing, prepared segments follow it");
    if (!active_.empty()) log_.next_sequence = active_.back().sequence + 1;
    if (!never_used(log_.next_sequence) && log_.identity)
      return damaged(
          path(log_.next_sequence), 0,
          fmt::format("{}, and the log was in use up to segment {}",
                      waiting ? "the segment header is gone" : "the file is missing", log_.identity->last_segment));
    return absl::OkStatus();
  }

  absl::StatusOr<Found> look_at(uint32_t sequence) {
    // Not kept open: a log may have more segments than the process may have files.
    Found found{.sequence = sequence, .header = {}};
    SLUICE_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, disk_.open(path(sequence)));
    SLUICE_ASSIGN_OR_RETURN(const uint64_t bytes, file->size());
    AlignedBuffer front(2 * kBlockBytes);
    SLUICE_ASSIGN_OR_RETURN(const size_t got, file->read(0, front.span()));
    log_.bytes_read += got;
    // A segment gets this name only when it has its full size, so a short one was cut later. A spare is made again.
    if (got < front.size() && never_used(sequence)) return found;
    if (got < front.size()) return damaged(path(sequence), got, "the file ends within its first batch");
    auto header = decode_segment_header(front.span().first(kBlockBytes));
    if (absl::IsFailedPrecondition(header.status())) return annotate(header.status(), path(sequence).string());
    // It lies in one sector, so no crash tears it.
    if (!header.ok()) return damaged(path(sequence), 0, message_of(header.status()));
    found.header = *header;
    if (!found.header && !is_all_zero(front.span().subspan(kBlockBytes)))
      return damaged(path(sequence), 0, "the segment header is gone, batches are there");
    if (found.header && found.header->sequence != sequence)
      return damaged(path(sequence), 0, fmt::format("the header is that of segment {}", found.header->sequence));
    if (found.header && found.header->segment_bytes != bytes)
      return damaged(path(sequence), bytes,
                     fmt::format("the file has {} bytes, its header says {}", bytes, found.header->segment_bytes));
    return found;
  }

  // Cluster, batch sequence and chain from one segment to the next are checked where the scans meet the headers.
  absl::Status check_links() {
    for (size_t i = 0; i < active_.size(); ++i) {
      const SegmentHeader& header = *active_[i].header;
      if (log_.cluster_id == 0) log_.cluster_id = header.cluster_id;
      if (header.cluster_id != log_.cluster_id)
        return absl::FailedPreconditionError(fmt::format(
            "{} belongs to cluster {}, the segments before it to {}; put files of one cluster into one folder",
            path(header.sequence).string(), header.cluster_id, log_.cluster_id));
      const uint32_t previous = header.previous_end.segment();
      if (i == 0 && previous != 0)
        return damaged(path(header.sequence - 1), 0, "the file is missing, a later segment follows it");
      if (i > 0 && previous + 1 != header.sequence)
        return damaged(path(header.sequence), 0, fmt::format("the header says it follows {}", header.previous_end));
    }
    return absl::OkStatus();
  }

  // The first segment is the one that the log was born with, and the chain ties all others to it.
  absl::Status check_identity() {
    if (!log_.identity || active_.empty() || active_.front().header->salt == log_.identity->birth_id)
      return absl::OkStatus();
    return absl::DataLossError(fmt::format(
        "{}: the segments are those of another log, born as {:016x}; this one is {:016x}. {}",
        path(active_.front().sequence).string(), active_.front().header->salt, log_.identity->birth_id, kWhatToDo));
  }

  absl::StatusOr<SegmentScanner::Result> scan(SegmentScanner& scanner, const Found& segment, uint32_t until) {
    const uint64_t before = scanner.bytes_read();
    auto result = scanner.scan(until, replay_);
    log_.bytes_read += scanner.bytes_read() - before;
    if (absl::IsUnavailable(result.status()))
      return annotate(result.status(),
                      "the log can't be read; this is no torn write and nothing was changed; look at the device");
    if (!result.ok()) return result.status();
    log_.segments.push_back({.sequence = segment.sequence,
                             .salt = segment.header->salt,
                             .batch_bytes_max = segment.header->batch_bytes_max,
                             .end = result->end});
    LogTail& tail = log_.tail;
    tail.end = LogPosition(segment.sequence, result->end);
    if (result->data_end != 0) tail.data_end = LogPosition(segment.sequence, result->data_end);
    tail.recorded = std::max(tail.recorded, result->durable);
    tail.next_batch_sequence = result->next_batch_sequence;
    tail.last_hash = result->last_hash;
    tail.salt = segment.header->salt;
    tail.segment_bytes = segment.header->segment_bytes;
    tail.batch_bytes_max = segment.header->batch_bytes_max;
    return result;
  }

  // Everything up to where its successor began was durable; what lies behind was torn and is nobody's.
  absl::Status scan_closed(const Found& segment, const SegmentHeader& successor) {
    SLUICE_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, disk_.open(path(segment.sequence)));
    SegmentScanner scanner(*file, *segment.header);
    const uint32_t until = successor.previous_end.offset();
    if (until < kSegmentDataStart || until > segment.header->data_end())
      return damaged(path(successor.sequence), 0, fmt::format("the header says it follows {}", successor.previous_end));
    SLUICE_ASSIGN_OR_RETURN(const auto result, scan(scanner, segment, until));
    if (!result.stopped_because.ok())
      return damaged(path(segment.sequence), result.end, message_of(result.stopped_because));
    if (result.next_batch_sequence != successor.first_batch_sequence || result.last_hash != successor.previous_hash)
      return damaged(path(successor.sequence), 0,
                     fmt::format("it doesn't follow the last batch of segment {}", segment.sequence));
    return absl::OkStatus();
  }

  absl::Status scan_last(const Found& segment) {
    // What a read returns may still be in a volatile cache alone; the next crash must not take back what is served from
    // now on.
    SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<DiskFile> file, disk_.open(path(segment.sequence)));
    SLUICE_RETURN_IF_ERROR(file->sync());
    SegmentScanner scanner(*file, *segment.header);
    SLUICE_ASSIGN_OR_RETURN(const auto result, scan(scanner, segment, segment.header->data_end()));
    const uint64_t before = scanner.bytes_read();
    SLUICE_ASSIGN_OR_RETURN(const auto remains, scanner.look_behind(result.end));
    log_.bytes_read += scanner.bytes_read() - before;

    const TailFacts facts{.stopped_at = log_.tail.end,
                          .durable = std::max({log_.tail.recorded, remains.durable,
                                               log_.identity ? log_.identity->durable : LogPosition()}),
                          .zero_behind = remains.zero};
    log_.verdict = judge_tail(facts);
    if (log_.verdict == TailVerdict::damaged)
      return damaged(
          path(segment.sequence), result.end,
          fmt::format("{}; the log was durable up to {}",
                      result.stopped_because.ok() ? "no batch" : message_of(result.stopped_because), facts.durable));
    if (log_.verdict == TailVerdict::torn) log_.torn_because = std::string(message_of(result.stopped_because));
    if (log_.verdict == TailVerdict::clean) log_.tail.appendable = std::move(file);
    return absl::OkStatus();
  }

  Disk& disk_;
  const fs::path& dir_;
  const Replay& replay_;
  std::vector<Found> active_;
  RecoveredLog log_;
};

}  // namespace

TailVerdict judge_tail(const TailFacts& facts) {
  if (facts.stopped_at < facts.durable) return TailVerdict::damaged;
  return facts.zero_behind ? TailVerdict::clean : TailVerdict::torn;
}

LogIdentity identity_of(const RecoveredLog& log, uint64_t fresh_birth_id) {
  LogIdentity identity = log.identity.value_or(LogIdentity{});
  if (identity.birth_id == 0) identity.birth_id = log.segments.empty() ? fresh_birth_id : log.segments.front().salt;
  identity.last_segment = log.next_sequence - 1;
  return identity;
}

absl::StatusOr<RecoveredLog> recover_log(Disk& disk, const fs::path& dir, const Replay& replay) {
  return Recovery(disk, dir, replay).run();
}

}  // namespace sluice::storage
