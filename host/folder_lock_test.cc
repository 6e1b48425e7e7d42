#include "host/folder_lock.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/testing/temporary_folder.h"

namespace sluice::host {
namespace {

using testing::HasSubstr;

TEST(FolderLock, HoldsTheFolderAsLongAsItLives) {
  const TemporaryFolder folder;
  std::optional<FolderLock> first;
  {
    auto taken = FolderLock::take(folder.path(), {.holder = "pump"});
    ASSERT_TRUE(taken.ok()) << taken.status();
    first = std::move(taken).value();
  }
  const absl::Status second = FolderLock::take(folder.path(), {.holder = "pump"}).status();
  EXPECT_TRUE(absl::IsUnavailable(second)) << second;
  EXPECT_THAT(second.message(), HasSubstr("is in use by another pump; stop it, or give another --data-dir"));
  first.reset();
  EXPECT_TRUE(FolderLock::take(folder.path(), {}).ok());
}

TEST(FolderLock, NamesAFolderThatIsNotThere) {
  const TemporaryFolder folder;
  EXPECT_THAT(FolderLock::take(folder.path() / "gone", {}).status().message(), HasSubstr("gone/.lock"));
}

}  // namespace
}  // namespace sluice::host
