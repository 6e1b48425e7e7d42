// The whole log, threads included, on a simulated disk that fails on order; and the three back ends side by side.
#include <cstdlib>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/testing/log_fixture.h"
#include "storage/testing/simulated_disk.h"
#include "storage/testing/stepped_log.h"

namespace sluice::storage {
namespace {

using testing::HasSubstr;
using Call = SimulatedDisk::Call;
using Effect = SimulatedDisk::Effect;

class LogFault : public testing::Test {
 protected:
  LogFault() : disk_({.seed = 5}), log_(disk_, small_log_options("/sim/log")) { EXPECT_TRUE(log_.open().ok()); }

  // Without sleeping: the condition is bound to come.
  template <class Condition>
  static void until(Condition condition) {
    while (!condition()) std::this_thread::yield();
  }

  SimulatedDisk disk_;
  LogFixture log_;
};

TEST_F(LogFault, AFailedWriteMakesTheLogReadOnlyAndReadsGoOn) {
  const LogPosition position = log_.write(prewrite(1, "a"));
  until([&] { return log_.log().stats().watermarks == 1; });
  disk_.inject(Call::write_durable, 0, {.effect = Effect::io_error});
  ASSERT_TRUE(log_.log().append(prewrite(2, "b")).ok());
  EXPECT_TRUE(absl::IsUnavailable(log_.listener().wait_for_failure()));
  const absl::Status refused = log_.log().append(prewrite(3, "c")).status();
  EXPECT_TRUE(absl::IsUnavailable(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("Input/output error"));
  std::string out;
  EXPECT_TRUE(log_.log().read_prewrite(position, out).ok());
  EXPECT_FALSE(log_.log().close().ok());
  ASSERT_TRUE(log_.open().ok());
  EXPECT_EQ(log_.recovered(), prewrite(1, "a"));
}

TEST_F(LogFault, ShortWritesAreFinished) {
  disk_.inject(Call::write_durable, 0, {.effect = Effect::short_write});
  const std::string run = prewrite(1, std::string(200'000, 'a'));
  log_.write(run);
  ASSERT_TRUE(log_.open().ok());
  EXPECT_TRUE(log_.recovered() == run);
}

TEST_F(LogFault, AFullDiskRefusesRetryablyLosesNothingAndGoesOnByItself) {
  disk_.inject(Call::write_plain, 0, {.effect = Effect::no_space, .sticky = true});
  disk_.inject(Call::create, 0, {.effect = Effect::no_space, .sticky = true});
  std::string accepted;
  absl::Status refused;
  for (uint64_t i = 1; refused.ok() && i < 100; ++i) {
    const std::string run = prewrite(i, std::string(500'000, 'a'));
    const auto ticket = log_.log().append(run);
    refused = ticket.status();
    if (ticket.ok()) accepted += run;
    if (i > 40) std::this_thread::yield();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  disk_.clear_faults();
  absl::StatusOr<Ticket> ticket = refused;
  const std::string last = prewrite(200, "after");
  until([&] { return (ticket = log_.log().append(last)).ok(); });
  ASSERT_TRUE(log_.listener().wait_for(*ticket));
  EXPECT_TRUE(log_.listener().records() == accepted + last);
}

TEST_F(LogFault, ClosesOnAFullDisk) {
  disk_.inject(Call::write_plain, 0, {.effect = Effect::no_space, .sticky = true});
  disk_.inject(Call::create, 0, {.effect = Effect::no_space, .sticky = true});
  for (uint64_t i = 1; i < 40; ++i)
    if (!log_.log().append(prewrite(i, std::string(500'000, 'a'))).ok()) break;
  (void)log_.log().close();  // that it returns is the point; what it couldn't write was not acknowledged
  const std::string acked = log_.listener().records();
  disk_.clear_faults();
  ASSERT_TRUE(log_.open().ok());
  EXPECT_TRUE(log_.recovered().starts_with(acked));
}

TEST_F(LogFault, AnIdleLogRecordsItsDurablePositionOnceAndThenRests) {
  log_.write(prewrite(1, "a"));
  until([&] { return log_.log().stats().watermarks == 1; });
  log_.close();
  const uint64_t writes = disk_.calls(Call::write_durable);
  EXPECT_EQ(writes, 2u);
  ASSERT_TRUE(log_.open().ok());
  log_.close();
  EXPECT_EQ(disk_.calls(Call::write_durable), writes);
}

TEST(LogCounters, OneBatchIsOneDurableWriteAndNothingElse) {
  SimulatedDisk disk({.seed = 1});
  SteppedLog log(disk, {.segment_bytes = 1u << 20});
  ASSERT_TRUE(log.open().ok());
  const auto count = [&](Call call) { return disk.calls(call); };
  const std::vector<Call> others = {Call::write_plain, Call::read,     Call::sync,
                                    Call::create,      Call::sync_dir, Call::rename};
  std::vector<uint64_t> before, after;
  for (const Call call : others) before.push_back(count(call));
  for (uint64_t i = 1; i <= 50; ++i) ASSERT_TRUE(log.write(prewrite(i, "a") + commit(i, i + 1)).ok());
  for (const Call call : others) after.push_back(count(call));
  EXPECT_EQ(count(Call::write_durable), 50u);
  EXPECT_EQ(before, after);
  EXPECT_EQ(log.writer().stats().bytes_written, 50u * kBlockBytes);
}

TEST_F(LogFault, ADamagedRecordIsReportedToItsReaderAndNotServed) {
  const LogPosition position = log_.write(prewrite(1, "abcdefgh"));
  disk_.flip_bit("/sim/log/segment-00000001.log", position.offset() + 26, 2);
  std::string out;
  const absl::Status status = log_.log().read_prewrite(position, out);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("segment-00000001.log, offset 4192"));
  EXPECT_EQ(out, "");
}

TEST_F(LogFault, DamageIsReadOnceMoreBeforeItIsBelieved) {
  const LogPosition position = log_.write(prewrite(1, "abcdefgh"));
  const uint64_t reads = disk_.calls(Call::read);
  disk_.flip_bit("/sim/log/segment-00000001.log", position.offset() + 26, 2);
  std::string out;
  EXPECT_FALSE(log_.log().read_prewrite(position, out).ok());
  EXPECT_EQ(disk_.calls(Call::read), reads + 2);
}

TEST_F(LogFault, NeighboursAreServedFromOneLargeRead) {
  std::vector<LogPosition> positions;
  for (uint64_t i = 1; i <= 40; ++i) positions.push_back(log_.write(prewrite(i, "a")));
  const uint64_t reads = disk_.calls(Call::read);
  std::string out;
  for (const LogPosition position : positions) ASSERT_TRUE(log_.log().read_prewrite(position, out).ok());
  EXPECT_EQ(disk_.calls(Call::read), reads + 1);
}

// Kind, flags and start ts lie in the record's header, which no body hash covers.
TEST_F(LogFault, ABitFlippedInAStoredHeaderIsReportedToItsReaderAndNotServed) {
  const LogPosition position = log_.write(prewrite(1, "abcdefgh"));
  const LogPosition next = log_.write(prewrite(2, "unharmed"));
  for (const uint32_t at : {1u, 2u, 3u, 8u, 11u, 15u}) {
    disk_.flip_bit("/sim/log/segment-00000001.log", position.offset() + at, 4);
    std::string out;
    const absl::Status status = log_.log().read_prewrite(position, out);
    EXPECT_TRUE(absl::IsDataLoss(status)) << status << " byte " << at;
    EXPECT_THAT(std::string(status.message()), HasSubstr("segment-00000001.log, offset 4192"));
    EXPECT_EQ(out, "");
    EXPECT_TRUE(log_.log().read_prewrite(next, out).ok());
    disk_.flip_bit("/sim/log/segment-00000001.log", position.offset() + at, 4);
  }
  std::string out;
  EXPECT_TRUE(log_.log().read_prewrite(position, out).ok());
}

TEST_F(LogFault, ABatchWhoseHeaderIsDamagedIsNotServed) {
  log_.write(prewrite(1, "abcdefgh"));
  const LogPosition position = log_.write(prewrite(2, "abcdefgh"));
  disk_.flip_bit("/sim/log/segment-00000001.log", position.offset() - 40, 0);
  std::string out;
  EXPECT_TRUE(absl::IsDataLoss(log_.log().read_prewrite(position, out)));
  EXPECT_EQ(out, "");
}

TEST_F(LogFault, OneGiantRunDoesNotPassTheQueueLimit) {
  log_.options().queue_bytes_max = 1000;
  ASSERT_TRUE(log_.open().ok());
  const absl::Status refused = log_.log().append(prewrite(1, std::string(1000, 'a'))).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;  // a retry would never be taken
  EXPECT_THAT(std::string(refused.message()), HasSubstr("at most 1000"));
}

TEST_F(LogFault, ClosingWaitsForADiskThatStalls) {
  disk_.inject(Call::write_durable, 0, {.effect = Effect::stall});
  std::string accepted;
  for (uint64_t i = 1; i <= 3; ++i) {
    accepted += prewrite(i, "slow");
    ASSERT_TRUE(log_.log().append(prewrite(i, "slow")).ok());
    disk_.wait_for_stall();
  }
  absl::Status closed = absl::UnknownError("close() didn't return");
  std::thread closing([&] { closed = log_.log().close(); });
  until([&] {  // it refuses more, so it waits
    const absl::Status late = log_.log().append(prewrite(9, "late")).status();
    if (late.ok()) accepted += prewrite(9, "late");
    return absl::IsUnavailable(late);
  });
  EXPECT_EQ(log_.listener().records(), "");
  disk_.release();
  closing.join();
  EXPECT_TRUE(closed.ok()) << closed;
  EXPECT_EQ(log_.listener().records(), accepted);
  ASSERT_TRUE(log_.open().ok());
  EXPECT_EQ(log_.recovered(), accepted);
}

TEST_F(LogFault, RefusesBeyondTheQueueLimit) {
  log_.options().queue_bytes_max = 1000;
  log_.options().idle_watermark_after = std::chrono::hours(1);
  ASSERT_TRUE(log_.open().ok());
  absl::Status refused;
  // The log thread empties the queue meanwhile; a writer that is faster than the disk meets the limit.
  while (refused.ok()) refused = log_.log().append(prewrite(1, std::string(900, 'a'))).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
}

// The same appends over each back end leave the same records and, but for salts and hashes, the same layout.
TEST(LogDifferential, AllBackEndsHoldTheSameRecordsAtTheSamePlaces) {
  std::string dir = (std::filesystem::temp_directory_path() / "sluice-diff-XXXXXX").string();
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  std::vector<std::unique_ptr<Disk>> disks;
  disks.push_back(std::make_unique<SimulatedDisk>(SimulatedDisk::Options{}));
  for (const DiskBackend backend : {DiskBackend::pwritev2, DiskBackend::io_uring}) {
    auto disk = open_disk(backend);
    if (disk.ok())
      disks.push_back(*std::move(disk));
    else
      std::cout << "SKIPPED one back end: " << disk.status() << "\n";
  }
  std::vector<std::vector<LogPosition>> positions(disks.size());
  std::vector<std::string> recovered;
  for (size_t i = 0; i < disks.size(); ++i) {
    LogOptions options = small_log_options(std::filesystem::path(dir) / std::to_string(i));
    options.idle_watermark_after = std::chrono::hours(1);
    LogFixture log(*disks[i], options);
    ASSERT_TRUE(log.open().ok());
    for (uint64_t n = 1; n <= 60; ++n)
      positions[i].push_back(log.write(prewrite(n, std::string(n * n * 40, 'd')) + commit(n, n + 1)));
    ASSERT_TRUE(log.open().ok());
    recovered.push_back(log.recovered());
  }
  for (size_t i = 1; i < disks.size(); ++i) {
    EXPECT_EQ(positions[i], positions[0]) << disks[i]->backend();
    EXPECT_TRUE(recovered[i] == recovered[0]) << disks[i]->backend();
  }
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace sluice::storage
