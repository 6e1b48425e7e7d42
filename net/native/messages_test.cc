#include "net/native/messages.h"

#include <functional>
#include <random>

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

TEST(Messages, HelloAndWelcomeRoundTrip) {
  const auto hello = decode_hello(as_bytes(encode_hello({.role = PeerRole::puller,
                                                         .cluster_id = 7,
                                                         .features = 5,
                                                         .time_source = TimeSource::writer,
                                                         .name = "drainer-1"})));
  ASSERT_TRUE(hello.ok()) << hello.status();
  EXPECT_EQ(hello->role, PeerRole::puller);
  EXPECT_EQ(hello->cluster_id, 7u);
  EXPECT_EQ(hello->features, 5u);
  EXPECT_EQ(hello->time_source, TimeSource::writer);
  EXPECT_EQ(hello->name, "drainer-1");
  const auto welcome = decode_welcome(as_bytes(encode_welcome({.cluster_id = 8,
                                                               .features = 1,
                                                               .time_source = TimeSource::embedded,
                                                               .node_id = "pump-1",
                                                               .writer_window_bytes = 9,
                                                               .frame_body_bytes_max = 10,
                                                               .log_birth_id = 11,
                                                               .log_largest_ts = Tso(12)})));
  ASSERT_TRUE(welcome.ok()) << welcome.status();
  EXPECT_EQ(welcome->cluster_id, 8u);
  EXPECT_EQ(welcome->time_source, TimeSource::embedded);
  EXPECT_EQ(welcome->node_id, "pump-1");
  EXPECT_EQ(welcome->writer_window_bytes, 9u);
  EXPECT_EQ(welcome->frame_body_bytes_max, 10u);
  EXPECT_EQ(welcome->log_birth_id, 11u);
  EXPECT_EQ(welcome->log_largest_ts, Tso(12));
}

TEST(Messages, RefusalKeepsItsCodeAndText) {
  const absl::Status why = decode_refusal(as_bytes(encode_refusal(absl::FailedPreconditionError("cluster 1, not 2"))));
  EXPECT_TRUE(absl::IsFailedPrecondition(why));
  EXPECT_NE(why.message().find("cluster 1, not 2"), absl::string_view::npos);
}

TEST(Messages, NackAndGapRoundTrip) {
  const auto nack = decode_nack(as_bytes(encode_nack(
      {.first = 3, .last = 5, .reason = NackReason::commit_too_low, .retryable = true, .text = "9 <= 10"})));
  ASSERT_TRUE(nack.ok()) << nack.status();
  EXPECT_EQ(nack->first, 3u);
  EXPECT_EQ(nack->last, 5u);
  EXPECT_EQ(nack->reason, NackReason::commit_too_low);
  EXPECT_TRUE(nack->retryable);
  EXPECT_EQ(nack->text, "9 <= 10");
  const auto gap = decode_gap(as_bytes(
      encode_gap({.kind = GapKind::data_loss, .after = CommitTs(1), .first_available = CommitTs(2), .text = "lost"})));
  ASSERT_TRUE(gap.ok()) << gap.status();
  EXPECT_EQ(gap->kind, GapKind::data_loss);
  EXPECT_EQ(gap->after, CommitTs(1));
  EXPECT_EQ(gap->first_available, CommitTs(2));
  EXPECT_EQ(gap->text, "lost");
}

TEST(Messages, TheSmallOnesRoundTrip) {
  EXPECT_EQ(decode_ack(as_bytes(encode_ack(77))).value(), 77u);
  EXPECT_EQ(decode_credit(as_bytes(encode_credit(78))).value(), 78u);
  EXPECT_EQ(decode_resolved(as_bytes(encode_resolved(ResolvedTs(79)))).value(), ResolvedTs(79));
  EXPECT_EQ(decode_want(as_bytes(encode_want(CommitTs(80)))).value(), CommitTs(80));
  EXPECT_EQ(decode_end(as_bytes(encode_end(CommitTs(81)))).value(), CommitTs(81));
  const PullRequest pull = decode_pull(as_bytes(encode_pull({.after = CommitTs(82), .credit_bytes = 83}))).value();
  EXPECT_EQ(pull.after, CommitTs(82));
  EXPECT_EQ(pull.credit_bytes, 83u);
  EXPECT_EQ(decode_tso_request(as_bytes(encode_tso_request({.request = 84, .count = 85}))).value().count, 85u);
  const TsoReply reply =
      decode_tso_reply(as_bytes(encode_tso_reply({.request = 86, .first = Tso(87), .count = 88}))).value();
  EXPECT_EQ(reply.request, 86u);
  EXPECT_EQ(reply.first, Tso(87));
  EXPECT_EQ(reply.count, 88u);
}

