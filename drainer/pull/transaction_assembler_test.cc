#include "drainer/pull/transaction_assembler.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace sluice::drainer::pull {
namespace {

using testing::HasSubstr;

struct Fixture : testing::Test {
  TransactionAssembler assembler;
  std::vector<merge::PulledTransaction> got;
  std::string run;

  absl::Status feed(std::string_view bytes) {
    return assembler.feed(as_bytes(bytes), [&](merge::PulledTransaction t) {
      got.push_back(std::move(t));
      return absl::OkStatus();
    });
  }
  std::string error() { return std::string(message_of(feed(run))); }
  void add(uint64_t start, uint64_t commit, std::string_view payload) {
    encode_commit(StartTs(start), CommitTs(commit), run);
    encode_prewrite(StartTs(start), PayloadFormat::tidb, as_bytes(payload), run);
  }
  // Where the records of `run` end, so that it can be cut between any two.
  std::vector<size_t> cuts() {
    std::vector<size_t> ends;
    EXPECT_TRUE(for_each_record(as_bytes(run), {}, [&](const RecordView& record) {
                  ends.push_back((ends.empty() ? 0 : ends.back()) + record.bytes.size());
                  return absl::OkStatus();
                }).ok());
    return ends;
  }
};
using Assembler = Fixture;

TEST_F(Assembler, PairsEachCommitWithItsPrewrite) {
  add(1, 2, "one");
  add(3, 5, "two");
  ASSERT_TRUE(feed(run).ok());
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].commit_ts, CommitTs(2));
  EXPECT_EQ(*got[0].payload, "one");
  EXPECT_EQ(got[1].start_ts, StartTs(3));
  EXPECT_EQ(*got[1].payload, "two");
  EXPECT_EQ(got[0].wire_bytes + got[1].wire_bytes, run.size());
  EXPECT_FALSE(assembler.is_partial());
}

TEST_F(Assembler, JoinsPartsWhereverTheRunsAreCut) {
  const std::string payload(size_t{kRecordBodyBytesMax} * 2 + 77, 'x');
  add(1, 2, payload);
  add(3, 4, "small");
  for (const size_t cut : cuts()) {
    got.clear();
    ASSERT_TRUE(feed(std::string_view(run).substr(0, cut)).ok());
    ASSERT_TRUE(feed(std::string_view(run).substr(cut)).ok());
    ASSERT_EQ(got.size(), 2u) << cut;
    EXPECT_EQ(*got[0].payload, payload);
    EXPECT_EQ(*got[1].payload, "small");
  }
}

TEST_F(Assembler, ForgetsAPartialTransactionWhenItsSessionIsLost) {
  add(1, 2, "one");
  ASSERT_TRUE(feed(std::string_view(run).substr(0, cuts()[0])).ok());
  EXPECT_TRUE(assembler.is_partial());
  assembler.reset();
  ASSERT_TRUE(feed(run).ok());
  ASSERT_EQ(got.size(), 1u);
}

TEST_F(Assembler, RefusesAPrewriteWithoutItsCommit) {
  encode_prewrite(StartTs(1), PayloadFormat::tidb, as_bytes("x"), run);
  EXPECT_THAT(error(), HasSubstr("prewrite of start ts 1"));
}

TEST_F(Assembler, RefusesThePrewriteOfAnotherTransaction) {
  encode_commit(StartTs(1), CommitTs(2), run);
  encode_prewrite(StartTs(3), PayloadFormat::tidb, as_bytes("x"), run);
  EXPECT_THAT(error(), HasSubstr("start ts 3 where that of start ts 1 (commit ts 2) was due"));
}

TEST_F(Assembler, RefusesASecondCommitBeforeThePrewrite) {
  encode_commit(StartTs(1), CommitTs(2), run);
  encode_commit(StartTs(3), CommitTs(4), run);
  EXPECT_THAT(error(), HasSubstr("commit ts 4 before the prewrite of commit ts 2 was whole"));
}

TEST_F(Assembler, RefusesARecordThatPullsDontHave) {
  encode_rollback(StartTs(9), run);
  EXPECT_THAT(error(), HasSubstr("kind 3"));
}

TEST_F(Assembler, RefusesPartsWithAHole) {
  add(1, 2, std::string(size_t{kRecordBodyBytesMax} * 3, 'x'));
  const auto ends = cuts();
  run.erase(ends[1], ends[2] - ends[1]);
  EXPECT_THAT(error(), HasSubstr("where 1048576 was due"));
}

TEST_F(Assembler, RefusesAWholeThatHashesToSomethingElse) {
  // Parts of two payloads, each part true to its own hash: only the whole shows it.
  std::string other;
  add(1, 2, std::string(size_t{kRecordBodyBytesMax} * 2, 'x'));
  const auto ends = cuts();
  encode_prewrite(StartTs(1), PayloadFormat::tidb, as_bytes(std::string(size_t{kRecordBodyBytesMax} * 2, 'y')), other);
  run.replace(ends[1], std::string::npos, other.substr(other.size() / 2));
  EXPECT_THAT(error(), HasSubstr("in parts) hashes to"));
}

TEST_F(Assembler, TakesADecidedCommitAsACommit) {
  encode_commit(StartTs(1), CommitTs(2), run, RecordKind::decided_commit);
  encode_prewrite(StartTs(1), PayloadFormat::tidb, as_bytes("x"), run);
  ASSERT_TRUE(feed(run).ok());
  EXPECT_EQ(got.size(), 1u);
}

}  // namespace
}  // namespace sluice::drainer::pull
