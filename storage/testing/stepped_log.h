// For tests: a log's pieces without their threads, on a simulated disk, so that a seed decides all; and the checker of
// what survives.
#pragma once

#include <deque>
#include <memory>
#include <random>
#include <string>

#include "base/record.h"
#include "base/status.h"
#include "storage/log_writer.h"
#include "storage/recovery.h"
#include "storage/segment/segment_directory.h"
#include "storage/segment/segment_preparer.h"
#include "storage/testing/simulated_disk.h"

namespace sluice::storage {

inline const std::filesystem::path kSteppedDir = "/sim/log";

class SteppedLog {
 public:
  struct Options {
    uint64_t seed = 1;
    uint32_t segment_bytes = 64u << 10;
    uint32_t batch_bytes_max = 16u << 10;
    uint64_t constant_salt = 0;  // 0: random ones
    uint32_t segments_ahead = 1;
  };
  SteppedLog(SimulatedDisk& disk, Options options) : disk_(disk), options_(options), random_(options.seed) {
    (void)disk_.create_dir(kSteppedDir);  // the simulated one can't fail
  }

  // Of the lives to come.
  void set_sizes(uint32_t segment_bytes, uint32_t batch_bytes_max) {
    options_.segment_bytes = segment_bytes;
    options_.batch_bytes_max = batch_bytes_max;
  }

  // Ends this life, recovers, and goes on with what is there.
  absl::Status open() {
    writer_.reset();
    preparer_.reset();
    recovered_.clear();
    auto log = recover_log(disk_, kSteppedDir, [this](const DurableRun& run) {
      recovered_ += as_text(run.records);
      return absl::OkStatus();
    });
    SLUICE_RETURN_IF_ERROR(log.status());
    verdict_ = log->verdict;
    directory_ = std::make_unique<SegmentDirectory>();
    uint32_t previous_end = 0;
    for (const SegmentEntry& entry : log->segments) {
      directory_->add({.sequence = entry.sequence, .salt = entry.salt, .batch_bytes_max = entry.batch_bytes_max},
                      previous_end);
      previous_end = entry.end;
    }
    preparer_ = std::make_unique<SegmentPreparer>(
        disk_, SegmentPreparer::Options{.dir = kSteppedDir,
                                        .segment_bytes = options_.segment_bytes,
                                        .ahead_bytes = uint64_t{options_.segments_ahead} * options_.segment_bytes,
                                        .first_sequence = log->next_sequence});
    if (!fits(log->tail, options_.segment_bytes, options_.batch_bytes_max)) log->tail.appendable = nullptr;
    if (log->tail.appendable != nullptr)
      preparer_->adopt(log->tail.end.segment(), log->tail.appendable, log->tail.end.offset());
    const uint64_t fresh_birth_id = options_.constant_salt != 0 ? options_.constant_salt : random_() | 1;
    SLUICE_ASSIGN_OR_RETURN(identity_, IdentityFile::open(disk_, kSteppedDir, identity_of(*log, fresh_birth_id)));
    writer_ = std::make_unique<LogWriter>(
        LogWriter::Options{
            .cluster_id = 7,
            .segment_bytes = options_.segment_bytes,
            .batch_bytes_max = options_.batch_bytes_max,
            .new_salt = [this] { return options_.constant_salt != 0 ? options_.constant_salt : random_() | 1; }},
        *preparer_, *directory_, *identity_, std::move(log->tail));
    return writer_->ensure_segment();
  }

  // One batch a call to the writer, until all is durable. `submitted` and `acked` grow as the promise does.
  absl::Status write(const std::string& run) {
    std::deque<PendingRun> pending;
    pending.push_back({.ticket = 1, .records = run});
    submitted_ += run;
    while (!pending.empty()) {
      const auto written = writer_->write_next(pending);
      if (absl::IsResourceExhausted(written.status())) continue;  // a passing shortage
      SLUICE_RETURN_IF_ERROR(written.status());
      acked_bytes_ += written->run.records.size();
    }
    return absl::OkStatus();
  }
  absl::Status watermark() {
    return unless_short(writer_->needs_watermark() ? writer_->write_watermark() : absl::OkStatus());
  }
  absl::Status prepare() { return unless_short(preparer_->step().status()); }

  // What is wrong with what open() found; empty: nothing. Then takes it as the truth to go on from.
  std::string check() {
    if (recovered_.size() < acked_bytes_)
      return fmt::format("{} bytes were acknowledged, {} are there", acked_bytes_, recovered_.size());
    if (recovered_.size() > submitted_.size())
      return fmt::format("{} bytes were submitted, {} are there", submitted_.size(), recovered_.size());
    if (submitted_.compare(0, recovered_.size(), recovered_) != 0) return "what is there is not what was submitted";
    submitted_ = recovered_;
    acked_bytes_ = recovered_.size();
    return "";
  }

  [[nodiscard]] const std::string& recovered() const { return recovered_; }
  [[nodiscard]] const std::string& submitted() const { return submitted_; }
  [[nodiscard]] TailVerdict verdict() const { return verdict_; }
  [[nodiscard]] LogWriter& writer() { return *writer_; }
  [[nodiscard]] static std::filesystem::path file(uint32_t segment) { return kSteppedDir / segment_file_name(segment); }

 private:
  static absl::Status unless_short(absl::Status status) {
    return absl::IsResourceExhausted(status) ? absl::OkStatus() : std::move(status);
  }

  SimulatedDisk& disk_;
  Options options_;
  std::mt19937_64 random_;
  std::unique_ptr<SegmentDirectory> directory_;
  std::unique_ptr<IdentityFile> identity_;
  std::unique_ptr<SegmentPreparer> preparer_;
  std::unique_ptr<LogWriter> writer_;
  TailVerdict verdict_ = TailVerdict::clean;
  std::string recovered_, submitted_;
  size_t acked_bytes_ = 0;
};

}  // namespace sluice::storage
