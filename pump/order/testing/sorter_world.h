// A sorter with a log and an oracle around it, and the definition of docs/architecture.md written down naively to hold
// it against.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "pump/order/sorter.h"

namespace sluice::pump {

class SorterWorld {
 public:
  explicit SorterWorld(SorterOptions options = {}) : options_(options) { restart(); }

  [[nodiscard]] uint64_t next_ts() { return ++clock_; }

  Admission prewrite(uint64_t start, uint64_t body_hash = 0) {
    return admit({.kind = RecordKind::prewrite,
                  .format = PayloadFormat::tidb,
                  .body_bytes = 8,
                  .start_ts = start,
                  .body_hash = body_hash});
  }
  // Part `i` of `count`, each of one full body but the last.
  Admission part(uint64_t start, uint32_t i, uint32_t count, uint64_t whole_hash = 7) {
    const bool last = i + 1 == count;
    return admit({.kind = RecordKind::prewrite_part,
                  .format = PayloadFormat::tidb,
                  .flags = static_cast<uint16_t>((i == 0 ? kPartFirst : 0) | (last ? kPartLast : 0)),
                  .body_bytes = last ? 8 : kRecordBodyBytesMax,
                  .start_ts = start,
                  .whole_hash = whole_hash,
                  .part_offset = i * kRecordBodyBytesMax,
                  .whole_bytes = (count - 1) * kRecordBodyBytesMax + 8});
  }
  Admission commit(uint64_t start, uint64_t commit) {
    return admit({.kind = RecordKind::commit, .start_ts = start, .commit_ts = commit});
  }
  Admission rollback(uint64_t start) { return admit({.kind = RecordKind::rollback, .start_ts = start}); }
  Admission stray(uint64_t start, uint64_t commit) {
    return admit({.kind = RecordKind::stray, .start_ts = start, .commit_ts = commit});
  }
  Admission progress(uint64_t ts) { return admit({.kind = RecordKind::progress, .start_ts = ts}); }

  // As ingest does it: a published answer is in the log before a prewrite that follows it.
  Admission admit(const RecordHeader& header) {
    if (const auto published = sorter_->unpersisted_publish(); published && header.completes_prewrite()) {
      const RecordHeader kept{.kind = RecordKind::progress, .start_ts = published->value};
      EXPECT_TRUE(sorter_->admit(kept).accepted());
      log_.push_back(kept);
    }
    Admission admission = sorter_->admit(header);
    if (admission.accepted()) log_.push_back(header);
    sorter_->keep();
    return admission;
  }
  // As admit(), but the log doesn't take it.
  void admit_and_withdraw(const RecordHeader& header) {
    if (sorter_->unpersisted_publish() && header.completes_prewrite()) return;
    (void)sorter_->admit(header);  // whatever it says is taken back
    sorter_->withdraw();
  }

  [[nodiscard]] bool can_settle() const { return durable_ < log_.size(); }
  // Makes the next `count` records durable in one event.
  void settle(size_t count = 1) {
    for (; count > 0 && can_settle(); --count, ++durable_) sorter_->durable(position_of(durable_), log_[durable_]);
    take_ordered();
    check();
  }
  void settle_all() { settle(log_.size()); }
  [[nodiscard]] bool is_durable_prewrite(uint64_t start) const {
    return std::any_of(log_.begin(), log_.begin() + static_cast<ptrdiff_t>(durable_),
                       [&](const RecordHeader& h) { return h.start_ts == start && h.completes_prewrite(); });
  }

  bool publish() { return publish(next_ts()); }
  bool publish(uint64_t answer) {
    const ResolvedTs ts(answer);
    const bool done = sorter_->publish(any_ts(ts));
    if (done) life_published_ = std::max(life_published_, ts);
    promised_ = std::max(promised_, sorter_->resolved());
    return done;
  }

  // Loses what isn't durable and replays the rest through the same two steps.
  void restart() {
    log_.resize(durable_);
    index_ = std::make_unique<storage::TsoIndex>();
    sorter_ = std::make_unique<Sorter>(*index_, options_);
    emitted_.clear();
    life_published_ = ResolvedTs();
    for (size_t i = 0; i < durable_; ++i) {
      const Admission admission = sorter_->admit(log_[i]);
      ASSERT_TRUE(admission.accepted()) << "replay refuses what was accepted: " << admission.text;
      sorter_->keep();
      sorter_->durable(position_of(i), log_[i]);
      take_ordered();
    }
    check();
  }

