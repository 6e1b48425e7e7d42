#include "net/native/pull_client.h"

#include "base/status.h"
#include "net/native/client_session.h"
#include "net/native/messages.h"

namespace sluice::net {
namespace {

class SessionPullClient final : public PullClient {
 public:
  SessionPullClient(PullClientOptions options, EventLoop& loop, PullEvents events)
      : options_(std::move(options)),
        loop_(loop),
        events_(std::make_shared<const PullEvents>(std::move(events))),
        credit_bytes_(static_cast<int64_t>(options_.credit_bytes)) {
    loop_.run_and_wait([this] { connect(); });
  }

  ~SessionPullClient() override {
    loop_.run_and_wait([this] { close(); });
  }

  void grant(uint64_t bytes) override {
    credit_bytes_ += static_cast<int64_t>(bytes);
    if (!session_) return;
    session_->send(FrameType::credit, 0, encode_credit(bytes));
    session_->read_on();
  }

  void want(CommitTs ts) override {
    if (session_ && (features_ & kFeatureWant) != 0) session_->send(FrameType::want, 0, encode_want(ts));
  }

  void close() override {
    if (const auto session = std::exchange(session_, nullptr)) {
      session->send(FrameType::goodbye, 0, {});
      session->drop();
    }
  }

 private:
  void connect() {
    session_ = ClientSession::open(
        loop_, options_.address,
        {.role = PeerRole::puller, .cluster_id = options_.cluster_id, .features = kFeatureWant, .name = options_.name},
        {.on_welcome = [this](const Welcome& welcome) { on_welcome(welcome); },
         .on_control = [this](FrameType type, ByteSpan body) { return on_control(type, body); },
         .on_run =
             [this](std::string run) {
               credit_bytes_ -= static_cast<int64_t>(run.size());
               const auto events = events_;
               events->on_data(std::move(run));
               return absl::OkStatus();
             },
         .may_take_run = [this](uint64_t bytes) { return may_take(bytes); },
         .on_drained = nullptr,
         .on_closed = [this](const absl::Status& why) { on_closed(why); }});
  }

  void on_welcome(const Welcome& welcome) {
    features_ = welcome.features;
    session_->send(FrameType::pull, 0, encode_pull({.after = options_.after, .credit_bytes = options_.credit_bytes}));
    if (const auto events = events_; events->on_welcome) events->on_welcome(welcome);
  }

  // A pump sends while it has credit, so a run may pass it, and the next comes when there is credit again.
  [[nodiscard]] absl::StatusOr<bool> may_take(uint64_t bytes) const {
    if (credit_bytes_ <= 0) return false;
    const uint64_t most = static_cast<uint64_t>(credit_bytes_) + kOverdrawBytesMax;
    if (bytes < most) return true;
    return absl::ResourceExhaustedError(fmt::format(
        "a data frame of {} bytes where fewer than {} were due: the pump doesn't keep to its credit", bytes, most));
  }

  absl::Status on_control(FrameType type, ByteSpan body) {
    const auto events = events_;
    switch (type) {
      case FrameType::resolved: {
        SLUICE_ASSIGN_OR_RETURN(const ResolvedTs ts, decode_resolved(body));
        events->on_resolved(ts);
        return absl::OkStatus();
      }
      case FrameType::gap: {
        SLUICE_ASSIGN_OR_RETURN(const Gap gap, decode_gap(body));
        events->on_gap(gap);
        return absl::OkStatus();
      }
      case FrameType::end: {
        SLUICE_ASSIGN_OR_RETURN(const CommitTs final_ts, decode_end(body));
        events->on_end(final_ts);
        return absl::OkStatus();
      }
      case FrameType::goodbye:
        session_->send(FrameType::goodbye, 0, {});
        session_->close(absl::UnavailableError("the pump said goodbye"));
        return absl::OkStatus();
      default:
        return absl::InvalidArgumentError(fmt::format("frame type {} isn't for a puller", static_cast<int>(type)));
    }
  }

  void on_closed(const absl::Status& why) {
    session_ = nullptr;
    if (const auto events = events_; events->on_closed) events->on_closed(why);
  }

  const PullClientOptions options_;
  EventLoop& loop_;
  // Shared, so that a callback which destroys the client stays alive until it returns.
  const std::shared_ptr<const PullEvents> events_;
  uint64_t features_ = 0;
  int64_t credit_bytes_ = 0;  // granted and not yet used; one run may overdraw it
  std::shared_ptr<ClientSession> session_;
};

}  // namespace

std::unique_ptr<PullClient> PullClient::open(PullClientOptions options, EventLoop& loop, PullEvents events) {
  return std::make_unique<SessionPullClient>(std::move(options), loop, std::move(events));
}

}  // namespace sluice::net
