// The log on real files, over each real back end.
#include "storage/log.h"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/testing/log_fixture.h"

namespace sluice::storage {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LogOnFiles : public testing::TestWithParam<DiskBackend> {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sluice-log-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    auto disk = open_disk(GetParam());
    if (!disk.ok() && GetParam() == DiskBackend::io_uring) GTEST_SKIP() << disk.status();
    ASSERT_TRUE(disk.ok()) << disk.status();
    disk_ = *std::move(disk);
    log_ = std::make_unique<LogFixture>(*disk_, small_log_options(dir_ / "data" / "log"));
    ASSERT_TRUE(log_->open().ok());
  }
  void TearDown() override {
    log_.reset();
    fs::remove_all(dir_);
  }

  fs::path dir_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<LogFixture> log_;
};

TEST_P(LogOnFiles, RecoversWhatItAcknowledgedInOrder) {
  const std::string first = prewrite(10, "a"), second = commit(10, 12) + prewrite(13, "bc");
  log_->write(first);
  log_->write(second);
  ASSERT_TRUE(log_->open().ok());
  EXPECT_EQ(log_->recovered(), first + second);
  EXPECT_EQ(log_->log().cluster_id(), 7u);
}

TEST_P(LogOnFiles, GoesOnAppendingAfterACleanCloseInTheSameSegment) {
  log_->write(prewrite(10, "a"));
  ASSERT_TRUE(log_->open().ok());
  const LogPosition position = log_->write(prewrite(11, "b"));
  EXPECT_EQ(position.segment(), 1u);
  EXPECT_EQ(log_->log().stats().segments, 1u);
  ASSERT_TRUE(log_->open().ok());
  EXPECT_EQ(log_->recovered(), prewrite(10, "a") + prewrite(11, "b"));
}

TEST_P(LogOnFiles, KeepsItsBirthIdWhichNoOtherLogHas) {
  const uint64_t born = log_->log().birth_id();
  EXPECT_NE(born, 0u);
  log_->write(prewrite(10, "a"));
  ASSERT_TRUE(log_->open().ok());
  EXPECT_EQ(log_->log().birth_id(), born);
  LogFixture other(*disk_, small_log_options(dir_ / "other"));
  ASSERT_TRUE(other.open().ok());
  EXPECT_NE(other.log().birth_id(), born);
}

TEST_P(LogOnFiles, ReadsAPrewriteBack) {
  const LogPosition a = log_->write(prewrite(10, "a"));
  const LogPosition b = log_->write(prewrite(11, "b"));
  std::string out = "kept";
  ASSERT_TRUE(log_->log().read_prewrite(b, out).ok());
  ASSERT_TRUE(log_->log().read_prewrite(a, out).ok());
  EXPECT_EQ(out, "kept" + prewrite(11, "b") + prewrite(10, "a"));
}

TEST_P(LogOnFiles, ReadsALargePrewriteWhosePartsLieBetweenOthersAndAcrossSegments) {
  std::string payload(9u << 20, 'x');
  for (size_t i = 0; i < payload.size(); i += 997) payload[i] = static_cast<char>(i);
  const std::string whole = prewrite(50, payload);
  LogPosition first;
  ASSERT_TRUE(for_each_record(as_bytes(whole), {}, [&](const RecordView& part) {
                const LogPosition at = log_->write(std::string(as_text(part.bytes)));
                if (part.header.part_offset == 0) first = at;
                log_->write(commit(5, part.header.part_offset + 100) + prewrite(51, "other"));
                return absl::OkStatus();
              }).ok());
  EXPECT_GT(log_->log().durable_end().segment(), first.segment() + 1);
  std::string out;
  ASSERT_TRUE(log_->log().read_prewrite(first, out).ok());
  EXPECT_TRUE(out == whole);
  ASSERT_TRUE(log_->open().ok());
  out.clear();
  ASSERT_TRUE(log_->log().read_prewrite(first, out).ok());
  EXPECT_TRUE(out == whole);
}

TEST_P(LogOnFiles, ReadsALargePrewriteInPiecesNoneLargerThanAskedFor) {
  const std::string whole = prewrite(50, std::string(5u << 20, 'x'));
  LogPosition first;
  ASSERT_TRUE(for_each_record(as_bytes(whole), {}, [&](const RecordView& part) {
                const LogPosition at = log_->write(std::string(as_text(part.bytes)));
                if (part.header.part_offset == 0) first = at;
                log_->write(prewrite(51, "other"));
                return absl::OkStatus();
              }).ok());
  constexpr uint64_t kPieceBytes = 5u << 19;  // two parts
  PrewriteCursor cursor{.next = first};
  std::string out;
  std::vector<size_t> pieces;
  while (!cursor.done) {
    const size_t before = out.size();
    ASSERT_TRUE(log_->log().read_prewrite_piece(cursor, kPieceBytes, out).ok());
    pieces.push_back(out.size() - before);
    ASSERT_LE(pieces.back(), kPieceBytes);
  }
  EXPECT_EQ(pieces.size(), 3u);
  EXPECT_TRUE(out == whole);
  // A piece that can't hold a record holds one all the same.
  cursor = {.next = first};
  out.clear();
  ASSERT_TRUE(log_->log().read_prewrite_piece(cursor, 1, out).ok());
  EXPECT_TRUE(whole.starts_with(out));
  EXPECT_GT(out.size(), 1u << 20);
}

