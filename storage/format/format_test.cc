// Golden bytes of docs/formats/segment.md, version 1. They are never regenerated: files in the field have them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/format/batch_format.h"
#include "storage/format/log_identity.h"
#include "storage/format/segment_format.h"
#include "storage/testing/log_fixture.h"

namespace sluice::storage {
namespace {

constexpr uint64_t kSalt = 0x1122334455667788;

SegmentHeader golden_segment() {
  return {.cluster_id = 7,
          .salt = kSalt,
          .sequence = 2,
          .segment_bytes = 256u << 20,
          .batch_bytes_max = 4u << 20,
          .first_batch_sequence = 9,
          .previous_end = LogPosition(1, 8192),
          .previous_hash = 0xabcdef};
}

AlignedBuffer encoded(const SegmentHeader& header) {
  AlignedBuffer block(kBlockBytes);
  encode_segment_header(header, block.data());
  return block;
}

// A batch of a prewrite and its commit, at 2:4096.
struct GoldenBatch {
  GoldenBatch() : bytes(kBlockBytes) {
    const std::string run = prewrite(42, "abc") + commit(42, 50);
    header.used_bytes = kBatchHeaderBytes + static_cast<uint32_t>(run.size());
    header.batch_bytes = kBlockBytes;
    header.record_count = 2;
    header.sequence = 9;
    header.position = LogPosition(2, 4096);
    header.durable = LogPosition(1, 8192);
    header.previous_hash = 0xabcdef;
    header.content_hash = chain_record_headers(kSalt, as_bytes(run));
    encode_batch_header(header, kSalt, bytes.data());
    std::memcpy(bytes.data() + kBatchHeaderBytes, run.data(), run.size());
  }
  static BatchPlace place() { return {.salt = kSalt, .position = LogPosition(2, 4096), .batch_bytes_max = 4u << 20}; }