  // Compares the sorter with the definition over the durable prefix.
  void check() {
    const ResolvedTs resolved = defined_resolved();
    ASSERT_EQ(sorter_->resolved(), std::max(resolved, life_published_));  // as high as the definition allows
    ASSERT_EQ(emitted_, defined_order(resolved));
  }

  [[nodiscard]] Sorter& sorter() { return *sorter_; }
  [[nodiscard]] const std::vector<std::pair<uint64_t, uint64_t>>& emitted() const { return emitted_; }
  [[nodiscard]] ResolvedTs promised() const { return promised_; }  // to pullers, in any life
  [[nodiscard]] const std::vector<RecordHeader>& log() const { return log_; }
  [[nodiscard]] const storage::TsoIndex& index() const { return *index_; }

  // R by its definition: the smallest bound of a prewrite without an end after it, or the largest timestamp.
  [[nodiscard]] ResolvedTs defined_resolved() const {
    uint64_t largest = 0;
    uint64_t bound_min = UINT64_MAX;
    for (size_t i = 0; i < durable_; ++i) {
      largest = std::max({largest, log_[i].start_ts, log_[i].commit_ts});
      if (!log_[i].completes_prewrite()) continue;
      const bool ended =
          std::any_of(log_.begin() + static_cast<ptrdiff_t>(i) + 1, log_.begin() + static_cast<ptrdiff_t>(durable_),
                      [&](const RecordHeader& h) {
                        return h.start_ts == log_[i].start_ts && !h.is_payload() && h.kind != RecordKind::progress;
                      });
      if (!ended) bound_min = std::min(bound_min, largest);
    }
    return ResolvedTs(bound_min == UINT64_MAX ? largest : bound_min);
  }

 private:
  static LogPosition position_of(size_t i) { return LogPosition(1, static_cast<uint32_t>(4096 + i)); }

  // All committed transactions at or below `resolved`, once each, by commit ts.
  [[nodiscard]] std::vector<std::pair<uint64_t, uint64_t>> defined_order(ResolvedTs resolved) const {
    std::set<std::pair<uint64_t, uint64_t>> order;
    for (size_t i = 0; i < durable_; ++i)
      if (log_[i].kind == RecordKind::commit && log_[i].commit_ts <= resolved.value)
        order.emplace(log_[i].commit_ts, log_[i].start_ts);
    return {order.begin(), order.end()};
  }

  void take_ordered() {
    const std::vector<storage::OrderEntry> entries = sorter_->advance();
    index_->append(entries);
    for (const storage::OrderEntry& entry : entries) {
      const std::pair<uint64_t, uint64_t> now{entry.commit_ts.value, entry.start_ts.value};
      ASSERT_TRUE(emitted_.empty() || now > emitted_.back()) << "INV-2";
      if (ever_emitted_.insert(now).second) {
        ASSERT_GT(now.first, promised_.value) << "INV-3";
      }
      const RecordHeader& prewrite = log_[entry.prewrite.offset() - 4096];
      ASSERT_EQ(prewrite.start_ts, now.second);
      ASSERT_TRUE(prewrite.kind == RecordKind::prewrite || (prewrite.flags & kPartFirst) != 0);
      emitted_.push_back(now);
    }
    promised_ = std::max(promised_, sorter_->resolved());
  }

  SorterOptions options_;
  uint64_t clock_ = 100;
  std::vector<RecordHeader> log_;
  size_t durable_ = 0;
  std::unique_ptr<storage::TsoIndex> index_;
  std::unique_ptr<Sorter> sorter_;
  std::vector<std::pair<uint64_t, uint64_t>> emitted_;    // in this life
  std::set<std::pair<uint64_t, uint64_t>> ever_emitted_;  // in any life
  ResolvedTs promised_;                                   // in any life
  ResolvedTs life_published_;                             // the last oracle answer that this life published
};

}  // namespace sluice::pump
