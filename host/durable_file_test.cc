#include "host/durable_file.h"

#include <filesystem>
#include <fstream>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/testing/temporary_folder.h"

namespace sluice::host {
namespace {

using testing::HasSubstr;

class DurableFile : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "position"; }

  TemporaryFolder folder_;
};

TEST_F(DurableFile, ReadsBackWhatWasReplaced) {
  ASSERT_TRUE(replace_file(file(), "old").ok());
  ASSERT_TRUE(replace_file(file(), "new and longer").ok());
  const auto text = read_small_file(file());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->value(), "new and longer");
}

TEST_F(DurableFile, LeavesNothingBeside) {
  ASSERT_TRUE(replace_file(file(), "text").ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
}

TEST_F(DurableFile, IsNobodyElsesUnlessAsked) {
  ASSERT_TRUE(replace_file(file(), "secret").ok());
  struct stat kept {};
  ASSERT_EQ(::stat(file().c_str(), &kept), 0);
  EXPECT_EQ(kept.st_mode & 0777, 0600u);
}

TEST_F(DurableFile, NoFileIsNothingAndNoError) {
  const auto text = read_small_file(file());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, std::nullopt);
}

TEST_F(DurableFile, RefusesWhatIsTooLargeToBeOurs) {
  std::ofstream(file()) << std::string(kSmallFileBytesMax + 1, 'x');
  EXPECT_THAT(read_small_file(file()).status().message(), HasSubstr("not a file of ours"));
}

TEST_F(DurableFile, NamesFileAndCallWhenTheFolderIsGone) {
  const absl::Status status = replace_file(folder_.path() / "gone" / "position", "text");
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("gone/position.new"));
}

}  // namespace
}  // namespace sluice::host
