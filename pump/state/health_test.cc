#include "pump/state/health.h"

#include <gtest/gtest.h>

namespace sluice::pump {
namespace {

using Trouble = Health::Trouble;

TEST(Health, SaysEachTroubleSinceWhenAndForgetsItOnceItIsOver) {
  const Health::Time start{};
  Health health;
  EXPECT_EQ(health.text(start), "");
  health.report(Trouble::oracle, "no timestamps", start);
  health.report(Trouble::oracle, "no timestamps still", start + std::chrono::seconds(3));
  EXPECT_EQ(health.text(start + std::chrono::seconds(12)), "no timestamps still, since 12 s");
  health.report(Trouble::no_space, "the disk is full", start + std::chrono::seconds(10));
  EXPECT_EQ(health.text(start + std::chrono::seconds(12)),
            "the disk is full, since 2 s; no timestamps still, since 12 s");
  health.report(Trouble::oracle, "", start + std::chrono::seconds(13));
  health.report(Trouble::oracle, "again", start + std::chrono::seconds(14));
  EXPECT_EQ(health.episodes(Trouble::oracle), 2u);
  EXPECT_EQ(health.episodes(Trouble::no_space), 1u);
  EXPECT_EQ(health.episodes(Trouble::log_read_only), 0u);
}

}  // namespace
}  // namespace sluice::pump
