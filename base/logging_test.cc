#include "base/logging.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/status.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Logging : testing::Test {
  std::filesystem::path dir = testing::TempDir() + fmt::format("logging_test.{}", ::getpid());
  Logging() { std::filesystem::create_directories(dir); }
  ~Logging() override {
    EXPECT_TRUE(set_up_logging({}).ok());
    std::filesystem::remove_all(dir);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(dir / name).rdbuf();
    return text.str();
  }
};

TEST_F(Logging, GoesOnInANewFileOnceTheOldOneWasMovedAway) {
  ASSERT_TRUE(set_up_logging({.file = dir / "log", .level = "info"}).ok());
  spdlog::info("before");
  std::filesystem::rename(dir / "log", dir / "log.1");
  ASSERT_TRUE(reopen_log().ok());
  spdlog::info("after");
  EXPECT_THAT(read("log.1"), testing::AllOf(HasSubstr("before"), Not(HasSubstr("after"))));
  EXPECT_THAT(read("log"), HasSubstr("after"));
}

TEST_F(Logging, KeepsWhatIsOpenWhenTheNameCannotBeOpened) {
  std::filesystem::create_directories(dir / "sub");
  ASSERT_TRUE(set_up_logging({.file = dir / "sub" / "log", .level = "info"}).ok());
  std::filesystem::rename(dir / "sub", dir / "moved");
  std::ofstream(dir / "sub") << "no folder";
  EXPECT_FALSE(reopen_log().ok());
  spdlog::info("still here");
  EXPECT_THAT(read("moved/log"), HasSubstr("still here"));
}

TEST_F(Logging, ChangesItsLevelAndTakesEachListedOne) {
  ASSERT_TRUE(set_up_logging({.file = dir / "log", .level = "error"}).ok());
  spdlog::info("quiet");
  ASSERT_TRUE(set_log_level("debug").ok());
  spdlog::debug("loud");
  EXPECT_THAT(read("log"), Not(HasSubstr("quiet")));
  for (const char* level : {"debug", "info", "warn", "error", "fatal"}) EXPECT_TRUE(set_log_level(level).ok()) << level;
  EXPECT_THAT(std::string(message_of(set_log_level("loud"))), HasSubstr("fatal"));
}

}  // namespace
}  // namespace sluice
