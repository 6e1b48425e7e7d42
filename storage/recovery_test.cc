// Damage of every kind to a small log: it is found and named, or it provably changes nothing.
#include "storage/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/testing/log_fixture.h"
#include "storage/testing/stepped_log.h"

namespace sluice::storage {
namespace {

using testing::HasSubstr;

TEST(JudgeTail, TellsTornFromDamagedByTheDurablePosition) {
  const LogPosition before(1, 4096), at(1, 8192), behind(1, 12288);
  const auto judge = [&](LogPosition durable, bool zero) {
    return judge_tail({.stopped_at = at, .durable = durable, .zero_behind = zero});
  };
  EXPECT_EQ(judge(before, true), TailVerdict::clean);
  EXPECT_EQ(judge(at, true), TailVerdict::clean);
  EXPECT_EQ(judge(behind, true), TailVerdict::damaged);  // a lost tail
  EXPECT_EQ(judge(before, false), TailVerdict::torn);
  EXPECT_EQ(judge(at, false), TailVerdict::torn);
  EXPECT_EQ(judge(behind, false), TailVerdict::damaged);
}

class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest() : disk_({.seed = 3}), log_(disk_, {}) {
    EXPECT_TRUE(log_.open().ok());
    for (uint64_t i = 1; i <= 3; ++i) write(i);
  }

  void write(uint64_t start, size_t bytes = 3) {
    EXPECT_TRUE(log_.write(prewrite(start, std::string(bytes, 'x')) + commit(start, start + 1)).ok());
  }
  void watermark() { EXPECT_TRUE(log_.watermark().ok()); }
  std::string content(uint32_t segment = 1) { return disk_.content(SteppedLog::file(segment)); }
  void put(std::string bytes, uint32_t segment = 1) { disk_.set_content(SteppedLog::file(segment), std::move(bytes)); }
  // Fails to open with DATA_LOSS, says so usefully, and has changed nothing.
  void expect_damage(std::string_view what, uint32_t segment = 1) {
    const std::string before = content(segment);
    const absl::Status status = log_.open();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(what)));
    EXPECT_THAT(std::string(status.message()), HasSubstr("Nothing was changed"));
    EXPECT_TRUE(content(segment) == before);
  }

  SimulatedDisk disk_;
  SteppedLog log_;
};

TEST_F(RecoveryTest, ANewFolderIsEmptyAndClean) {
  SimulatedDisk disk({.seed = 1});
  SteppedLog log(disk, {});
  ASSERT_TRUE(log.open().ok());
  EXPECT_EQ(log.recovered(), "");
}

TEST_F(RecoveryTest, ABadBatchBelowTheDurablePositionIsDamageAndIsNamed) {
  disk_.flip_bit(SteppedLog::file(1), kSegmentDataStart + 100, 0);
  expect_damage("segment-00000001.log, offset 4096");
}

TEST_F(RecoveryTest, ABadLastBatchWithoutAWatermarkLooksTorn) {
  // The documented window of INV-5: nothing on disk proves that the last batch was acknowledged.
  disk_.flip_bit(SteppedLog::file(1), kSegmentDataStart + 2 * kBlockBytes + 100, 0);
  ASSERT_TRUE(log_.open().ok());
  EXPECT_EQ(log_.verdict(), TailVerdict::torn);
}

TEST_F(RecoveryTest, ABadLastBatchUnderAWatermarkIsDamage) {
  watermark();
  disk_.flip_bit(SteppedLog::file(1), kSegmentDataStart + 2 * kBlockBytes + 100, 0);
  expect_damage("offset 12288");
}

TEST_F(RecoveryTest, AZeroedBatchUnderAWatermarkIsDamage) {
  watermark();
  std::string bytes = content();
  bytes.replace(kSegmentDataStart + kBlockBytes, kBlockBytes, kBlockBytes, '\0');
  put(bytes);
  expect_damage("offset 8192");
}

TEST_F(RecoveryTest, SwappedBatchesAreDamage) {
  watermark();
  std::string bytes = content();
  std::swap_ranges(bytes.begin() + 4096, bytes.begin() + 8192, bytes.begin() + 8192);
  put(bytes);
  expect_damage("offset 4096");
}

TEST_F(RecoveryTest, DamageInAnEarlierSegmentIsFound) {
  for (uint64_t i = 4; i < 30; ++i) write(i, 9000);
  ASSERT_GT(log_.writer().durable_end().segment(), 2u);
  disk_.flip_bit(SteppedLog::file(2), kSegmentDataStart + 5000, 3);
  expect_damage("segment-00000002.log, offset 4096", 2);
}

TEST_F(RecoveryTest, AMissingSegmentIsDamage) {
  for (uint64_t i = 4; i < 30; ++i) write(i, 9000);
  disk_.erase(SteppedLog::file(2));
  expect_damage("segment-00000002.log, offset 0: the file is missing");
}

TEST_F(RecoveryTest, AMissingFirstSegmentIsDamage) {
  for (uint64_t i = 4; i < 30; ++i) write(i, 9000);
  disk_.erase(SteppedLog::file(1));
  expect_damage("segment-00000001.log, offset 0: the file is missing", 2);
}

TEST_F(RecoveryTest, ALogThatLostItsEndIsDamage) {
  for (uint64_t i = 4; i < 30; ++i) write(i, 9000);
  const uint32_t last = log_.writer().durable_end().segment();
  ASSERT_GT(last, 3u);
  for (uint32_t s = 2; s <= last + 2; ++s) disk_.erase(SteppedLog::file(s));
  expect_damage("was in use up to segment");
}

TEST_F(RecoveryTest, ALogThatLostItsLastSegmentAloneIsDamage) {
  for (uint64_t i = 4; i < 30; ++i) write(i, 9000);
  disk_.erase(SteppedLog::file(log_.writer().durable_end().segment()));
  expect_damage("the file is missing");
}

