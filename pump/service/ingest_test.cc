// Ingest between a writer that records what it is told and a log that records what it takes.
#include "pump/service/ingest.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/status.h"

namespace sluice::pump {
namespace {

using net::NackReason;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RecordingPeer final : public net::Peer {
 public:
  std::vector<net::Nack> nacks;
  uint64_t acked = 0;
  absl::Status closed;

  uint64_t id() const override { return 1; }
  const net::Hello& hello() const override { return hello_; }
  const std::string& address() const override { return address_; }
  void send_ack(uint64_t through) override { acked = through; }
  void send_nack(const net::Nack& nack) override { nacks.push_back(nack); }
  void send_tso(uint64_t, Tso, uint32_t) override {}
  void send_data(std::string) override {}
  void send_resolved(ResolvedTs) override {}
  void send_gap(const net::Gap&) override {}
  void send_end(CommitTs) override {}
  void send_goodbye() override {}
  uint64_t queued_bytes() const override { return 0; }
  void set_reading(bool) override {}
  void close(const absl::Status& why) override { closed = why; }

 private:
  net::Hello hello_{.role = net::PeerRole::writer};
  std::string address_ = "test";
};

class RecordingLog final : public storage::Log {
 public:
  std::vector<std::string> runs;

  absl::StatusOr<storage::Ticket> append(std::string run) override {
    runs.push_back(std::move(run));
    return runs.size();
  }
  absl::Status read_prewrite(LogPosition, std::string&) override { return absl::OkStatus(); }
  absl::Status read_prewrite_piece(storage::PrewriteCursor&, uint64_t, std::string&) override {
    return absl::OkStatus();
  }
  LogPosition durable_end() const override { return {}; }
  uint64_t cluster_id() const override { return 1; }
  uint64_t birth_id() const override { return 1; }
  storage::LogStats stats() const override { return {}; }
  absl::Status close() override { return absl::OkStatus(); }

  [[nodiscard]] std::vector<RecordKind> kinds() const {
    std::vector<RecordKind> kinds;
    for (const std::string& run : runs)
      EXPECT_TRUE(for_each_record(as_bytes(run), {}, [&](const RecordView& record) {
                    kinds.push_back(record.header.kind);
                    return absl::OkStatus();
                  }).ok());
    return kinds;
  }
};

class SteadyOracle final : public Oracle {
 public:
  uint64_t next = 1000;
  void take(uint32_t count, Answer answer) override { answer(Tso(std::exchange(next, next + count))); }
};

class FixedClock final : public Clock {
 public:
  static constexpr uint64_t kNowMs = 1'000'000'000;
  std::chrono::system_clock::time_point wall_now() const override {
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(kNowMs));
  }
  std::chrono::steady_clock::time_point now() const override { return {}; }
};

struct Fixture : testing::Test {
  std::filesystem::path dir =
      testing::TempDir() +
      fmt::format("ingest_test.{}.{}", ::getpid(), testing::UnitTest::GetInstance()->current_test_info()->name());
  FixedClock clock;
  SteadyOracle oracle;
  RecordingLog log;
  std::shared_ptr<RecordingPeer> peer = std::make_shared<RecordingPeer>();
  std::unique_ptr<DataFolder> folder;
  std::unique_ptr<Timekeeper> time;
  std::unique_ptr<CommitOrder> order;
  std::unique_ptr<Ingest> ingest;
  uint64_t sequence = 1;

  ~Fixture() override { std::filesystem::remove_all(dir); }

