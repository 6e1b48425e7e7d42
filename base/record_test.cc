#include "base/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/checksum.h"

namespace sluice {
namespace {

// Golden bytes of docs/formats/record.md, version 1. They are never regenerated: files in the field have them.
TEST(Record, PrewriteHasTheBytesOfItsPage) {
  std::string run;
  encode_prewrite(StartTs(42), PayloadFormat::tidb, as_bytes("abc"), run);
  EXPECT_EQ(to_hex(run), "01010000030000002a0000000000000050392f89945faf786162630000000000");
}

TEST(Record, CommitRollbackAndProgressHaveTheBytesOfTheirPage) {
  std::string run;
  encode_commit(StartTs(42), CommitTs(50), run);
  encode_rollback(StartTs(43), run);
  encode_progress(Tso(60), run);
  EXPECT_EQ(to_hex(run),
            "02000000000000002a000000000000003200000000000000"
            "03000000000000002b00000000000000"
            "05000000000000003c00000000000000");
}

TEST(Record, DecodesWhatItEncoded) {
  std::string run;
  encode_prewrite(StartTs(7), PayloadFormat::native, as_bytes("payload"), run);
  const auto view = decode_record(as_bytes(run), {});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->header.kind, RecordKind::prewrite);
  EXPECT_EQ(view->header.format, PayloadFormat::native);
  EXPECT_EQ(view->header.start_ts, 7u);
  EXPECT_EQ(as_text(view->body), "payload");
  EXPECT_EQ(view->bytes.size(), run.size());
}

TEST(Record, SplitsALargePayloadIntoPartsThatJoinAgain) {
  const std::string payload(kRecordBodyBytesMax * 2 + 5, 'x');
  std::string run;
  encode_prewrite(StartTs(7), PayloadFormat::tidb, as_bytes(payload), run);
  std::string joined;
  int completions = 0;
  const absl::Status status = for_each_record(as_bytes(run), {}, [&](const RecordView& view) {
    EXPECT_EQ(view.header.kind, RecordKind::prewrite_part);
    EXPECT_EQ(view.header.part_offset, joined.size());
    EXPECT_EQ(view.header.whole_hash, xxh3(as_bytes(payload)));
    joined += as_text(view.body);
    completions += view.header.completes_prewrite() ? 1 : 0;
    return absl::OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(joined, payload);
  EXPECT_EQ(completions, 1);
}

TEST(Record, APayloadOfExactlyTheLimitIsOneRecord) {
  std::string run;
  encode_prewrite(StartTs(7), PayloadFormat::tidb, as_bytes(std::string(kRecordBodyBytesMax, 'x')), run);
  const auto view = decode_record(as_bytes(run), {});
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->header.kind, RecordKind::prewrite);
}

// Every flipped bit of a record is found, but for those of the timestamps: these are covered by the hash over headers.
TEST(Record, FindsEveryFlippedBitOfARecordOrItsHeaderChain) {
  std::string run;
  encode_prewrite(StartTs(42), PayloadFormat::tidb, as_bytes("hello"), run);
  encode_commit(StartTs(42), CommitTs(50), run);
  const uint64_t chain = chain_record_headers(0, as_bytes(run));
  for (size_t bit = 0; bit < run.size() * 8; ++bit) {
    std::string damaged = run;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto status = for_each_record(as_bytes(damaged), {}, [](const RecordView&) { return absl::OkStatus(); });
    if (status.ok()) {
      EXPECT_NE(chain_record_headers(0, as_bytes(damaged)), chain) << "bit " << bit;
    }
  }
}

TEST(Record, RefusesEveryTruncation) {
  std::string run;
  encode_prewrite(StartTs(42), PayloadFormat::tidb, as_bytes("hello"), run);
  for (size_t n = 0; n < run.size(); ++n) EXPECT_FALSE(decode_record(as_bytes(run).first(n), {}).ok()) << n;
}

TEST(Record, RefusesALengthAboveTheLimitBeforeBelievingIt) {
  std::string run;
  encode_prewrite(StartTs(42), PayloadFormat::tidb, as_bytes("hello"), run);
  store_le<uint32_t>(reinterpret_cast<std::byte*>(run.data()) + 4, 0xffffffffu);
  const auto view = decode_record(as_bytes(run), {});
  ASSERT_FALSE(view.ok());
  EXPECT_THAT(std::string(view.status().message()), testing::HasSubstr("4294967295"));
}

TEST(Record, RefusesACommitAtOrBelowItsStart) {
  std::string run;
  encode_commit(StartTs(42), CommitTs(42), run);
  EXPECT_FALSE(decode_record(as_bytes(run), {}).ok());
}

}  // namespace
}  // namespace sluice
