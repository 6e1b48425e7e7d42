#include "drainer/sinks/file/file_sink.h"

#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "drainer/sinks/file/binlog_file_format.h"
#include "drainer/sinks/file/binlog_file_reader.h"
#include "drainer/sinks/file/binlog_folder.h"
#include "drainer/sinks/file/binlog_payload.h"

namespace sluice::drainer::sinks::file {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class ManualClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override { return {}; }
  [[nodiscard]] std::chrono::steady_clock::time_point now() const override { return now_; }
  void advance(std::chrono::milliseconds by) { now_ += by; }

 private:
  std::chrono::steady_clock::time_point now_;
};

// Transactions are DDLs named by their commit ts.
class FileSinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sluice-file-sink-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    options_.folder = name;
  }
  void TearDown() override {
    sink_.reset();
    fs::remove_all(options_.folder);
  }

  absl::StatusOr<SinkPosition> open(uint64_t at_least = 0) {
    sink_.reset();
    sink_ = std::make_unique<FileSink>(options_, clock_);
    return sink_->open(CommitTs(at_least));
  }
  void reopen_at(uint64_t position, uint64_t at_least = 0) {
    const auto opened = open(at_least);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->applied_through.value, position);
  }
  void write(std::vector<uint64_t> all) {
    for (const uint64_t ts : all) {
      auto transaction = std::make_shared<change::Transaction>();
      transaction->commit_ts = CommitTs(ts);
      transaction->ddl.emplace().query = "create table t";
      const absl::Status submitted = sink_->submit(transaction);
      ASSERT_TRUE(submitted.ok()) << submitted;
    }
  }
  std::vector<BinlogFile> files() {
    auto listed = list_binlog_files(options_.folder);
    EXPECT_TRUE(listed.ok()) << listed.status();
    return *std::move(listed);
  }
  std::vector<uint64_t> read() {
    std::vector<uint64_t> all;
    for (const BinlogFile& file : files()) {
      auto reader = BinlogFileReader::open(file.path);
      for (;;) {
        const auto payload = reader->next();
        EXPECT_TRUE(payload.ok()) << payload.status();
        if (!payload.ok() || !payload->has_value()) break;
        all.push_back(binlog_commit_ts(**payload)->value);
      }
    }
    return all;
  }
  std::string last_file() { return files().back().path; }
  void append(const std::string& bytes) { std::ofstream(last_file(), std::ios::binary | std::ios::app) << bytes; }
  void cut_by(uint64_t bytes) { fs::resize_file(last_file(), fs::file_size(last_file()) - bytes); }
  void flip(uint64_t at) {
    std::fstream file(last_file(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 0x10));
  }

  FileSinkOptions options_;
  ManualClock clock_;
  std::unique_ptr<FileSink> sink_;
};

TEST_F(FileSinkTest, StandsAtTheLastRecordAfterARestart) {
  reopen_at(0);
  write({10, 20});
  ASSERT_TRUE(sink_->flush().ok());
  reopen_at(20);
  write({30});
  ASSERT_TRUE(sink_->flush().ok());
  EXPECT_THAT(read(), ElementsAre(10, 20, 30));
}

TEST_F(FileSinkTest, IsDurableOnlyThroughWhatWasSynced) {
  reopen_at(0);
  write({10});
  EXPECT_EQ(sink_->durable_through(), CommitTs(0));
  clock_.advance(options_.sync_interval);
  write({20});
  EXPECT_EQ(sink_->durable_through(), CommitTs(20));
  write({30});
  ASSERT_TRUE(sink_->resolve(ResolvedTs(40)).ok());
  EXPECT_EQ(sink_->durable_through(), CommitTs(20));
  clock_.advance(options_.sync_interval);
  ASSERT_TRUE(sink_->resolve(ResolvedTs(50)).ok());
  EXPECT_EQ(sink_->durable_through(), CommitTs(50));
}