TEST_P(LogOnFiles, RefusesToReadBeyondTheDurableEnd) {
  const LogPosition a = log_->write(prewrite(10, "a"));
  std::string out;
  EXPECT_TRUE(absl::IsOutOfRange(log_->log().read_prewrite(LogPosition(a.segment(), a.offset() + (1 << 20)), out)));
  EXPECT_TRUE(absl::IsOutOfRange(log_->log().read_prewrite(LogPosition(9, 4192), out)));
  EXPECT_EQ(out, "");
}

TEST_P(LogOnFiles, ManyWritersGetEveryRecordDurableInTheOrderOfTheirTickets) {
  constexpr int kThreads = 4, kEach = 200;
  std::mutex mutex;
  std::map<Ticket, std::string> by_ticket;
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t)
    writers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string run =
            prewrite(static_cast<uint64_t>(t * kEach + i + 1), std::string(static_cast<size_t>(i), 'p'));
        const auto ticket = log_->log().append(run);
        ASSERT_TRUE(ticket.ok()) << ticket.status();
        const std::lock_guard lock(mutex);
        by_ticket[*ticket] = run;
      }
    });
  for (std::thread& writer : writers) writer.join();
  ASSERT_TRUE(log_->listener().wait_for(kThreads * kEach));
  std::string expected;
  for (const auto& [ticket, run] : by_ticket) expected += run;
  EXPECT_TRUE(log_->listener().records() == expected);
  const LogStats stats = log_->log().stats();
  EXPECT_EQ(stats.writes, stats.batches);
  EXPECT_LT(stats.batches, uint64_t{kThreads * kEach});
  ASSERT_TRUE(log_->open().ok());
  EXPECT_TRUE(log_->recovered() == expected);
}

TEST_P(LogOnFiles, ASecondLogInTheSameFolderIsRefused) {
  RecordingListener listener;
  const auto second = Log::open(log_->options(), *disk_, listener, [](const DurableRun&) { return absl::OkStatus(); });
  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("in use by another pump"));
}

TEST_P(LogOnFiles, AFolderOfAnotherClusterIsRefusedAndNoClusterTakesTheFolders) {
  log_->options().cluster_id = 8;
  const absl::Status status = log_->open();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("cluster 7"));
  log_->options().cluster_id = 0;
  ASSERT_TRUE(log_->open().ok());
  EXPECT_EQ(log_->log().cluster_id(), 7u);
}

TEST_P(LogOnFiles, RefusesWhatIsNotWholeRecords) {
  const std::string run = prewrite(10, "abc");
  EXPECT_TRUE(absl::IsInvalidArgument(log_->log().append(run.substr(0, run.size() - 1)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(log_->log().append("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(log_->log().append(std::string(32, '\0')).status()));
}

TEST_P(LogOnFiles, RefusesAppendsOnceClosedAndClosesTwice) {
  ASSERT_TRUE(log_->log().close().ok());
  ASSERT_TRUE(log_->log().close().ok());
  EXPECT_TRUE(absl::IsUnavailable(log_->log().append(prewrite(1, "a")).status()));
}

TEST_P(LogOnFiles, NamesItsBackEnd) {
  EXPECT_EQ(log_->log().stats().backend, GetParam() == DiskBackend::io_uring ? "io_uring" : "pwritev2");
}

TEST_P(LogOnFiles, LivesOfOtherSizesAndAnotherBackEndGoOnWithTheSameLog) {
  std::string written;
  for (uint64_t life = 1; life <= 6; ++life) {
    log_.reset();
    auto disk = open_disk(life % 2 == 0 ? GetParam() : DiskBackend::pwritev2);
    ASSERT_TRUE(disk.ok()) << disk.status();
    LogOptions options = small_log_options(dir_ / "data" / "log");
    options.segment_bytes = static_cast<uint32_t>(life % 3 + 5) << 20;
    options.batch_bytes_max = life % 2 == 0 ? 2u << 20 : 3u << 20;
    {
      LogFixture log(**disk, options);
      ASSERT_TRUE(log.open().ok());
      ASSERT_TRUE(log.recovered() == written) << "life " << life;
      for (uint64_t i = 1; i <= 4; ++i) {
        const std::string run = prewrite(10 * life + i, std::string(1'500'000, static_cast<char>('a' + life)));
        log.write(run);
        written += run;
      }
    }
  }
}

// In a process of its own: a write beyond the limit on file sizes fails for good.
[[noreturn]] void fail_a_write(DiskBackend backend, const fs::path& dir) {
  auto disk = open_disk(backend);
  LogFixture log(**disk, small_log_options(dir));
  if (!log.open().ok()) ::_exit(11);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1u << 20, 1u << 20};
  if (::setrlimit(RLIMIT_FSIZE, &small) != 0) ::_exit(10);
  if (!log.log().append(prewrite(1, std::string(1'900'000, 'a'))).ok()) ::_exit(12);
  std::fprintf(stderr, "%s\n", std::string(message_of(log.listener().wait_for_failure())).c_str());
  fs::remove_all(dir.parent_path());  // this process made its own
  ::_exit(0);
}

TEST_P(LogOnFiles, AFailedWriteNamesItsFileItsPlaceAndItsCause) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(fail_a_write(GetParam(), dir_ / "failing"), testing::ExitedWithCode(0),
              "write of [0-9]+ bytes at offset [0-9]+ of .*/segment-0000000[12].log: File too large");
}

INSTANTIATE_TEST_SUITE_P(BackEnds, LogOnFiles, testing::Values(DiskBackend::io_uring, DiskBackend::pwritev2),
                         [](const auto& test) {
                           return test.param == DiskBackend::io_uring ? "io_uring" : "pwritev2";
                         });

}  // namespace
}  // namespace sluice::storage
