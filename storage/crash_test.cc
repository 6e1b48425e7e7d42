// Crashes at every call to a simulated disk: what was acknowledged is there afterwards, and nothing that was never
// submitted.
#include <cstdlib>

#include <gtest/gtest.h>

#include "storage/testing/log_fixture.h"
#include "storage/testing/stepped_log.h"

namespace sluice::storage {
namespace {

// SLUICE_SEEDS=5000 for the long run.
uint64_t seeds() {
  const char* text = std::getenv("SLUICE_SEEDS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 60;
}

std::string random_run(std::mt19937_64& random) {
  std::string run;
  for (uint64_t i = 0, n = 1 + random() % 4; i < n; ++i) {
    const uint64_t start = 1 + random() % 1000;
    if (random() % 3 == 0)
      run += commit(start, start + 1 + random() % 9);
    else
      run += prewrite(start,
                      std::string(random() % (random() % 4 == 0 ? 9000 : 300), static_cast<char>('a' + random() % 26)));
  }
  return run;
}

// Writes until something fails or the life is over.
absl::Status live(SteppedLog& log, std::mt19937_64& random) {
  for (uint64_t i = 0, n = 2 + random() % 12; i < n; ++i) {
    SLUICE_RETURN_IF_ERROR(log.write(random_run(random)));
    if (random() % 3 == 0) SLUICE_RETURN_IF_ERROR(log.watermark());
    if (random() % 2 == 0) SLUICE_RETURN_IF_ERROR(log.prepare());
  }
  return absl::OkStatus();
}

// Several lives, most ended by a power cut at a random call, some by a kill that loses nothing written. What went
// wrong, or "".
std::string live_and_crash(SimulatedDisk::Options disk_options) {
  SimulatedDisk disk(disk_options);
  SteppedLog log(disk, {.seed = disk_options.seed + 1});
  std::mt19937_64 random(disk_options.seed + 2);
  for (int life = 0; life < 6; ++life) {
    // An operator may start it again with other sizes.
    log.set_sizes((32u + 16u * static_cast<uint32_t>(random() % 5)) << 10,
                  (16u + 4u * static_cast<uint32_t>(random() % 2)) << 10);
    if (random() % 3 == 0) disk.inject(std::nullopt, random() % 60, {.effect = SimulatedDisk::Effect::no_descriptor});
    absl::Status opened = log.open();
    while (absl::IsResourceExhausted(opened)) opened = log.open();
    if (!opened.ok()) return opened.ToString();
    if (std::string wrong = log.check(); !wrong.empty()) return wrong;
    if (random() % 5 == 0) {
      (void)live(log, random);  // killed: the disk keeps all
      continue;
    }
    disk.inject(std::nullopt, random() % 40, {.effect = SimulatedDisk::Effect::power_cut});
    (void)live(log, random);  // fails by the power cut, or doesn't get that far
    disk.crash();
    // Sometimes the power goes during recovery too.
    if (random() % 3 == 0) {
      disk.inject(std::nullopt, random() % 10, {.effect = SimulatedDisk::Effect::power_cut});
      (void)log.open();
      disk.crash();
    }
  }
  return "";
}

TEST(Crash, WhateverTheMomentWhatWasAcknowledgedIsThere) {
  for (uint64_t seed = 1; seed <= seeds(); ++seed) ASSERT_EQ(live_and_crash({.seed = seed}), "") << "seed " << seed;
}

// The exhaustive one: the same short life, cut at each of its calls, several outcomes each.
TEST(Crash, AtEachCallOfAShortLife) {
  for (uint64_t call = 0; call < 90; ++call) {
    for (uint64_t seed = 1; seed <= 4 + seeds() / 20; ++seed) {
      SimulatedDisk disk({.seed = seed});
      SteppedLog log(disk, {.seed = seed});
      disk.inject(std::nullopt, call, {.effect = SimulatedDisk::Effect::power_cut});
      std::mt19937_64 random(5);
      if (log.open().ok()) (void)live(log, random);  // until the cut
      disk.crash();
      const absl::Status opened = log.open();
      ASSERT_TRUE(opened.ok()) << opened << " call " << call << " seed " << seed;
      ASSERT_EQ(log.check(), "") << "call " << call << " seed " << seed;
    }
  }
}

// Spares of the former size are replaced one by one, and a death in between leaves a log that opens.
TEST(Crash, AtEachCallWhileSparesOfAnotherSizeAreReplaced) {
  for (const bool power_loss : {false, true}) {
    for (uint64_t call = 0; call < 60; ++call) {
      SimulatedDisk disk({.seed = call + 1});
      SteppedLog log(disk, {.seed = 1, .segments_ahead = 3});
      ASSERT_TRUE(log.open().ok());
      ASSERT_TRUE(log.write(prewrite(1, "acked")).ok());
      for (int i = 0; i < 6; ++i) ASSERT_TRUE(log.prepare().ok());
      log.set_sizes(96u << 10, 16u << 10);
      // A killed process: what it has done stays, and it does nothing more.
      if (power_loss)
        disk.inject(std::nullopt, call, {.effect = SimulatedDisk::Effect::power_cut});
      else
        disk.inject(std::nullopt, call, {.effect = SimulatedDisk::Effect::io_error, .sticky = true});
      if (log.open().ok())
        for (int i = 0; i < 6; ++i) (void)log.prepare();
      disk.clear_faults();
      if (power_loss) disk.crash();
      const absl::Status opened = log.open();
      ASSERT_TRUE(opened.ok()) << opened << " call " << call << " power_loss " << power_loss;
      ASSERT_EQ(log.check(), "") << "call " << call;
    }
  }
}

TEST(Crash, ATornSegmentIsNeverAppendedToAgain) {
  bool torn = false;
  for (uint64_t seed = 1; seed <= 40 && !torn; ++seed) {
    SimulatedDisk disk({.seed = seed});
    SteppedLog log(disk, {.seed = seed});
    ASSERT_TRUE(log.open().ok());
    ASSERT_TRUE(log.write(prewrite(1, "acked")).ok());
    disk.inject(SimulatedDisk::Call::write_durable, 0, {.effect = SimulatedDisk::Effect::power_cut});
    EXPECT_FALSE(log.write(prewrite(2, std::string(9000, 'x'))).ok());
    disk.crash();
    ASSERT_TRUE(log.open().ok());
    torn = log.verdict() == TailVerdict::torn;
    if (!torn) continue;
    ASSERT_EQ(log.check(), "");
    ASSERT_TRUE(log.write(prewrite(3, "after")).ok());
    EXPECT_EQ(log.writer().durable_end().segment(), 2u);
    ASSERT_TRUE(log.open().ok());
    EXPECT_EQ(log.recovered(), prewrite(1, "acked") + prewrite(3, "after"));
  }
  EXPECT_TRUE(torn) << "no seed tore a write";
}

// Positive controls: the checker must see these, or green means nothing.
TEST(CrashControl, AcknowledgingBeforeTheSyncIsCaught) {
  uint64_t caught = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed)
    caught += live_and_crash({.seed = seed, .lies_about_durable_writes = true}).empty() ? 0 : 1;
  EXPECT_GT(caught, 10u);
}

TEST(CrashControl, CuttingAtTheFirstBadBatchIsCaught) {
  SimulatedDisk disk({.seed = 1});
  SteppedLog log(disk, {});
  ASSERT_TRUE(log.open().ok());
  for (uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(log.write(prewrite(i, "x")).ok());
  std::string bytes = disk.content(SteppedLog::file(1));
  const size_t first_bad = kSegmentDataStart + kBlockBytes;
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(first_bad), bytes.end(), '\0');
  disk.set_content(SteppedLog::file(1), bytes);
  ASSERT_TRUE(log.open().ok());
  EXPECT_NE(log.check(), "");
}

// A recycled or restored file may hold batches of another activation exactly where the next batch goes.
std::string stale_batch_behind_the_end(uint64_t salt) {
  SimulatedDisk disk({.seed = 1}), other_disk({.seed = 1});
  SteppedLog log(disk, {.seed = 1, .constant_salt = salt}), other(other_disk, {.seed = 2, .constant_salt = salt});
  for (SteppedLog* l : {&log, &other}) {
    if (!l->open().ok() || !l->write(prewrite(1, "both")).ok()) return "set-up failed";
  }
  if (!other.write(prewrite(2, "stale")).ok()) return "set-up failed";
  std::string bytes = disk.content(SteppedLog::file(1));
  const size_t end = log.writer().durable_end().offset();
  bytes.replace(end, kBlockBytes, other_disk.content(SteppedLog::file(1)).substr(end, kBlockBytes));
  disk.set_content(SteppedLog::file(1), bytes);
  const absl::Status opened = log.open();
  return opened.ok() ? log.check() : opened.ToString();
}

TEST(Crash, StaleBatchesOfAnotherActivationAreNotBelieved) {
  EXPECT_EQ(stale_batch_behind_the_end(0), "");
}
TEST(CrashControl, WithoutTheSaltStaleBatchesAreBelieved) {
  EXPECT_NE(stale_batch_behind_the_end(99), "");
}

}  // namespace
}  // namespace sluice::storage
