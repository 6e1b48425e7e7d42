#include "drainer/pull/transaction_assembler.h"

#include <utility>

#include "base/checksum.h"
#include "base/status.h"

namespace sluice::drainer::pull {

absl::Status TransactionAssembler::feed(ByteSpan run, const Emit& emit) {
  // The net room has checked every body's hash when the run arrived.
  return for_each_record(run, {.verify_body = false}, [&](const RecordView& record) { return take(record, emit); });
}

void TransactionAssembler::reset() {
  start_ts_ = StartTs();
  commit_ts_ = CommitTs();
  payload_.reset();
  wire_bytes_ = 0;
}

absl::Status TransactionAssembler::take(const RecordView& record, const Emit& emit) {
  const RecordHeader& h = record.header;
  if (h.kind == RecordKind::commit || h.kind == RecordKind::decided_commit) return begin(record);
  if (!h.is_payload())
    return absl::DataLossError(fmt::format("the pump sent a record of kind {} (start ts {}), which pulls don't have",
                                           static_cast<int>(h.kind), h.start_ts));
  if (!is_partial() || h.start_ts != start_ts_.value)
    return absl::DataLossError(
        fmt::format("the pump sent the prewrite of start ts {} where that of start ts {} (commit ts {}) was due",
                    h.start_ts, start_ts_, commit_ts_));
  wire_bytes_ += record.bytes.size();
  if (h.kind == RecordKind::prewrite_part) {
    SLUICE_RETURN_IF_ERROR(append_part(record));
  } else {
    if (payload_)
      return absl::DataLossError(fmt::format("start ts {}: a whole prewrite after parts of one", start_ts_));
    payload_ = std::make_shared<std::string>(as_text(record.body));
  }
  return h.completes_prewrite() ? finish(h.format, emit) : absl::OkStatus();
}

absl::Status TransactionAssembler::begin(const RecordView& record) {
  if (is_partial())
    return absl::DataLossError(fmt::format("the pump sent commit ts {} before the prewrite of commit ts {} was whole",
                                           record.header.commit_ts, commit_ts_));
  start_ts_ = StartTs(record.header.start_ts);
  commit_ts_ = CommitTs(record.header.commit_ts);
  wire_bytes_ = record.bytes.size();
  return absl::OkStatus();
}

absl::Status TransactionAssembler::append_part(const RecordView& record) {
  const RecordHeader& h = record.header;
  if (!payload_) {
    payload_ = std::make_shared<std::string>();
    payload_->reserve(h.whole_bytes);  // address space only, pages come as parts do; decode_record() bounds it
  }
  if (h.part_offset != payload_->size())
    return absl::DataLossError(
        fmt::format("start ts {}: part at offset {} where {} was due", start_ts_, h.part_offset, payload_->size()));
  payload_->append(as_text(record.body));
  if (payload_->size() > h.whole_bytes)
    return absl::DataLossError(
        fmt::format("start ts {}: {} bytes of a payload of {}", start_ts_, payload_->size(), h.whole_bytes));
  if ((h.flags & kPartLast) == 0) return absl::OkStatus();
  if (const uint64_t hash = xxh3(as_bytes(*payload_)); hash != h.whole_hash)
    return absl::DataLossError(
        fmt::format("payload of start ts {} ({} bytes in parts) hashes to {:016x}, its writer said {:016x}", start_ts_,
                    payload_->size(), hash, h.whole_hash));
  return absl::OkStatus();
}

absl::Status TransactionAssembler::finish(PayloadFormat format, const Emit& emit) {
  merge::PulledTransaction whole{.start_ts = start_ts_,
                                 .commit_ts = commit_ts_,
                                 .format = format,
                                 .payload = std::move(payload_),
                                 .wire_bytes = wire_bytes_};
  reset();
  return emit(std::move(whole));
}

}  // namespace sluice::drainer::pull
