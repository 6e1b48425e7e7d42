#include "net/tidb/recording_reader.h"

#include <algorithm>
#include <array>

#include "base/status.h"
#include "net/tidb/binlog.pb.h"
#include "net/tidb/byte_source.h"
#include "net/tidb/pump.pb.h"

namespace sluice::net {
namespace {

// How far a frame's claimed length is believed at a time.
constexpr size_t kReadStepBytes = 1u << 20;

std::optional<BinlogStep> step_of(binlog::BinlogType type) {
  switch (type) {
    case binlog::Prewrite:
      return BinlogStep::prewrite;
    case binlog::Commit:
      return BinlogStep::commit;
    case binlog::Rollback:
      return BinlogStep::rollback;
    default:
      return std::nullopt;
  }
}

class Reader final : public RecordingReader {
 public:
  Reader(std::string path, RecordingOptions options, std::unique_ptr<ByteSource> source)
      : path_(std::move(path)), options_(options), source_(std::move(source)) {}

  absl::StatusOr<std::optional<RecordedBinlog>> next() override {
    std::string frame;
    SLUICE_ASSIGN_OR_RETURN(const bool more, read_frame(frame));
    if (!more) return std::optional<RecordedBinlog>();
    binlog::WriteBinlogReq request;
    if (!request.ParseFromString(frame)) return bad("isn't a WriteBinlogReq: this is no recording of a pump");
    SLUICE_RETURN_IF_ERROR(check_cluster(request.clusterid()));
    SLUICE_ASSIGN_OR_RETURN(RecordedBinlog binlog, decode(std::move(*request.mutable_payload())));
    frame_offset_ += sizeof(uint32_t) + frame.size();
    return std::optional<RecordedBinlog>(std::move(binlog));
  }

  uint64_t cluster_id() const override { return cluster_id_; }

 private:
  // False at the clean end of the file.
  absl::StatusOr<bool> read_frame(std::string& frame) {
    std::array<std::byte, sizeof(uint32_t)> length_bytes{};
    SLUICE_ASSIGN_OR_RETURN(const size_t got, source_->read(length_bytes));
    if (got == 0) return false;
    if (got < length_bytes.size()) return truncated(length_bytes.size(), got);
    const auto length = load_le<uint32_t>(length_bytes.data());
    if (length > options_.frame_bytes_max)
      return bad(
          fmt::format("claims {} bytes, more than the {} a binlog may have: this is no recording of a pump, or damaged",
                      length, options_.frame_bytes_max));
    while (frame.size() < length) {
      const size_t before = frame.size();
      const size_t step = std::min(kReadStepBytes, length - before);
      frame.resize(before + step);
      SLUICE_ASSIGN_OR_RETURN(const size_t here,
                              source_->read({reinterpret_cast<std::byte*>(frame.data()) + before, step}));
      if (here < step) return truncated(length, before + here);
    }
    return true;
  }

  absl::StatusOr<RecordedBinlog> decode(std::string payload) const {
    binlog::Binlog message;
    if (!message.ParseFromString(payload)) return bad("holds a payload that isn't a Binlog message");
    const std::optional<BinlogStep> step = step_of(message.tp());
    if (!step) return bad(fmt::format("is of the obsolete binlog type {}", binlog::BinlogType_Name(message.tp())));
    if (message.start_ts() <= 0) return bad(fmt::format("has start ts {}", message.start_ts()));
    if (*step == BinlogStep::commit && message.commit_ts() <= message.start_ts())
      return bad(fmt::format("commits start ts {} at {}, which isn't later", message.start_ts(), message.commit_ts()));
    RecordedBinlog binlog;
    binlog.step = *step;
    binlog.start = StartTs(static_cast<uint64_t>(message.start_ts()));
    if (*step == BinlogStep::commit) binlog.commit = CommitTs(static_cast<uint64_t>(message.commit_ts()));
    if (*step == BinlogStep::prewrite) binlog.payload = std::move(payload);
    return binlog;
  }

  absl::Status check_cluster(uint64_t id) {
    if (id == 0) return bad("names no cluster: this is no recording of a pump");
    if (cluster_id_ != 0 && id != cluster_id_)
      return bad(fmt::format("is of cluster {}, those before it of {}; a recording has one cluster", id, cluster_id_));
    cluster_id_ = id;
    return absl::OkStatus();
  }

  absl::Status truncated(size_t wanted, size_t got) const {
    return bad(fmt::format("is cut off after {} of {} bytes: fetch the file again, or it is no recording of a pump",
                           got, wanted));
  }
  absl::Status bad(std::string_view what) const {
    return absl::InvalidArgumentError(fmt::format("{}: the frame at byte {} {}", path_, frame_offset_, what));
  }

  std::string path_;
  RecordingOptions options_;
  std::unique_ptr<ByteSource> source_;
  uint64_t frame_offset_ = 0;  // of the frame being read, in the decompressed file
  uint64_t cluster_id_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RecordingReader>> RecordingReader::open(const std::string& path,
                                                                       RecordingOptions options) {
  SLUICE_ASSIGN_OR_RETURN(auto source, ByteSource::open(path));
  return std::make_unique<Reader>(path, options, std::move(source));
}

absl::StatusOr<RecordingSurvey> survey_recording(const std::string& path, RecordingOptions options) {
  SLUICE_ASSIGN_OR_RETURN(auto reader, RecordingReader::open(path, options));
  RecordingSurvey survey;
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const std::optional<RecordedBinlog> binlog, reader->next());
    if (!binlog) break;
    ++survey.binlogs;
    survey.largest = std::max({survey.largest, any_ts(binlog->start), any_ts(binlog->commit)});
  }
  survey.cluster_id = reader->cluster_id();
  if (survey.binlogs == 0) return absl::InvalidArgumentError(fmt::format("{} holds no binlog", path));
  return survey;
}

}  // namespace sluice::net