TEST_F(FileSinkTest, AResolvedTsCountsAtOnceWhenNothingWaits) {
  reopen_at(0);
  ASSERT_TRUE(sink_->resolve(ResolvedTs(7)).ok());
  EXPECT_EQ(sink_->durable_through(), CommitTs(7));
}

TEST_F(FileSinkTest, BeginsTheNextFileOnceOneIsFull) {
  options_.file_bytes_max = 100;
  reopen_at(0);
  write({10, 20, 30, 40, 50, 60, 70, 80});
  ASSERT_TRUE(sink_->flush().ok());
  EXPECT_GT(files().size(), 2u);
  EXPECT_THAT(read(), ElementsAre(10, 20, 30, 40, 50, 60, 70, 80));
  reopen_at(80);
}

TEST_F(FileSinkTest, KnowsItsPositionWhenTheNewestFileIsEmpty) {
  options_.file_bytes_max = 1;  // every record fills its file
  reopen_at(0);
  write({10, 20});
  EXPECT_EQ(fs::file_size(last_file()), 0u);
  reopen_at(20);
}

TEST_F(FileSinkTest, CutsATornRecordOffWhereverItEnds) {
  reopen_at(0);
  write({10, 20});
  ASSERT_TRUE(sink_->flush().ok());
  const uint64_t whole = fs::file_size(last_file());
  std::string record;
  append_binlog_record(
      "\x08\x01\x10\x1e\x22\x03"
      "abc",
      record);
  for (size_t bytes = 1; bytes < record.size(); ++bytes) {
    append(record.substr(0, bytes));
    reopen_at(20, 25);
    EXPECT_EQ(fs::file_size(last_file()), whole) << "after " << bytes << " bytes";
  }
  write({30});
  ASSERT_TRUE(sink_->flush().ok());
  EXPECT_THAT(read(), ElementsAre(10, 20, 30));
}

TEST_F(FileSinkTest, CutsZerosOffThatAPowerLossLeft) {
  reopen_at(0);
  write({10});
  ASSERT_TRUE(sink_->flush().ok());
  append(std::string(4096, '\0'));
  reopen_at(10, 15);
  EXPECT_THAT(read(), ElementsAre(10));
}

TEST_F(FileSinkTest, RefusesDamageInTheMiddleAndChangesNothing) {
  reopen_at(0);
  write({10, 20, 30});
  ASSERT_TRUE(sink_->flush().ok());
  flip(20);
  const uint64_t bytes = fs::file_size(last_file());
  const auto opened = open();
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(message_of(opened.status())), HasSubstr(last_file()));
  EXPECT_THAT(std::string(message_of(opened.status())), HasSubstr("at byte 0"));
  EXPECT_EQ(fs::file_size(last_file()), bytes);
}

