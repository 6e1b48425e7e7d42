// Lacking descriptors, memory or space holds the log up, at whichever call; it never ends it and loses nothing.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/testing/log_fixture.h"
#include "storage/testing/simulated_disk.h"

namespace sluice::storage {
namespace {

using Call = SimulatedDisk::Call;
using Effect = SimulatedDisk::Effect;

LogOptions impatient_log_options() {
  LogOptions options = small_log_options("/sim/log");
  options.shortage_retry_every = std::chrono::milliseconds(1);
  return options;
}

// Appends until the log takes it, as a writer does that is told to come back.
void write_patiently(LogFixture& log, const std::string& run) {
  absl::StatusOr<Ticket> ticket = log.log().append(run);
  while (absl::IsResourceExhausted(ticket.status())) {
    std::this_thread::yield();
    ticket = log.log().append(run);
  }
  ASSERT_TRUE(ticket.ok()) << ticket.status();
  ASSERT_TRUE(log.listener().wait_for(*ticket)) << log.listener().failure();
}

class LogShortage : public testing::TestWithParam<Effect> {};

TEST_P(LogShortage, AtEachCallHoldsTheLogUpAndLosesNothing) {
  for (uint64_t n = 0; n < 40; ++n) {
    SimulatedDisk disk({.seed = n + 1});
    LogFixture log(disk, impatient_log_options());
    ASSERT_TRUE(log.open().ok());
    disk.inject(std::nullopt, n, {.effect = GetParam()});
    std::string written;
    for (uint64_t i = 1; i <= 5; ++i) {
      const std::string run = prewrite(i, std::string(1'900'000, 'a'));
      written += run;
      ASSERT_NO_FATAL_FAILURE(write_patiently(log, run)) << "call " << n;
    }
    ASSERT_TRUE(log.log().close().ok()) << "call " << n;
    disk.clear_faults();
    ASSERT_TRUE(log.open().ok()) << "call " << n;
    ASSERT_TRUE(log.recovered() == written) << "call " << n;
  }
}

TEST_P(LogShortage, OfTheSameKindOfCallThreeTimesOver) {
  for (const Call call : {Call::write_plain, Call::write_durable, Call::sync, Call::open, Call::create, Call::remove,
                          Call::sync_dir, Call::rename}) {
    SimulatedDisk disk({.seed = 1});
    LogFixture log(disk, impatient_log_options());
    ASSERT_TRUE(log.open().ok());
    for (int i = 0; i < 3; ++i) disk.inject(call, 0, {.effect = GetParam()});
    for (uint64_t i = 1; i <= 5; ++i)
      ASSERT_NO_FATAL_FAILURE(write_patiently(log, prewrite(i, std::string(1'900'000, 'a'))));
    ASSERT_TRUE(log.log().close().ok());
  }
}

TEST_P(LogShortage, AtEachCallOfAnOpenIsToldAndTheNextOpenFindsAll) {
  for (uint64_t n = 0; n < 30; ++n) {
    SimulatedDisk disk({.seed = 1});
    LogFixture log(disk, impatient_log_options());
    if (n < 15) {  // the rest: of a new log's first open
      ASSERT_TRUE(log.open().ok());
      log.write(prewrite(1, "a"));
      log.close();
    }
    disk.inject(std::nullopt, n % 15, {.effect = GetParam()});
    const absl::Status status = log.open();
    EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status << " call " << n;
    log.close();
    disk.clear_faults();
    ASSERT_TRUE(log.open().ok()) << "call " << n;
    EXPECT_EQ(log.recovered(), n < 15 ? prewrite(1, "a") : "");
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, LogShortage,
                         testing::Values(Effect::no_space, Effect::no_descriptor, Effect::no_memory),
                         [](const auto& test) {
                           return test.param == Effect::no_space        ? "space"
                                  : test.param == Effect::no_descriptor ? "descriptors"
                                                                        : "memory";
                         });

TEST(LogRecoveryDescriptors, ALogOfManySegmentsIsOpenedWithAHandfulOfThem) {
  SimulatedDisk disk({.seed = 1});
  LogFixture log(disk, impatient_log_options());
  ASSERT_TRUE(log.open().ok());
  for (uint64_t i = 1; i <= 60; ++i) log.write(prewrite(i, std::string(1'900'000, 'a')));
  ASSERT_GT(log.log().stats().segments, 25u);
  ASSERT_TRUE(log.open().ok());
  EXPECT_LT(disk.open_files_max(), 10u);
}

// In a process of its own: exits with 0 when the log goes on though everything else has eaten the descriptors.
[[noreturn]] void write_without_descriptors(DiskBackend backend, const std::filesystem::path& dir) {
  const rlimit few{100, 100};
  if (::setrlimit(RLIMIT_NOFILE, &few) != 0) ::_exit(10);
  auto disk = open_disk(backend);
  if (!disk.ok()) ::_exit(0);
  LogFixture log(**disk, small_log_options(dir));
  if (!log.open().ok()) ::_exit(11);
  std::vector<int> eaten;  // as idle connections would
  for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) eaten.push_back(fd);
  std::string written;
  std::vector<LogPosition> positions;
  for (uint64_t i = 1; i <= 30; ++i) {
    const std::string run = prewrite(i, std::string(1'900'000, 'a'));
    const auto ticket = log.log().append(run);
    if (!ticket.ok() || !log.listener().wait_for(*ticket)) ::_exit(12);
    positions.push_back(log.listener().positions().back());
  }
  std::string out;
  for (const LogPosition position : positions)
    if (!log.log().read_prewrite(position, out).ok()) ::_exit(13);
  if (!log.log().close().ok()) ::_exit(14);
  for (const int fd : eaten) ::close(fd);
  std::filesystem::remove_all(dir);  // this process made its own
  ::_exit(0);
}

TEST(LogDescriptors, TheLogRollsAndIsReadWhileConnectionsHaveEatenAllDescriptors) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  for (const DiskBackend backend : {DiskBackend::pwritev2, DiskBackend::io_uring}) {
    std::string dir = (std::filesystem::temp_directory_path() / "sluice-few-XXXXXX").string();
    ASSERT_NE(::mkdtemp(dir.data()), nullptr);
    EXPECT_EXIT(write_without_descriptors(backend, dir), testing::ExitedWithCode(0), "");
    std::filesystem::remove_all(dir);
  }
}

}  // namespace
}  // namespace sluice::storage