TEST_F(RecoveryTest, ALogThatLostAllItsSegmentsIsDamage) {
  for (uint32_t s = 1; s <= 3; ++s) disk_.erase(SteppedLog::file(s));
  const absl::Status status = log_.open();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("was in use up to segment 1"));
}

TEST_F(RecoveryTest, TheSegmentsOfAnotherLogAreRefused) {
  SimulatedDisk other_disk({.seed = 9});
  SteppedLog other(other_disk, {.seed = 77});
  ASSERT_TRUE(other.open().ok());
  ASSERT_TRUE(other.write(prewrite(1, "of another")).ok());
  put(other_disk.content(SteppedLog::file(1)));
  expect_damage("another log");
}

TEST_F(RecoveryTest, AFolderOfTheFormerFormatTakesTheSaltOfItsFirstSegmentAsItsIdentity) {
  const auto born = read_identity(disk_, kSteppedDir);
  disk_.erase(kSteppedDir / kIdentityFileName);
  ASSERT_TRUE(log_.open().ok());
  EXPECT_EQ(log_.check(), "");
  const auto now = read_identity(disk_, kSteppedDir);
  ASSERT_TRUE(born.ok() && now.ok() && born->has_value() && now->has_value());
  EXPECT_EQ((*now)->birth_id, (*born)->birth_id);
  EXPECT_EQ((*now)->last_segment, 1u);
}

TEST_F(RecoveryTest, EveryFlippedByteOfTheIdentityIsRefused) {
  for (uint32_t offset = 0; offset < kBlockBytes; offset += offset < kIdentityBytes ? 1 : 61) {
    disk_.flip_bit(kSteppedDir / kIdentityFileName, offset, offset % 8);
    const absl::Status status = log_.open();
    EXPECT_TRUE(absl::IsDataLoss(status) || absl::IsFailedPrecondition(status)) << status << " offset " << offset;
    disk_.flip_bit(kSteppedDir / kIdentityFileName, offset, offset % 8);
  }
  EXPECT_TRUE(log_.open().ok());
}

TEST_F(RecoveryTest, ASpareThatWasCutShortOrRemovedIsReplaced) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(log_.prepare().ok());
  const std::string spare = content(2);
  put(spare.substr(0, 1000), 2);
  ASSERT_TRUE(log_.open().ok()) << log_.open();
  for (uint64_t i = 4; i < 30; ++i) write(i, 9000);
  ASSERT_TRUE(log_.open().ok());
  EXPECT_EQ(log_.check(), "");
}

TEST_F(RecoveryTest, EveryTruncationIsDamage) {
  watermark();
  const std::string whole = content();
  for (size_t bytes = 0; bytes < whole.size(); bytes += kSectorBytes) {
    put(whole.substr(0, bytes));
    expect_damage("segment-00000001.log");
  }
}

TEST_F(RecoveryTest, ANewerFormatIsRefusedByItsNumber) {
  std::string bytes = content();
  bytes[8] = 2;
  put(bytes);
  const absl::Status status = log_.open();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("format version 2"));
}

TEST_F(RecoveryTest, AReadErrorIsNotATornTail) {
  disk_.inject(SimulatedDisk::Call::read, 1, {.effect = SimulatedDisk::Effect::io_error, .sticky = true});
  const absl::Status status = log_.open();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  disk_.clear_faults();
  ASSERT_TRUE(log_.open().ok());
  EXPECT_EQ(log_.check(), "");
}

TEST_F(RecoveryTest, SyncsTheLastSegmentBeforeItTrustsIt) {
  const uint64_t before = disk_.calls(SimulatedDisk::Call::sync);
  ASSERT_TRUE(recover_log(disk_, kSteppedDir, [](const DurableRun&) { return absl::OkStatus(); }).ok());
  EXPECT_EQ(disk_.calls(SimulatedDisk::Call::sync), before + 1);
}

// Every byte of a small log whose end is proven: a flip is refused, or changes nothing of what is recovered.
TEST_F(RecoveryTest, EveryFlippedByteIsDetectedOrHarmless) {
  watermark();
  const std::string expected = log_.submitted();
  const uint32_t used = log_.writer().durable_end().offset();
  const auto recover = [&](std::string& out) {
    out.clear();
    return recover_log(disk_, kSteppedDir, [&](const DurableRun& run) {
      out += as_text(run.records);
      return absl::OkStatus();
    });
  };
  std::string recovered;
  uint64_t refused = 0;
  for (uint32_t offset = 0; offset < used; ++offset) {
    const unsigned bit = offset % 8;
    disk_.flip_bit(SteppedLog::file(1), offset, bit);
    const auto result = recover(recovered);
    if (result.ok()) {
      ASSERT_EQ(recovered, expected) << "offset " << offset;
    }
    refused += result.ok() ? 0 : 1;
    disk_.flip_bit(SteppedLog::file(1), offset, bit);
  }
  // All but the watermark itself, whose loss takes no record with it.
  EXPECT_EQ(refused, used - kBlockBytes);
}

TEST_F(RecoveryTest, FlipsBehindTheEndLoseNothing) {
  watermark();
  const std::string expected = log_.submitted();
  for (uint32_t offset = log_.writer().durable_end().offset(); offset < 64u << 10; offset += 509) {
    disk_.flip_bit(SteppedLog::file(1), offset, 1);
    std::string recovered;
    const auto result = recover_log(disk_, kSteppedDir, [&](const DurableRun& run) {
      recovered += as_text(run.records);
      return absl::OkStatus();
    });
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(recovered, expected);
    disk_.flip_bit(SteppedLog::file(1), offset, 1);
  }
}

}  // namespace
}  // namespace sluice::storage
