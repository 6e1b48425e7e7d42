#include "base/log_field.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(LogField, AFieldFromOutsideCannotForgeALine) {
  EXPECT_EQ(log_field("drainer-1:8249"), "drainer-1:8249");
  EXPECT_EQ(log_field(""), "\"\"");
  EXPECT_EQ(log_field("x\n[2026/11/25 00:00:00.000 +00:00] [INFO] pump stopped"),
            R"("x\n[2026/11/25 00:00:00.000 +00:00] [INFO] pump stopped")");
  EXPECT_EQ(log_field("a\" reason=\"b"), R"("a\" reason=\"b")");
  EXPECT_EQ(log_field("back\\slash"), R"("back\\slash")");
  EXPECT_EQ(log_field("a=b"), "\"a=b\"");
  EXPECT_EQ(log_field("\x1b[2J\r\xc2\x85"), R"("\x1b[2J\x0d\xc2\x85")");
}

TEST(LogField, AFieldFromOutsideIsCut) {
  const std::string field = log_field(std::string(5000, 'a'));
  EXPECT_LT(field.size(), kLogFieldBytesMax + 10);
  EXPECT_TRUE(field.ends_with("...\""));
}

TEST(LogField, AFloodIsOneLineASecondWithACount) {
  LogLimiter limiter;
  const std::chrono::steady_clock::time_point start{};
  for (uint64_t i = 0; i < LogLimiter::kBurst; ++i) EXPECT_EQ(limiter.pass(start), 0u);
  for (int i = 0; i < 41; ++i) EXPECT_EQ(limiter.pass(start + std::chrono::milliseconds(i)), std::nullopt);
  EXPECT_EQ(limiter.pass(start + std::chrono::seconds(1)), 41u);
  EXPECT_EQ(limiter.pass(start + std::chrono::seconds(3)), 0u);
  EXPECT_EQ(like_this(41), " more_like_this=41");
  EXPECT_EQ(like_this(0), "");
}

}  // namespace
}  // namespace sluice
