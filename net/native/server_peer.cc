#include "net/native/server_peer.h"

#include <spdlog/spdlog.h>

#include "base/log_field.h"
#include "base/status.h"
#include "net/native/messages.h"

namespace sluice::net {
namespace {

constexpr uint32_t kHandshakeBodyBytesMax = 4u << 10;  // strangers get no large buffers

absl::Status check_features(uint64_t features) {
  const uint64_t unknown = features & ~kFeaturesKnown;
  if (unknown >> kFeatureCriticalFrom == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("hello asks for critical features {:#x} that this program doesn't know: upgrade it", unknown));
}

}  // namespace

ServerPeer::ServerPeer(EventLoop& loop, Options options, std::shared_ptr<Connection> connection, NodeService& service,
                       std::function<void()> closed)
    : options_(std::move(options)),
      connection_(std::move(connection)),
      service_(&service),
      closed_(std::move(closed)),
      handshake_timer_(loop) {}

void ServerPeer::start(std::string first_bytes) {
  handshake_timer_.set(options_.handshake_timeout, [this] {
    connection_->refuse(absl::DeadlineExceededError("no hello within the handshake timeout"));
  });
  connection_->set_frame_body_bytes_max(kHandshakeBodyBytesMax);
  connection_->start(shared_from_this(), std::move(first_bytes));
}

void ServerPeer::say_goodbye_and_close() {
  if (welcomed_) send_goodbye();
  connection_->close(absl::UnavailableError("this node is stopping"));
}

void ServerPeer::abort() {
  connection_->abort(absl::UnavailableError("this node is stopping"));
}

void ServerPeer::send_ack(uint64_t through) {
  connection_->set_known();  // something of it has been made durable
  connection_->send(FrameType::ack, 0, encode_ack(through));
}

void ServerPeer::send_nack(const Nack& nack) {
  connection_->send(FrameType::nack, 0, encode_nack(nack));
}

void ServerPeer::send_tso(uint64_t request, Tso first, uint32_t count) {
  connection_->send(FrameType::tso_reply, 0, encode_tso_reply({.request = request, .first = first, .count = count}));
}

void ServerPeer::send_data(std::string run) {
  if (run.size() <= kBulkBodyBytesTarget) return connection_->send(FrameType::data, 0, std::move(run));
  for (ByteSpan rest = as_bytes(run); !rest.empty();) {
    const ByteSpan front = front_of_run(rest, kBulkBodyBytesTarget);
    connection_->send(FrameType::data, 0, std::string(as_text(front)));
    rest = rest.subspan(front.size());
  }
}

void ServerPeer::send_resolved(ResolvedTs ts) {
  connection_->send(FrameType::resolved, 0, encode_resolved(ts));
}

void ServerPeer::send_gap(const Gap& gap) {
  connection_->send(FrameType::gap, 0, encode_gap(gap));
}

void ServerPeer::send_end(CommitTs final_ts) {
  connection_->send(FrameType::end, 0, encode_end(final_ts));
}

void ServerPeer::send_goodbye() {
  if (std::exchange(goodbye_sent_, true)) return;
  connection_->send(FrameType::goodbye, 0, {});
  if (goodbye_received_) connection_->close(absl::OkStatus());
}

void ServerPeer::close(const absl::Status& why) {
  if (why.ok()) return connection_->close(why);
  connection_->refuse(why);
}

absl::Status ServerPeer::on_control(const FrameHeader& header, ByteSpan body) {
  if (service_ == nullptr) return absl::OkStatus();
  if (!welcomed_) {
    if (header.type == FrameType::hello) return on_hello(body);
    return absl::InvalidArgumentError(fmt::format("frame type {} before hello", static_cast<int>(header.type)));
  }
  return on_request(header.type, body);
}

absl::Status ServerPeer::on_hello(ByteSpan body) {
  SLUICE_ASSIGN_OR_RETURN(hello_, decode_hello(body));
  SLUICE_RETURN_IF_ERROR(check_features(hello_.features));
  if (options_.may_join) SLUICE_RETURN_IF_ERROR(options_.may_join());
  SLUICE_ASSIGN_OR_RETURN(Welcome welcome, service_->on_hello(hello_));
  if (hello_.cluster_id != 0 && hello_.cluster_id != welcome.cluster_id)
    return absl::FailedPreconditionError(
        fmt::format("{} is of cluster {}, this node of cluster {}: check the address or --cluster-id", hello_.name,
                    hello_.cluster_id, welcome.cluster_id));
  welcome.features = kFeaturesKnown & hello_.features;
  welcome.frame_body_bytes_max = options_.frame_body_bytes_max;
  handshake_timer_.cancel();
  welcomed_ = true;
  connection_->set_frame_body_bytes_max(options_.frame_body_bytes_max);
  connection_->send(FrameType::welcome, 0, encode_welcome(welcome));
  return absl::OkStatus();
}

absl::Status ServerPeer::on_request(FrameType type, ByteSpan body) {
  switch (type) {
    case FrameType::pull:
      return on_pull(body);
    case FrameType::credit: {
      SLUICE_RETURN_IF_ERROR(require_role(PeerRole::puller, "credit"));
      SLUICE_ASSIGN_OR_RETURN(const uint64_t bytes, decode_credit(body));
      service_->on_credit(shared_from_this(), bytes);
      return absl::OkStatus();
    }
    case FrameType::want: {
      SLUICE_RETURN_IF_ERROR(require_role(PeerRole::puller, "want"));
      SLUICE_ASSIGN_OR_RETURN(const CommitTs ts, decode_want(body));
      service_->on_want(shared_from_this(), ts);
      return absl::OkStatus();
    }
    case FrameType::tso_request: {
      SLUICE_ASSIGN_OR_RETURN(const TsoRequest request, decode_tso_request(body));
      service_->on_tso_request(shared_from_this(), request.request, request.count);
      return absl::OkStatus();
    }
    case FrameType::goodbye:
      return on_goodbye();
    case FrameType::refusal:
      return decode_refusal(body);
    default:
      return absl::InvalidArgumentError(fmt::format("frame type {} isn't for a server", static_cast<int>(type)));
  }
}

absl::Status ServerPeer::on_pull(ByteSpan body) {
  SLUICE_RETURN_IF_ERROR(require_role(PeerRole::puller, "pull"));
  if (std::exchange(pulling_, true)) return absl::InvalidArgumentError("a second pull on one connection");
  SLUICE_ASSIGN_OR_RETURN(const PullRequest request, decode_pull(body));
  connection_->set_known();
  service_->on_pull(shared_from_this(), request);
  return absl::OkStatus();
}

absl::Status ServerPeer::on_goodbye() {
  if (std::exchange(goodbye_received_, true)) return absl::InvalidArgumentError("a second goodbye");
  if (goodbye_sent_) {
    connection_->close(absl::OkStatus());
  } else {
    service_->on_goodbye(shared_from_this());
  }
  return absl::OkStatus();
}

absl::Status ServerPeer::on_run(const FrameHeader& header, uint64_t records, std::string run, ByteReservation held) {
  if (service_ == nullptr) return absl::OkStatus();
  if (!welcomed_) return absl::InvalidArgumentError("records before hello");
  SLUICE_RETURN_IF_ERROR(require_role(PeerRole::writer, "write"));
  if (header.type != FrameType::write || goodbye_received_)
    return absl::InvalidArgumentError("records that a server doesn't take: data frames, or writes after goodbye");
  if (header.sequence != next_sequence_)
    return absl::InvalidArgumentError(fmt::format("write of sequence {}, {} is next", header.sequence, next_sequence_));
  next_sequence_ += records;
  service_->on_write(shared_from_this(), header.sequence, std::move(run), std::move(held));
  return absl::OkStatus();
}

void ServerPeer::on_drained() {
  if (service_ != nullptr && welcomed_) service_->on_drained(shared_from_this());
}

void ServerPeer::on_closed(const absl::Status& why) {
  handshake_timer_.cancel();
  const bool clean = why.ok() || (goodbye_received_ && goodbye_sent_);
  // Two kinds: a flood of bad peers doesn't hide who of ours went.
  static LogLimiter ours, strangers;
  if (const auto more = (known() ? ours : strangers).pass(std::chrono::steady_clock::now()))
    spdlog::log(clean || absl::IsUnavailable(why) ? spdlog::level::info : spdlog::level::warn,
                "connection closed peer={} name={} reason={}{}", options_.address, log_field(hello_.name),
                log_field(clean ? "goodbye" : message_of(why)), like_this(*more));
  if (service_ != nullptr && welcomed_) service_->on_closed(shared_from_this(), clean ? absl::OkStatus() : why);
  closed_();
}

absl::Status ServerPeer::require_role(PeerRole role, std::string_view what) const {
  if (hello_.role == role) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} from a peer of role {}, which is for role {}", what,
                                                static_cast<int>(hello_.role), static_cast<int>(role)));
}

}  // namespace sluice::net
