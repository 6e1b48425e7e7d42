#include "net/native/messages.h"

#include <algorithm>
#include <vector>

#include "base/status.h"
#include "net/native/frame.h"
#include "net/native/messages_generated.h"

namespace sluice::net {
namespace {

using flatbuffers::FlatBufferBuilder;

constexpr size_t kBuilderBytes = 256;  // most messages fit without growing

template <class Table>
std::string finish(FlatBufferBuilder& builder, flatbuffers::Offset<Table> root) {
  builder.Finish(root);
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

flatbuffers::Offset<flatbuffers::String> text(FlatBufferBuilder& builder, std::string_view value, size_t bytes_max) {
  return builder.CreateString(value.data(), std::min(value.size(), bytes_max));
}

absl::Status invalid(std::string_view message, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("message {}: {}", message, what));
}

// A verified message in memory of its own: frames lie at any address, FlatBuffers wants 8-byte alignment.
template <class Table>
class Message {
 public:
  [[nodiscard]] static absl::StatusOr<Message> parse(ByteSpan body, std::string_view name) {
    if (body.size() > kControlBodyBytesMax) return invalid(name, fmt::format("{} bytes", body.size()));
    Message message;
    message.words_.resize(body.size() / sizeof(uint64_t) + 1);
    std::memcpy(message.words_.data(), body.data(), body.size());
    flatbuffers::Verifier verifier(message.data(), body.size());
    if (!verifier.VerifyBuffer<Table>(nullptr)) return invalid(name, "not a valid FlatBuffer of this table");
    return message;
  }
  const Table* operator->() const { return flatbuffers::GetRoot<Table>(data()); }

 private:
  [[nodiscard]] const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(words_.data()); }
  std::vector<uint64_t> words_;
};

absl::Status copy_text(const flatbuffers::String* from, size_t bytes_max, std::string_view message, std::string& to) {
  if (from == nullptr) return absl::OkStatus();
  if (from->size() > bytes_max)
    return invalid(message, fmt::format("text of {} bytes, at most {}", from->size(), bytes_max));
  to.assign(from->data(), from->size());
  return absl::OkStatus();
}

template <class Enum>
absl::StatusOr<Enum> enum_between(uint8_t value, Enum low, Enum high, std::string_view message,
                                  std::string_view field) {
  if (value < static_cast<uint8_t>(low) || value > static_cast<uint8_t>(high))
    return invalid(message, fmt::format("{} {} is unknown", field, value));
  return static_cast<Enum>(value);
}

}  // namespace

std::string encode_hello(const Hello& hello) {
  FlatBufferBuilder b(kBuilderBytes);
  const auto name = text(b, hello.name, kNameBytesMax);
  return finish(b, fb::CreateHello(b, static_cast<uint8_t>(hello.role), hello.cluster_id, hello.features,
                                   static_cast<uint8_t>(hello.time_source), name, kProtocolVersionMinor));
}

std::string encode_welcome(const Welcome& welcome) {
  FlatBufferBuilder b(kBuilderBytes);
  const auto node = text(b, welcome.node_id, kNameBytesMax);
  return finish(b, fb::CreateWelcome(b, welcome.cluster_id, welcome.features, static_cast<uint8_t>(welcome.time_source),
                                     node, welcome.writer_window_bytes, welcome.frame_body_bytes_max,
                                     kProtocolVersionMinor, welcome.log_birth_id, welcome.log_largest_ts.value));
}

std::string encode_refusal(const absl::Status& why) {
  FlatBufferBuilder b(kBuilderBytes);
  const auto reason = text(b, message_of(why), kTextBytesMax);
  return finish(b, fb::CreateRefusal(b, static_cast<uint8_t>(why.code()), reason));
}

std::string encode_ack(uint64_t through) {
  FlatBufferBuilder b(kBuilderBytes);
  return finish(b, fb::CreateAck(b, through));
}

std::string encode_nack(const Nack& nack) {
  FlatBufferBuilder b(kBuilderBytes);
  const auto reason = text(b, nack.text, kTextBytesMax);
  return finish(b, fb::CreateNack(b, nack.first, nack.last, static_cast<uint8_t>(nack.reason), nack.retryable, reason));
}

std::string encode_tso_request(const TsoRequest& request) {
  FlatBufferBuilder b(kBuilderBytes);
  return finish(b, fb::CreateTsoRequest(b, request.request, request.count));
}

std::string encode_tso_reply(const TsoReply& reply) {
  FlatBufferBuilder b(kBuilderBytes);
  return finish(b, fb::CreateTsoReply(b, reply.request, reply.first.value, reply.count));
}

std::string encode_pull(const PullRequest& pull) {
  FlatBufferBuilder b(kBuilderBytes);
  return finish(b, fb::CreatePull(b, pull.after.value, pull.credit_bytes));
}

std::string encode_resolved(ResolvedTs ts) {
  FlatBufferBuilder b(kBuilderBytes);
  return finish(b, fb::CreateResolved(b, ts.value));
}

std::string encode_credit(uint64_t bytes) {
  FlatBufferBuilder b(kBuilderBytes);
  return finish(b, fb::CreateCredit(b, bytes));
}

std::string encode_want(CommitTs ts) {
  FlatBufferBuilder b(kBuilderBytes);
  return finish(b, fb::CreateWant(b, ts.value));
}

