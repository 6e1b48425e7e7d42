#include "pump/state/data_folder.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/status.h"

namespace sluice::pump {
namespace {

using net::TimeSource;
using testing::HasSubstr;

// Version 1, never regenerated: docs/formats/data-folder.md shows the same bytes.
constexpr std::string_view kGolden = "sluice-pump 1\ncluster-id 7711588227002558183\ntime writer\nnode-id pump-1\n";

struct Fixture : testing::Test {
  std::filesystem::path dir = testing::TempDir() + fmt::format("data_folder_test.{}", ::getpid());

  Fixture() { std::filesystem::remove_all(dir); }
  ~Fixture() override { std::filesystem::remove_all(dir); }

  [[nodiscard]] absl::StatusOr<std::unique_ptr<DataFolder>> open(DataFolderOptions options = {}) const {
    options.dir = dir;
    if (options.port == 0) options.port = 8250;
    return DataFolder::open(options);
  }
  void write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories((dir / name).parent_path());
    std::ofstream(dir / name) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(dir / name).rdbuf();
    return text.str();
  }
  void expect_refused(const absl::Status& status, absl::StatusCode code, const std::string& part) const {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_THAT(std::string(message_of(status)), HasSubstr(part));
  }
};
using DataFolderTest = Fixture;

TEST_F(DataFolderTest, WritesMetaAsItsPageShows) {
  const Meta meta{.cluster_id = 7711588227002558183, .time = TimeSource::writer, .node_id = "pump-1"};
  EXPECT_EQ(encode_meta(meta), kGolden);
  EXPECT_EQ(decode_meta(kGolden).value_or(Meta{}), meta);
}

TEST_F(DataFolderTest, WritesMetaThatNamesALogAsItsPageShows) {
  const Meta meta{.cluster_id = 7711588227002558183,
                  .time = TimeSource::writer,
                  .node_id = "pump-1",
                  .log_birth_id = 0x1122334455667788};
  constexpr std::string_view kGolden2 =
      "sluice-pump 2\ncluster-id 7711588227002558183\ntime writer\nnode-id pump-1\nlog 1122334455667788\n";
  EXPECT_EQ(encode_meta(meta), kGolden2);
  EXPECT_EQ(decode_meta(kGolden2).value_or(Meta{}), meta);
  for (const char* log : {"", "log \n", "log 0000000000000000\n", "log 112233445566778\n", "log 112233445566778g\n"})
    EXPECT_EQ(decode_meta(fmt::format("sluice-pump 2\ncluster-id 7\ntime writer\nnode-id p\n{}", log)).status().code(),
              absl::StatusCode::kDataLoss)
        << log;
}

TEST_F(DataFolderTest, NamesItsLogOnceAndKeepsIt) {
  EXPECT_TRUE(open().value()->name_log(7).ok());
  auto folder = open().value();
  EXPECT_EQ(folder->meta().log_birth_id, 7u);
  expect_refused(folder->name_log(8), absl::StatusCode::kFailedPrecondition, "0000000000000007");
}

TEST_F(DataFolderTest, MakesAClusterIdOnceAndKeepsIt) {
  const uint64_t made = open().value()->meta().cluster_id;
  EXPECT_GT(made, 0u);
  EXPECT_EQ(open().value()->meta().cluster_id, made);
}

TEST_F(DataFolderTest, RefusesAnotherClusterNamingBoth) {
  ASSERT_TRUE(open({.dir = {}, .cluster_id = 7}).ok());
  const auto other = open({.dir = {}, .cluster_id = 8});
  expect_refused(other.status(), absl::StatusCode::kFailedPrecondition, "cluster 7, not 8");
}

TEST_F(DataFolderTest, RefusesAFolderInUse) {
  const auto first = open();
  expect_refused(open().status(), absl::StatusCode::kUnavailable, "in use");
}

TEST_F(DataFolderTest, RefusesANewerFormatADamagedMetaAndALogWithoutOne) {
  write("META", "sluice-pump 3\nwhatever\n");
  expect_refused(open().status(), absl::StatusCode::kFailedPrecondition, "version 3");
  write("META", kGolden.substr(0, 30));
  expect_refused(open().status(), absl::StatusCode::kDataLoss, "META");
  std::filesystem::remove(dir / "META");
  std::filesystem::create_directories(dir / "log");
  expect_refused(open().status(), absl::StatusCode::kDataLoss, "no META");
}

TEST_F(DataFolderTest, RefusesAGoPumpsFolderAndSaysWhatToDo) {
  write("value/000000.vlog", "x");
  expect_refused(open().status(), absl::StatusCode::kFailedPrecondition, "offline the Go pump first");
}

TEST_F(DataFolderTest, DecidesItsTimeSourceOnceAndForAll) {
  {
    const auto folder = open();
    EXPECT_EQ(folder.value()->meta().time, TimeSource::unspecified);
    EXPECT_TRUE(folder.value()->decide_time(TimeSource::writer).ok());
    expect_refused(folder.value()->decide_time(TimeSource::embedded), absl::StatusCode::kFailedPrecondition, "writer");
  }
  expect_refused(open({.dir = {}, .time = TimeSource::embedded}).status(), absl::StatusCode::kInvalidArgument,
                 "time source is writer");
  EXPECT_EQ(open().value()->meta().time, TimeSource::writer);
}

TEST_F(DataFolderTest, KeepsItsNodeIdWhetherTheOptionComesOrGoes) {
  EXPECT_EQ(open({.dir = {}, .node_id = "pump-1"}).value()->meta().node_id, "pump-1");
  EXPECT_EQ(open().value()->meta().node_id, "pump-1");
  EXPECT_FALSE(std::filesystem::exists(dir / ".node"));
  expect_refused(open({.dir = {}, .node_id = "pump-2"}).status(), absl::StatusCode::kInvalidArgument,
                 "--node-id is pump-2, but this folder is pump-1's");
  write(".node", " renamed \n");
  EXPECT_EQ(open().value()->meta().node_id, "renamed");
  expect_refused(open({.dir = {}, .node_id = "pump-1"}).status(), absl::StatusCode::kInvalidArgument, "renamed's");
}

TEST_F(DataFolderTest, TakesTheNodeIdOfAFreshFolderFromDotNodeThenTheOptionThenTheHostName) {
  const std::string made = open().value()->meta().node_id;
  EXPECT_TRUE(made.ends_with(":8250")) << made;
  EXPECT_EQ(read(".node"), made);
  std::filesystem::remove_all(dir);
  write(".node", " kept \n");
  EXPECT_EQ(open().value()->meta().node_id, "kept");
}

TEST_F(DataFolderTest, RefusesANodeIdThatWouldNotBeOnePathElement) {
  expect_refused(open({.dir = {}, .node_id = "a/b"}).status(), absl::StatusCode::kInvalidArgument, "a/b");
}

}  // namespace
}  // namespace sluice::pump