  void start(net::TimeSource source, IngestOptions options = {}) {
    std::filesystem::remove_all(dir);
    folder = DataFolder::open({.dir = dir, .time = source, .node_id = "pump-1"}).value();
    time = std::make_unique<Timekeeper>(*folder, source == net::TimeSource::writer ? nullptr : &oracle);
    order = std::make_unique<CommitOrder>(*time, clock);
    ingest = std::make_unique<Ingest>(*order, *time, log, clock, std::move(options));
  }
  void send(const std::string& run, uint64_t records = 1) {
    ingest->on_write(peer, std::exchange(sequence, sequence + records), run, {});
  }
  static std::string prewrite(uint64_t start) {
    std::string run;
    encode_prewrite(StartTs(start), PayloadFormat::tidb, as_bytes(std::string_view("x")), run);
    return run;
  }
  static std::string commit(uint64_t start, uint64_t commit, RecordKind kind = RecordKind::commit) {
    std::string run;
    encode_commit(StartTs(start), CommitTs(commit), run, kind);
    return run;
  }
  static std::string progress(uint64_t ts) {
    std::string run;
    encode_progress(Tso(ts), run);
    return run;
  }
};
using IngestTest = Fixture;

TEST_F(IngestTest, WritesWhatWasPublishedBeforeThePrewriteThatFollows) {
  start(net::TimeSource::embedded);
  send(prewrite(900));
  EXPECT_THAT(log.kinds(), ElementsAre(RecordKind::progress, RecordKind::prewrite));
  EXPECT_THAT(peer->nacks, IsEmpty());
  send(commit(900, oracle.next++));
  send(prewrite(950));  // nothing was published since
  EXPECT_THAT(log.kinds(),
              ElementsAre(RecordKind::progress, RecordKind::prewrite, RecordKind::commit, RecordKind::prewrite));
}

TEST_F(IngestTest, SaysThatTheOutcomeIsUnknownOfWhatWasBeingWrittenWhenTheLogFailed) {
  start(net::TimeSource::writer);
  send(prewrite(10) + prewrite(11), 2);
  ingest->on_log_failed(absl::UnavailableError("write: Input/output error"));
  send(prewrite(12));
  ASSERT_THAT(peer->nacks, SizeIs(2));
  EXPECT_EQ(peer->nacks[0].reason, NackReason::unknown_outcome);
  EXPECT_EQ(peer->nacks[0].first, 1u);
  EXPECT_EQ(peer->nacks[0].last, 2u);
  EXPECT_TRUE(peer->nacks[0].retryable);
  EXPECT_EQ(peer->nacks[1].reason, NackReason::read_only);  // never taken: free to go elsewhere
}

TEST_F(IngestTest, BoundsWhatIsOpenWithinOneFrameTooAndTakesRepeatsOfIt) {
  start(net::TimeSource::writer, {.open_max = 2});
  send(prewrite(10) + prewrite(11) + prewrite(12), 3);
  ASSERT_THAT(peer->nacks, SizeIs(1));
  EXPECT_EQ(peer->nacks[0].first, 3u);
  EXPECT_EQ(peer->nacks[0].reason, NackReason::no_space);
  EXPECT_TRUE(peer->nacks[0].retryable);
  EXPECT_THAT(log.kinds(), ElementsAre(RecordKind::prewrite, RecordKind::prewrite));
  send(prewrite(11));
  EXPECT_THAT(peer->nacks, SizeIs(1));
}

TEST_F(IngestTest, RefusesInWriterTimeWhatIsFarAboveTheClockNamingBothAndTakesWhatIsPast) {
  start(net::TimeSource::writer);
  const uint64_t day_ms = 24 * 3600 * 1000;
  send(progress(UINT64_MAX));
  send(progress(compose_tso(FixedClock::kNowMs + day_ms + 1, 0).value));
  send(prewrite(compose_tso(FixedClock::kNowMs + day_ms + 1, 0).value));
  send(prewrite(100));
  send(commit(100, compose_tso(FixedClock::kNowMs + 2 * day_ms, 0).value));
  ASSERT_THAT(peer->nacks, SizeIs(4));
  for (const net::Nack& nack : peer->nacks) {
    EXPECT_EQ(nack.reason, NackReason::wrong_time);
    EXPECT_FALSE(nack.retryable);
  }
  EXPECT_THAT(peer->nacks[1].text, AllOf(HasSubstr("1086400001"), HasSubstr("1000000000")));
  send(commit(100, 200));
  send(progress(compose_tso(FixedClock::kNowMs + day_ms, 0).value));
  EXPECT_THAT(log.kinds(), ElementsAre(RecordKind::prewrite, RecordKind::commit, RecordKind::progress));
}

TEST_F(IngestTest, RefusesInEmbeddedTimeEveryKindOfRecordAboveAFreshAnswerNamingBoth) {
  start(net::TimeSource::embedded);
  send(prewrite(5'000));
  send(commit(5'000, 6'000, RecordKind::stray));
  ASSERT_THAT(peer->nacks, SizeIs(2));
  for (const net::Nack& nack : peer->nacks) EXPECT_EQ(nack.reason, NackReason::ahead_of_oracle);
  EXPECT_THAT(peer->nacks[0].text, AllOf(HasSubstr("5000"), HasSubstr("1000")));
}

TEST_F(IngestTest, TakesAStrayFromAWriterAndNoOtherDecision) {
  start(net::TimeSource::writer);
  send(prewrite(10));
  send(commit(10, 20, RecordKind::stray));
  EXPECT_THAT(log.kinds(), ElementsAre(RecordKind::prewrite, RecordKind::stray));
  send(commit(10, 20, RecordKind::decided_commit));
  ASSERT_THAT(peer->nacks, SizeIs(1));
  EXPECT_EQ(peer->nacks[0].reason, NackReason::bad_record);
}

}  // namespace
}  // namespace sluice::pump
