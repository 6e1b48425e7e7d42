#include "drainer/position/confirmed_position.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "host/durable_file.h"

namespace sluice::drainer::position {
namespace {

using ::testing::HasSubstr;

struct ConfirmedPositionTest : testing::Test {
  std::string folder =
      testing::TempDir() + "/confirmed_" + testing::UnitTest::GetInstance()->current_test_info()->name();
  ConfirmedPositionTest() {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  ~ConfirmedPositionTest() override { std::filesystem::remove_all(folder); }
  void keep(const std::string& text) { ASSERT_TRUE(host::replace_file(confirmed_position_path(folder), text).ok()); }
};

// The worked example of docs/formats/drainer-files.md.
TEST_F(ConfirmedPositionTest, ReadsBackWhatWasKeptForThisClusterAndDownstreamOnly) {
  const ConfirmedPosition kept{.cluster_id = 7, .downstream = "root@db:3306", .commit_ts = CommitTs(42)};
  const std::string text = "cluster-id = 7\ndownstream = \"root@db:3306\"\ncommitTS = 42\n";
  EXPECT_EQ(encode_confirmed_position(kept), text);
  EXPECT_EQ(decode_confirmed_position(text, "x").value(), kept);
  keep(text);
  EXPECT_EQ(read_confirmed_position(folder, 7, "root@db:3306").value(), CommitTs(42));
  EXPECT_EQ(read_confirmed_position(folder, 8, "root@db:3306").value(), CommitTs(0));
  EXPECT_EQ(read_confirmed_position(folder, 7, "root@other:3306").value(), CommitTs(0));
}

TEST_F(ConfirmedPositionTest, IsNothingInANewFolderAndAnErrorWhenItIsGarbage) {
  EXPECT_EQ(read_confirmed_position(folder, 7, "root@db:3306").value(), CommitTs(0));
  keep("commitTS = \"soon\"\n");
  const auto read = read_confirmed_position(folder, 7, "root@db:3306");
  EXPECT_TRUE(absl::IsFailedPrecondition(read.status()));
  EXPECT_THAT(std::string(message_of(read.status())), HasSubstr("downstream-position"));
}

}  // namespace
}  // namespace sluice::drainer::position
