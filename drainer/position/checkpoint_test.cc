#include "drainer/position/checkpoint.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace sluice::drainer::position {
namespace {

using testing::HasSubstr;

struct Fixture : testing::Test {
  std::string folder =
      testing::TempDir() + "/checkpoint_" + testing::UnitTest::GetInstance()->current_test_info()->name();
  Fixture() {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  ~Fixture() override { std::filesystem::remove_all(folder); }

  void write(std::string_view text) { std::ofstream(folder + "/savepoint") << text; }
  std::string content() {
    std::ifstream file(folder + "/savepoint");
    return {std::istreambuf_iterator<char>(file), {}};
  }
};
using CheckpointTest = Fixture;

TEST_F(CheckpointTest, IsAtZeroWithoutAFile) {
  EXPECT_EQ(Checkpoint::open(folder)->saved(), Savepoint());
}

TEST_F(CheckpointTest, ComesBackAsSaved) {
  auto checkpoint = Checkpoint::open(folder).value();
  const Savepoint savepoint{.consistent = true, .commit_ts = CommitTs(470678108321087489), .schema_version = 92};
  ASSERT_TRUE(checkpoint.save(savepoint).ok());
  EXPECT_EQ(content(), "consistent = true\ncommitTS = 470678108321087489\nschema-version = 92\n");
  EXPECT_EQ(Checkpoint::open(folder)->saved(), savepoint);
  EXPECT_FALSE(std::filesystem::exists(folder + "/savepoint.new"));
}

TEST_F(CheckpointTest, ReadsTheFileOfTheGoDrainer) {
  write("commitTS = 470678108321087489\n");  // recorded; it leaves out what is zero
  EXPECT_EQ(Checkpoint::open(folder)->saved().commit_ts, CommitTs(470678108321087489));
}

TEST_F(CheckpointTest, IgnoresWhatACrashLeftOfANewOne) {
  write("commitTS = 7\n");
  std::ofstream(folder + "/savepoint.new") << "commitTS = 9";
  EXPECT_EQ(Checkpoint::open(folder)->saved().commit_ts, CommitTs(7));
}

TEST_F(CheckpointTest, RefusesADamagedFileAndSaysWhatToDo) {
  write("commitTS = 47067\nconsis");
  const auto opened = Checkpoint::open(folder);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(message_of(opened.status())), HasSubstr("--initial-commit-ts"));
  write("commitTs = 5\n");
  EXPECT_FALSE(Checkpoint::open(folder).ok());
}

TEST_F(CheckpointTest, RefusesWhatIsNotAPositionNamingFileAndValueAndLeavesItAlone) {
  for (const std::string& text : std::vector<std::string>{
           "", "\n", "consistent = true\n", "commitTS = -1\n", "commitTS = 9223372036854775807\n",
           "commitTS = 99999999999999999999\n", "commitTS = \"5\"\n", "commitTS = 5.5\n", "commitTS = 5 x\n",
           "commitTS = 5\ncommitTS = 6\n", "commitTS = 5\nschema-version = -2\n", std::string("\0\x01\xff", 3)}) {
    write(text);
    const auto opened = Checkpoint::open(folder);
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition) << text;
    EXPECT_THAT(std::string(message_of(opened.status())), HasSubstr(folder + "/savepoint")) << text;
    EXPECT_EQ(content(), text);
  }
}

TEST_F(CheckpointTest, SaysWhyItCannotBeSaved) {
  auto checkpoint = Checkpoint::open(folder).value();
  std::filesystem::remove_all(folder);
  EXPECT_EQ(checkpoint.save({.commit_ts = CommitTs(1)}).code(), absl::StatusCode::kUnavailable);
}

TEST_F(CheckpointTest, NeverGoesBack) {
  auto checkpoint = Checkpoint::open(folder).value();
  ASSERT_TRUE(checkpoint.save({.commit_ts = CommitTs(5)}).ok());
  EXPECT_DEATH((void)checkpoint.save({.commit_ts = CommitTs(4)}), "ts=4 saved=5");
}

}  // namespace
}  // namespace sluice::drainer::position
