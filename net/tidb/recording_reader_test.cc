#include "net/tidb/recording_reader.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <zstd.h>

#include "base/status.h"
#include "net/tidb/binlog.pb.h"
#include "net/tidb/pump.pb.h"

namespace sluice::net {
namespace {

constexpr uint64_t kCluster = 77;

std::string frame(const std::string& body) {
  std::string bytes(sizeof(uint32_t), '\0');
  store_le(reinterpret_cast<std::byte*>(bytes.data()), static_cast<uint32_t>(body.size()));
  return bytes + body;
}

std::string payload(binlog::BinlogType type, int64_t start, int64_t commit, const std::string& value = "") {
  binlog::Binlog message;
  message.set_tp(type);
  message.set_start_ts(start);
  message.set_commit_ts(commit);
  if (!value.empty()) message.set_prewrite_value(value);
  return message.SerializeAsString();
}

std::string request(const std::string& payload, uint64_t cluster = kCluster) {
  binlog::WriteBinlogReq message;
  message.set_clusterid(cluster);
  message.set_payload(payload);
  return frame(message.SerializeAsString());
}

std::string compressed(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

class RecordingReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/sluice-recording-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string file(const std::string& bytes) {
    const std::string path = dir_ / "recording";
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string error_of(const std::string& bytes, RecordingOptions options = {}) {
    const auto survey = survey_recording(file(bytes), options);
    EXPECT_TRUE(absl::IsInvalidArgument(survey.status())) << survey.status();
    return std::string(message_of(survey.status()));
  }

  std::filesystem::path dir_;
};

const std::string kPrewrite = payload(binlog::Prewrite, 5, 0, "rows");

TEST_F(RecordingReaderTest, GivesEachStepInOrderWithThePayloadAsRecorded) {
  const std::string path =
      file(request(kPrewrite) + request(payload(binlog::Commit, 5, 9)) + request(payload(binlog::Rollback, 6, 0)));
  auto reader = RecordingReader::open(path).value();
  auto first = reader->next().value();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->step, BinlogStep::prewrite);
  EXPECT_EQ(first->start, StartTs(5));
  EXPECT_EQ(first->payload, kPrewrite);
  auto second = reader->next().value();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->step, BinlogStep::commit);
  EXPECT_EQ(second->commit, CommitTs(9));
  EXPECT_EQ(reader->next().value()->step, BinlogStep::rollback);
  EXPECT_FALSE(reader->next().value());
  EXPECT_EQ(reader->cluster_id(), kCluster);
}

TEST_F(RecordingReaderTest, ReadsAZstdStreamWhateverTheFileIsCalled) {
  const auto survey =
      survey_recording(file(compressed(request(kPrewrite) + request(payload(binlog::Commit, 5, 9))))).value();
  EXPECT_EQ(survey.binlogs, 2u);
  EXPECT_EQ(survey.cluster_id, kCluster);
  EXPECT_EQ(survey.largest, Tso(9));
}

TEST_F(RecordingReaderTest, ReadsAPayloadLargerThanItsReadStep) {
  const std::string large = payload(binlog::Prewrite, 5, 0, std::string(3'500'000, 'x'));
  auto reader = RecordingReader::open(file(compressed(request(large)))).value();
  EXPECT_EQ(reader->next().value()->payload, large);
}

TEST_F(RecordingReaderTest, RefusesEveryTruncationOfAFrame) {
  const std::string whole = request(kPrewrite);
  for (size_t keep = 1; keep < whole.size(); ++keep)
    EXPECT_NE(error_of(whole + whole.substr(0, keep)).find("is cut off"), std::string::npos) << keep;
}

TEST_F(RecordingReaderTest, RefusesATruncatedZstdStream) {
  const std::string whole = compressed(request(payload(binlog::Prewrite, 5, 0, std::string(100'000, 'y'))));
  EXPECT_NE(error_of(whole.substr(0, whole.size() - 3)).find("cut off"), std::string::npos);
}

TEST_F(RecordingReaderTest, RefusesADamagedZstdStream) {
  std::string whole = compressed(request(kPrewrite));
  whole[4] = '\x7F';  // the frame header's descriptor
  EXPECT_NE(error_of(whole).find("recording"), std::string::npos);
}

TEST_F(RecordingReaderTest, NamesTheByteAndTheLimitOfAFrameThatIsTooLarge) {
  const std::string text =
      error_of(request(kPrewrite) + std::string("\xFF\xFF\xFF\x7F junk", 9), {.frame_bytes_max = 1000});
  EXPECT_NE(text.find(fmt::format("at byte {}", request(kPrewrite).size())), std::string::npos) << text;
  EXPECT_NE(text.find("more than the 1000"), std::string::npos) << text;
}

TEST_F(RecordingReaderTest, DoesNotBelieveALengthThatTheFileDoesNotHave) {
  EXPECT_NE(error_of(std::string("\xF0\xFF\xFF\x7F junk", 9)).find("is cut off"), std::string::npos);
}

TEST_F(RecordingReaderTest, RefusesWhatIsNoRecording) {
  EXPECT_NE(error_of("PK\x03\x04 some other file format").find("cut off"), std::string::npos);
  EXPECT_NE(error_of(frame("\xFF\xFF\xFF")).find("no recording of a pump"), std::string::npos);
  EXPECT_NE(error_of(frame("")).find("names no cluster"), std::string::npos);
  EXPECT_NE(error_of("").find("holds no binlog"), std::string::npos);
  EXPECT_NE(error_of(request("\xFF\xFF")).find("isn't a Binlog message"), std::string::npos);
}

TEST_F(RecordingReaderTest, RefusesAMixOfClusters) {
  EXPECT_NE(error_of(request(kPrewrite) + request(kPrewrite, 78)).find("one cluster"), std::string::npos);
}

TEST_F(RecordingReaderTest, RefusesImpossibleTimestamps) {
  EXPECT_NE(error_of(request(payload(binlog::Commit, 9, 9))).find("isn't later"), std::string::npos);
  EXPECT_NE(error_of(request(payload(binlog::Prewrite, 0, 0))).find("start ts 0"), std::string::npos);
  EXPECT_NE(error_of(request(payload(binlog::PreDDL, 5, 0))).find("obsolete"), std::string::npos);
}

TEST_F(RecordingReaderTest, NamesAFileThatIsNotThere) {
  const auto reader = RecordingReader::open(dir_ / "absent");
  EXPECT_TRUE(absl::IsInvalidArgument(reader.status()));
  EXPECT_NE(message_of(reader.status()).find("absent"), std::string_view::npos);
}

TEST(RecordedCorpus, HoldsWhatItsReadmeSays) {
  uint64_t binlogs = 0;
  for (const char* name : {"pump-1", "pump-2", "pump-3"}) {
    const auto survey =
        survey_recording(fmt::format("{}/tests/data/mixed/{}.writebinlog.zst", SLUICE_SOURCE_DIR, name));
    ASSERT_TRUE(survey.ok()) << survey.status();
    EXPECT_EQ(survey->cluster_id, 7711588227002558183u);
    binlogs += survey->binlogs;
  }
  EXPECT_EQ(binlogs, 10'823u + 9'417u + 1'406u);
}

}  // namespace
}  // namespace sluice::net
