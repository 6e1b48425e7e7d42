#include "tools/loadgen/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/status.h"

namespace sluice::loadgen {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Workload workload(std::string_view text) {
  auto parsed = parse_workload(text);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return *std::move(parsed);
}

std::vector<int64_t> times_ms(const Workload& load, uint32_t lane, uint32_t lanes) {
  std::vector<int64_t> times;
  for (Pace pace(load, lane, lanes); pace.front(); pace.pop())
    times.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(pace.front()->at).count());
  return times;
}

TEST(Workload, PhasesFollowEachOther) {
  const Workload load = workload("# a short day\n\nnight 2 1   # quiet\nday 1 4\n");
  ASSERT_EQ(load.size(), 2u);
  EXPECT_EQ(load[1].name, "day");
  EXPECT_THAT(times_ms(load, 0, 1), ElementsAre(0, 1000, 2000, 2250, 2500, 2750));
}

TEST(Workload, AnIdlePhaseHasNoTransactionsAndTakesItsTime) {
  EXPECT_THAT(times_ms(workload("idle 3 0\nday 1 2"), 0, 1), ElementsAre(3000, 3500));
}

TEST(Workload, ARisingAndAFallingRateHaveAsManyAsTheirMean) {
  for (const char* text : {"up 10 0..100", "down 10 100..0", "up 10 30..70", "down 10 70..30"}) {
    const auto times = times_ms(workload(text), 0, 1);
    EXPECT_NEAR(static_cast<double>(times.size()), 500, 2) << text;
    EXPECT_TRUE(std::is_sorted(times.begin(), times.end())) << text;
  }
  const auto rising = times_ms(workload("up 10 0..100"), 0, 1);
  EXPECT_NEAR(static_cast<double>(std::lower_bound(rising.begin(), rising.end(), 5000) - rising.begin()), 125, 2);
}

TEST(Workload, LanesShareItAndTakeTurns) {
  const Workload load = workload("day 2 3");
  EXPECT_THAT(times_ms(load, 0, 3), ElementsAre(0, 1000));
  EXPECT_THAT(times_ms(load, 1, 3), ElementsAre(333, 1333));
  EXPECT_THAT(times_ms(load, 2, 3), ElementsAre(666, 1666));
}

TEST(Workload, AHugeTransactionIsOneLanesAndComesBetweenThePhases) {
  const Workload load = workload("a 1 1\nbatch once 5000000 20000\nb 1 1");
  EXPECT_THAT(times_ms(load, 0, 2), ElementsAre(0, 1000, 1000));
  EXPECT_THAT(times_ms(load, 1, 2), ElementsAre());
  Pace pace(load, 0, 1);
  EXPECT_EQ(pace.front()->huge, nullptr);
  pace.pop();
  ASSERT_NE(pace.front()->huge, nullptr);
  EXPECT_EQ(pace.front()->huge->huge_payload_bytes, 5'000'000u);
  EXPECT_EQ(pace.front()->huge->huge_rows, 20'000u);
}

TEST(Workload, ALineThatIsNoneNamesItself) {
  for (const char* wrong : {"night", "night 5", "night five 3", "night 5 3 7", "night -1 3", "night 5 1..", "night 0 5",
                            "night nan 5", "night 5 inf", "batch once 0 5", "batch once 5"}) {
    const auto parsed = parse_workload(std::string("fine 1 1\n") + wrong);
    ASSERT_FALSE(parsed.ok()) << wrong;
    EXPECT_THAT(message_of(parsed.status()), HasSubstr("line 2")) << wrong;
  }
  EXPECT_THAT(message_of(parse_workload("# nothing\n").status()), HasSubstr("no phase"));
}

TEST(Workload, TheExampleDayIsOne) {
  std::ifstream file(SLUICE_SOURCE_DIR "/tools/loadgen/workloads/day.txt");
  std::stringstream text;
  text << file.rdbuf();
  const Workload day = workload(text.str());
  EXPECT_GT(day.size(), 6u);
  EXPECT_EQ(std::count_if(day.begin(), day.end(), [](const Phase& phase) { return phase.is_huge(); }), 1);
  EXPECT_TRUE(
      std::any_of(day.begin(), day.end(), [](const Phase& phase) { return !phase.is_huge() && phase.rate_end == 0; }));
}

}  // namespace
}  // namespace sluice::loadgen