TEST(Messages, RefusesValuesOutsideTheirRange) {
  EXPECT_FALSE(decode_hello(as_bytes(encode_hello({.role = PeerRole{9}}))).ok());
  EXPECT_FALSE(decode_nack(as_bytes(encode_nack({.first = 2, .last = 1, .reason = NackReason::no_space}))).ok());
  EXPECT_FALSE(decode_gap(as_bytes(encode_gap({.kind = GapKind{0}, .after = {}, .first_available = {}}))).ok());
  EXPECT_FALSE(decode_tso_request(as_bytes(encode_tso_request({.request = 1, .count = 0}))).ok());
  EXPECT_FALSE(decode_tso_request(as_bytes(encode_tso_request({.request = 1, .count = kTsoCountMax + 1}))).ok());
}

TEST(Messages, CutsATextThatIsTooLongRatherThanSendingWhatThePeerRefuses) {
  const auto hello = decode_hello(as_bytes(encode_hello({.role = PeerRole::writer, .name = std::string(1000, 'n')})));
  ASSERT_TRUE(hello.ok()) << hello.status();
  EXPECT_EQ(hello->name.size(), kNameBytesMax);
}

// Each decoder against every message, mutated: whatever comes, a value or a status, and no access outside the buffer
// (heap-exact copies, for the sanitizers). Some mutants must be refused, or the verifier isn't there.
TEST(Messages, DecodersSurviveMutatedBuffers) {
  const std::vector<std::string> seeds = {
      encode_hello({.role = PeerRole::writer, .name = "n"}),
      encode_welcome({.cluster_id = 1, .node_id = "p"}),
      encode_refusal(absl::InternalError("why")),
      encode_ack(1),
      encode_nack({.first = 1, .last = 2, .reason = NackReason::no_space, .text = "t"}),
      encode_tso_request({.request = 1, .count = 2}),
      encode_tso_reply({.request = 1, .first = Tso(2), .count = 3}),
      encode_pull({.after = CommitTs(1), .credit_bytes = 2}),
      encode_gap({.kind = GapKind::purged, .after = {}, .first_available = {}, .text = "gone"})};
  const std::vector<std::function<bool(ByteSpan)>> decoders = {
      [](ByteSpan b) { return decode_hello(b).ok(); },
      [](ByteSpan b) { return decode_welcome(b).ok(); },
      [](ByteSpan b) { return !absl::IsInvalidArgument(decode_refusal(b)); },
      [](ByteSpan b) { return decode_ack(b).ok(); },
      [](ByteSpan b) { return decode_nack(b).ok(); },
      [](ByteSpan b) { return decode_tso_request(b).ok(); },
      [](ByteSpan b) { return decode_tso_reply(b).ok(); },
      [](ByteSpan b) { return decode_pull(b).ok(); },
      [](ByteSpan b) { return decode_resolved(b).ok(); },
      [](ByteSpan b) { return decode_credit(b).ok(); },
      [](ByteSpan b) { return decode_want(b).ok(); },
      [](ByteSpan b) { return decode_gap(b).ok(); },
      [](ByteSpan b) { return decode_end(b).ok(); }};
  constexpr uint64_t kSeed = 20261124;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = seeds[random() % seeds.size()];
    for (uint64_t n = 1 + random() % 4; n != 0; --n) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
    if (bytes.empty()) continue;
    const std::vector<std::byte> exact(as_bytes(bytes).begin(), as_bytes(bytes).end());
    refused += decoders[random() % decoders.size()](exact) ? 0 : 1;
  }
  EXPECT_GT(refused, 5'000u);
}

}  // namespace
}  // namespace sluice::net
