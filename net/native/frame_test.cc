#include "net/native/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/record.h"

namespace sluice::net {
namespace {

std::string write_frame() {
  std::string run;
  encode_prewrite(StartTs(42), PayloadFormat::tidb, as_bytes("abc"), run);
  encode_commit(StartTs(42), CommitTs(50), run);
  return encode_frame(FrameType::write, 7, as_bytes(run));
}

// Header and body, checked as a connection does.
absl::Status receive(ByteSpan frame) {
  if (frame.size() < kFrameHeaderBytes) return absl::DataLossError("short");
  const auto header = decode_frame_header(frame);
  if (!header.ok()) return header.status();
  if (frame.size() - kFrameHeaderBytes != header->body_bytes) return absl::DataLossError("length");
  return check_frame_body(*header, frame.subspan(kFrameHeaderBytes)).status();
}

std::string flip(std::string frame, size_t bit) {
  frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << (bit % 8)));
  return frame;
}

// Golden bytes of docs/formats/frame.md, version 1. They are never regenerated: programs in the field speak them.
TEST(Frame, PingHasTheBytesOfItsPage) {
  EXPECT_EQ(to_hex(encode_frame(FrameType::ping, 0, {})),
            "534c43010500000000000000795956250000000000000000c294d3380580062d");
}

TEST(Frame, WriteHasTheBytesOfItsPage) {
  EXPECT_EQ(to_hex(write_frame()),
            "534c430110000000380000006e826aff0700000000000000169389c6289d076b"
            "01010000030000002a0000000000000050392f89945faf786162630000000000"
            "02000000000000002a000000000000003200000000000000");
}

TEST(Frame, DecodesWhatItEncoded) {
  const std::string frame = write_frame();
  const auto header = decode_frame_header(as_bytes(frame));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->type, FrameType::write);
  EXPECT_EQ(header->sequence, 7u);
  EXPECT_EQ(header->body_bytes, frame.size() - kFrameHeaderBytes);
  const auto records = check_frame_body(*header, as_bytes(frame).subspan(kFrameHeaderBytes));
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ(*records, 2u);
}

TEST(Frame, FindsEveryFlippedBit) {
  for (const std::string& frame : {write_frame(), encode_frame(FrameType::ack, 0, as_bytes("control body"))})
    for (size_t bit = 0; bit < frame.size() * 8; ++bit)
      EXPECT_FALSE(receive(as_bytes(flip(frame, bit))).ok()) << "bit " << bit;
}

TEST(Frame, RefusesEveryTruncation) {
  const std::string frame = write_frame();
  for (size_t n = 0; n < frame.size(); ++n) EXPECT_FALSE(receive(as_bytes(frame).first(n)).ok()) << n;
}

TEST(Frame, RefusesALengthAboveTheLimitBeforeBelievingIt) {
  std::string frame(kFrameHeaderBytes, '\0');
  auto* to = reinterpret_cast<std::byte*>(frame.data());
  encode_frame_header({.type = FrameType::write, .body_bytes = kFrameBodyBytesMax + 1}, to);
  const auto bulk = decode_frame_header(as_bytes(frame));
  EXPECT_TRUE(absl::IsResourceExhausted(bulk.status())) << bulk.status();
  EXPECT_THAT(std::string(bulk.status().message()), testing::HasSubstr("16777217"));
  encode_frame_header({.type = FrameType::ack, .body_bytes = kControlBodyBytesMax + 1}, to);
  EXPECT_TRUE(absl::IsResourceExhausted(decode_frame_header(as_bytes(frame)).status()));
}

TEST(Frame, NamesBothVersionsOfAMismatch) {
  std::string frame = write_frame();
  frame[3] = 2;
  const auto header = decode_frame_header(as_bytes(frame));
  EXPECT_TRUE(absl::IsFailedPrecondition(header.status()));
  EXPECT_THAT(std::string(header.status().message()),
              testing::AllOf(testing::HasSubstr("version 2"), testing::HasSubstr("version 1")));
}

TEST(Frame, TellsAForeignProtocolFromADamagedHeader) {
  EXPECT_TRUE(absl::IsInvalidArgument(decode_frame_header(as_bytes(std::string(32, 'G'))).status()));
  EXPECT_TRUE(absl::IsDataLoss(decode_frame_header(as_bytes(flip(write_frame(), 8 * 17))).status()));
}

TEST(Frame, CutsARunAtRecordBoundaries) {
  std::string run;
  for (uint64_t ts = 1; ts <= 10; ++ts) encode_rollback(StartTs(ts), run);  // 16 bytes each
  EXPECT_EQ(front_of_run(as_bytes(run), 50).size(), 48u);
  EXPECT_EQ(front_of_run(as_bytes(run), 1).size(), 16u);
  EXPECT_EQ(front_of_run(as_bytes(run), 1000).size(), run.size());
}

}  // namespace
}  // namespace sluice::net