  BatchHeader header;
  AlignedBuffer bytes;
};

TEST(SegmentFormat, HasTheBytesOfItsPage) {
  const AlignedBuffer block = encoded(golden_segment());
  EXPECT_EQ(to_hex(as_text(block.span().first(kSegmentHeaderBytes))),
            "534c554353454731010080000000000007000000000000008877665544332211"
            "0200000000000010000040000000000009000000000000000020000001000000"
            "efcdab0000000000000000000000000000000000000000000000000000000000"
            "00000000000000000000000000000000000000000000000035bf7b9ef9402071");
  EXPECT_TRUE(is_all_zero(block.span().subspan(kSegmentHeaderBytes)));
}

// docs/formats/log-identity.md, version 1.
TEST(IdentityFormat, HasTheBytesOfItsPageAndDecodesThem) {
  const LogIdentity identity{.birth_id = kSalt, .last_segment = 3, .durable = LogPosition(3, 8192)};
  AlignedBuffer block(kBlockBytes);
  encode_identity(identity, block.data());
  EXPECT_EQ(to_hex(as_text(block.span().first(kIdentityBytes))),
            "534c4c4f47494431010040000000000088776655443322110300000000000000"
            "00200000030000000000000000000000000000000000000066b4e8a4f506856a");
  EXPECT_TRUE(is_all_zero(block.span().subspan(kIdentityBytes)));
  const auto decoded = decode_identity(block.span());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, identity);
}

TEST(SegmentFormat, DecodesWhatItEncoded) {
  const AlignedBuffer block = encoded(golden_segment());
  const auto header = decode_segment_header(block.span());
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(**header, golden_segment());
}

TEST(SegmentFormat, AZeroBlockIsASegmentNeverActivated) {
  const auto header = decode_segment_header(AlignedBuffer(kBlockBytes).span());
  ASSERT_TRUE(header.ok());
  EXPECT_FALSE(header->has_value());
}

TEST(SegmentFormat, RefusesEveryFlippedBit) {
  AlignedBuffer block = encoded(golden_segment());
  for (size_t bit = 0; bit < kBlockBytes * 8; bit += bit < kSegmentHeaderBytes * 8 ? 1 : 61) {
    block.data()[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(decode_segment_header(block.span()).ok()) << bit;
    block.data()[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST(SegmentFormat, RefusesSizesBeyondTheLimitsEvenWithAGoodHash) {
  for (auto change :
       {+[](SegmentHeader& h) { h.segment_bytes = 8192; }, +[](SegmentHeader& h) { h.batch_bytes_max = 100; },
        +[](SegmentHeader& h) { h.batch_bytes_max = 128u << 20; }, +[](SegmentHeader& h) { h.salt = 0; },
        +[](SegmentHeader& h) { h.previous_end = LogPosition(2, 4096); }}) {
    SegmentHeader header = golden_segment();
    change(header);
    EXPECT_TRUE(absl::IsDataLoss(decode_segment_header(encoded(header).span()).status()));
  }
}

TEST(SegmentFormat, FileNamesSortAsTheirSequences) {
  EXPECT_EQ(segment_file_name(0x1f), "segment-0000001f.log");
  EXPECT_EQ(parse_segment_file_name("segment-0000001f.log"), 0x1fu);
  EXPECT_EQ(parse_segment_file_name("segment-0000001F.log"), std::nullopt);
  EXPECT_EQ(parse_segment_file_name("segment-1f.log"), std::nullopt);
  EXPECT_EQ(parse_segment_file_name("spare.tmp"), std::nullopt);
}

TEST(BatchFormat, HasTheBytesOfItsPage) {
  const GoldenBatch batch;
  EXPECT_EQ(to_hex(as_text(batch.bytes.span().first(batch.header.used_bytes))),
            "534c423101010000001000009800000002000000000000000900000000000000"
            "00100000020000000020000001000000efcdab0000000000b28cad14678ef748"
            "000000000000000000000000000000000000000000000000552848099196efdb"
            "01010000030000002a0000000000000050392f89945faf786162630000000000"
            "02000000000000002a000000000000003200000000000000");
}

TEST(BatchFormat, DecodesWhatItEncoded) {
  const GoldenBatch golden;
  const auto header = decode_batch_header(golden.bytes.span(), GoldenBatch::place());
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->sequence, 9u);
  EXPECT_EQ(header->durable, LogPosition(1, 8192));
  EXPECT_EQ(header->end(), LogPosition(2, 8192));
  EXPECT_EQ(header->header_hash, golden.header.header_hash);
  EXPECT_TRUE(check_batch_content(*header, kSalt, golden.bytes.span()).ok());
}

TEST(BatchFormat, RefusesEveryFlippedBit) {
  GoldenBatch golden;
  for (size_t bit = 0; bit < kBlockBytes * 8; ++bit) {
    golden.bytes.data()[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto header = decode_batch_header(golden.bytes.span(), GoldenBatch::place());
    EXPECT_FALSE(header.ok() && check_batch_content(*header, kSalt, golden.bytes.span()).ok()) << bit;
    golden.bytes.data()[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST(BatchFormat, RefusesABatchOfAnotherPlaceOrActivation) {
  const GoldenBatch golden;
  BatchPlace place = GoldenBatch::place();
  place.position = LogPosition(2, 8192);
  EXPECT_FALSE(decode_batch_header(golden.bytes.span(), place).ok());
  place = GoldenBatch::place();
  place.salt ^= 1;
  EXPECT_FALSE(decode_batch_header(golden.bytes.span(), place).ok());
}

TEST(BatchFormat, RefusesLengthsBeyondTheLimitsEvenWithAGoodHash) {
  for (auto change : {+[](BatchHeader& h) { h.batch_bytes = 8u << 20; }, +[](BatchHeader& h) { h.batch_bytes = 100; },
                      +[](BatchHeader& h) { h.used_bytes = 5000; }, +[](BatchHeader& h) { h.used_bytes = 95; },
                      +[](BatchHeader& h) { h.record_count = 0; }, +[](BatchHeader& h) { h.type = BatchType{3}; },
                      +[](BatchHeader& h) { h.type = BatchType::watermark; },
                      +[](BatchHeader& h) { h.durable = LogPosition(2, 8192); }}) {
    GoldenBatch golden;
    change(golden.header);
    encode_batch_header(golden.header, kSalt, golden.bytes.data());
    EXPECT_TRUE(absl::IsDataLoss(decode_batch_header(golden.bytes.span(), GoldenBatch::place()).status()));
  }
}

// Readers scan from record to record and must know a batch header when they meet one.
TEST(BatchFormat, ItsMagicIsNoRecordKind) {
  EXPECT_EQ(record_header_bytes(kBatchMagic & 0xff), 0u);
}

}  // namespace
}  // namespace sluice::storage