std::string encode_gap(const Gap& gap) {
  FlatBufferBuilder b(kBuilderBytes);
  const auto reason = text(b, gap.text, kTextBytesMax);
  return finish(b,
                fb::CreateGap(b, static_cast<uint8_t>(gap.kind), gap.after.value, gap.first_available.value, reason));
}

std::string encode_end(CommitTs final_ts) {
  FlatBufferBuilder b(kBuilderBytes);
  return finish(b, fb::CreateEnd(b, final_ts.value));
}

absl::StatusOr<Hello> decode_hello(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Hello>::parse(body, "hello"));
  Hello hello{.role = {}, .cluster_id = message->cluster_id(), .features = message->features()};
  SLUICE_ASSIGN_OR_RETURN(hello.role,
                          enum_between(message->role(), PeerRole::writer, PeerRole::oracle_client, "hello", "role"));
  SLUICE_ASSIGN_OR_RETURN(hello.time_source, enum_between(message->time_source(), TimeSource::unspecified,
                                                          TimeSource::writer, "hello", "time source"));
  SLUICE_RETURN_IF_ERROR(copy_text(message->name(), kNameBytesMax, "hello", hello.name));
  return hello;
}

absl::StatusOr<Welcome> decode_welcome(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Welcome>::parse(body, "welcome"));
  Welcome welcome{.cluster_id = message->cluster_id(),
                  .features = message->features(),
                  .writer_window_bytes = message->writer_window_bytes(),
                  .frame_body_bytes_max = message->frame_body_bytes_max(),
                  .log_birth_id = message->log_birth_id(),
                  .log_largest_ts = Tso(message->log_largest_ts())};
  SLUICE_ASSIGN_OR_RETURN(welcome.time_source, enum_between(message->time_source(), TimeSource::unspecified,
                                                            TimeSource::writer, "welcome", "time source"));
  SLUICE_RETURN_IF_ERROR(copy_text(message->node_id(), kNameBytesMax, "welcome", welcome.node_id));
  return welcome;
}

absl::Status decode_refusal(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Refusal>::parse(body, "refusal"));
  std::string reason;
  SLUICE_RETURN_IF_ERROR(copy_text(message->text(), kTextBytesMax, "refusal", reason));
  const auto code = static_cast<absl::StatusCode>(message->code());
  const bool known = code > absl::StatusCode::kOk && code <= absl::StatusCode::kUnauthenticated;
  return absl::Status(known ? code : absl::StatusCode::kUnknown, fmt::format("refused by the peer: {}", reason));
}

absl::StatusOr<uint64_t> decode_ack(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Ack>::parse(body, "ack"));
  return message->through();
}

absl::StatusOr<Nack> decode_nack(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Nack>::parse(body, "nack"));
  Nack nack{.first = message->first(), .last = message->last(), .retryable = message->retryable()};
  if (nack.first > nack.last) return invalid("nack", fmt::format("range {} to {}", nack.first, nack.last));
  SLUICE_ASSIGN_OR_RETURN(nack.reason, enum_between(message->reason(), NackReason::no_space,
                                                    NackReason::unknown_outcome, "nack", "reason"));
  SLUICE_RETURN_IF_ERROR(copy_text(message->text(), kTextBytesMax, "nack", nack.text));
  return nack;
}

absl::StatusOr<TsoRequest> decode_tso_request(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::TsoRequest>::parse(body, "tso_request"));
  if (message->count() == 0 || message->count() > kTsoCountMax)
    return invalid("tso_request", fmt::format("count {}, 1 to {} are given", message->count(), kTsoCountMax));
  return TsoRequest{.request = message->request(), .count = message->count()};
}

absl::StatusOr<TsoReply> decode_tso_reply(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::TsoReply>::parse(body, "tso_reply"));
  if (message->first() == 0 || message->count() == 0 || message->count() > kTsoCountMax)
    return invalid("tso_reply", fmt::format("{} timestamps from {}", message->count(), message->first()));
  return TsoReply{.request = message->request(), .first = Tso(message->first()), .count = message->count()};
}

absl::StatusOr<PullRequest> decode_pull(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Pull>::parse(body, "pull"));
  return PullRequest{.after = CommitTs(message->after()), .credit_bytes = message->credit_bytes()};
}

absl::StatusOr<ResolvedTs> decode_resolved(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Resolved>::parse(body, "resolved"));
  return ResolvedTs(message->ts());
}

absl::StatusOr<uint64_t> decode_credit(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Credit>::parse(body, "credit"));
  return message->bytes();
}

absl::StatusOr<CommitTs> decode_want(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Want>::parse(body, "want"));
  return CommitTs(message->ts());
}

absl::StatusOr<Gap> decode_gap(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::Gap>::parse(body, "gap"));
  Gap gap{.after = CommitTs(message->after()), .first_available = CommitTs(message->first_available())};
  SLUICE_ASSIGN_OR_RETURN(gap.kind, enum_between(message->kind(), GapKind::purged, GapKind::data_loss, "gap", "kind"));
  SLUICE_RETURN_IF_ERROR(copy_text(message->text(), kTextBytesMax, "gap", gap.text));
  return gap;
}

absl::StatusOr<CommitTs> decode_end(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(const auto message, Message<fb::End>::parse(body, "end"));
  return CommitTs(message->final_ts());
}

}  // namespace sluice::net