TEST_F(FileSinkTest, RefusesDamageToTheLastRecordThatTheCheckpointCovers) {
  reopen_at(0);
  write({10, 20});
  ASSERT_TRUE(sink_->flush().ok());
  flip(fs::file_size(last_file()) - 6);
  EXPECT_EQ(open(20).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(FileSinkTest, CutsADamagedLastRecordOffThatWillBePulledAgain) {
  reopen_at(0);
  write({10, 20});
  ASSERT_TRUE(sink_->flush().ok());
  flip(fs::file_size(last_file()) - 6);
  reopen_at(10, 10);
}

TEST_F(FileSinkTest, RefusesAFolderWithAFileMissing) {
  options_.file_bytes_max = 1;
  reopen_at(0);
  write({10, 20, 30});
  fs::remove(files().at(1).path);
  const auto opened = open();
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(message_of(opened.status())), HasSubstr("aren't consecutive"));
}

TEST_F(FileSinkTest, RefusesAFolderThatAnotherDrainerHolds) {
  reopen_at(0);
  FileSink second(options_, clock_);
  const auto opened = second.open(CommitTs());
  EXPECT_EQ(opened.status().code(),
            absl::StatusCode::kUnavailable);  // as for every other folder: a restart may heal it
  EXPECT_THAT(std::string(message_of(opened.status())),
              HasSubstr("in use by another drainer; stop it, or give another syncer.to.dir"));
}

TEST_F(FileSinkTest, ReopensAfterAnyDamageOrSaysWhere) {
  constexpr uint64_t kSeed = 8;
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  std::mt19937_64 random(kSeed);
  reopen_at(0);
  write({10, 20, 30, 40, 50});
  ASSERT_TRUE(sink_->flush().ok());
  sink_.reset();
  std::ostringstream good;
  good << std::ifstream(last_file(), std::ios::binary).rdbuf();
  for (int round = 0; round < 200; ++round) {
    std::string bytes = good.str();
    for (uint64_t flips = random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] ^= static_cast<char>(1u << random() % 8);
    if (random() % 2 == 0) bytes.resize(random() % bytes.size());
    std::ofstream(last_file(), std::ios::binary | std::ios::trunc) << bytes;
    const auto opened = open();
    if (opened.ok()) {
      const std::vector<uint64_t> kept = read();
      EXPECT_EQ(opened->applied_through.value, kept.empty() ? 0 : kept.back());
    } else {
      EXPECT_THAT(std::string(message_of(opened.status())), HasSubstr("at byte"));
    }
  }
}

TEST_F(FileSinkTest, WritesATailThoughNothingFollowsIt) {
  reopen_at(0);
  write({10});
  clock_.advance(options_.sync_interval);
  ASSERT_TRUE(sink_->tend().ok());
  EXPECT_EQ(sink_->durable_through(), CommitTs(10));
  EXPECT_THAT(read(), ElementsAre(10));
}

TEST_F(FileSinkTest, LeavesNothingBehindThatAFailedSyncMayHaveLost) {
  bool broken = false;
  options_.sync_file = [&broken](int fd) { return broken ? (errno = EIO, -1) : ::fdatasync(fd); };
  reopen_at(0);
  write({10});
  ASSERT_TRUE(sink_->flush().ok());
  broken = true;
  write({20});
  const absl::Status failed = sink_->flush();
  EXPECT_THAT(std::string(message_of(failed)), HasSubstr("durable through commit ts 10"));
  EXPECT_EQ(sink_->tend(), failed);
  broken = false;
  reopen_at(10);  // 20 is pulled again
  write({20});
  ASSERT_TRUE(sink_->flush().ok());
  EXPECT_THAT(read(), ElementsAre(10, 20));
}

TEST_F(FileSinkTest, WritesALargeTransactionBetweenSmallOnes) {
  reopen_at(0);
  write({10});
  auto large = std::make_shared<change::Transaction>();
  large->commit_ts = CommitTs(20);
  large->ddl.emplace().query = std::string(3_MiB, 'q');
  ASSERT_TRUE(sink_->submit(std::move(large)).ok());
  write({30});
  ASSERT_TRUE(sink_->flush().ok());
  EXPECT_THAT(read(), ElementsAre(10, 20, 30));
  reopen_at(30);
}

TEST_F(FileSinkTest, RefusesAFolderWithoutTheFilesThatACheckpointTellsOf) {
  options_.has_written = true;
  const auto opened = open(40);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(message_of(opened.status())), HasSubstr("--initial-commit-ts 40"));
  EXPECT_TRUE(files().empty());
}

// A limit on file sizes ends writes in the middle of a record, as a full disk does.
TEST_F(FileSinkTest, LosesNothingWhenTheDiskIsFull) {
  reopen_at(0);
  write({10});
  ASSERT_TRUE(sink_->flush().ok());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{.rlim_cur = fs::file_size(last_file()) + 20, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  write({20});
  const absl::Status flushed = sink_->flush();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(std::string(message_of(flushed)), HasSubstr("durable through commit ts 10"));
  EXPECT_EQ(sink_->durable_through(), CommitTs(10));
  EXPECT_EQ(sink_->flush(), flushed);
  reopen_at(10);
  write({20});
  ASSERT_TRUE(sink_->flush().ok());
  EXPECT_THAT(read(), ElementsAre(10, 20));
}

}  // namespace
}  // namespace sluice::drainer::sinks::file
