#include "net/native/oracle_client.h"

#include <map>

#include "base/assert.h"
#include "base/status.h"
#include "net/loop/reconnect.h"
#include "net/native/client_session.h"
#include "net/native/messages.h"

namespace sluice::net {
namespace {

class SessionOracleClient final : public OracleClient {
 public:
  SessionOracleClient(OracleClientOptions options, EventLoop& loop)
      : options_(std::move(options)),
        loop_(loop),
        reconnect_(options_.address, options_.backoff_min, options_.backoff_max),
        connect_timer_(loop),
        alive_(std::make_shared<bool>(true)) {
    loop_.run_and_wait([this] { connect(); });
  }

  ~SessionOracleClient() override {
    loop_.run_and_wait([this] {
      *alive_ = false;
      connect_timer_.cancel();
      pending_.clear();
      if (session_) session_->drop();
    });
  }

  void fetch(uint32_t count, Done done) override {
    SLUICE_ASSERT(count > 0 && count <= kTsoCountMax, "count={}", count);
    if (!refused_.ok()) return loop_.post([done = std::move(done), why = refused_] { done(why); });
    const uint64_t request = ++last_request_;
    Pending& pending = pending_[request];
    pending = {.count = count, .done = std::move(done), .timeout = std::make_unique<LoopTimer>(loop_)};
    pending.timeout->set(options_.timeout, [this, request] {
      answer(request,
             absl::DeadlineExceededError(fmt::format("no timestamp from {} within {} ms{}{}", options_.address,
                                                     options_.timeout.count(), lost_.empty() ? "" : ": ", lost_)));
    });
    if (welcomed_) ask(request, count);
  }

 private:
  struct Pending {
    uint32_t count = 0;
    Done done;
    std::unique_ptr<LoopTimer> timeout;
  };

  void connect() {
    session_ =
        ClientSession::open(loop_, options_.address,
                            {.role = PeerRole::oracle_client, .cluster_id = options_.cluster_id, .name = options_.name},
                            {.on_welcome = [this](const Welcome& welcome) { on_welcome(welcome); },
                             .on_control = [this](FrameType type, ByteSpan body) { return on_control(type, body); },
                             .on_run = nullptr,
                             .may_take_run = nullptr,
                             .on_drained = nullptr,
                             .on_closed = [this](const absl::Status& why) { on_closed(why); }});
  }

  void on_welcome(const Welcome& welcome) {
    welcomed_ = true;
    lost_.clear();
    reconnect_.connected();
    for (const auto& [request, pending] : pending_) ask(request, pending.count);
    if (options_.on_welcome) options_.on_welcome(welcome);
  }

  absl::Status on_control(FrameType type, ByteSpan body) {
    if (type == FrameType::goodbye) {
      session_->send(FrameType::goodbye, 0, {});
      session_->close(absl::UnavailableError("the oracle said goodbye"));
      return absl::OkStatus();
    }
    if (type != FrameType::tso_reply)
      return absl::InvalidArgumentError(
          fmt::format("frame type {} isn't for an oracle's client", static_cast<int>(type)));
    SLUICE_ASSIGN_OR_RETURN(const TsoReply reply, decode_tso_reply(body));
    answer(reply.request, TsoRange{.first = reply.first, .count = reply.count});
    return absl::OkStatus();
  }

  void on_closed(const absl::Status& why) {
    session_ = nullptr;
    welcomed_ = false;
    lost_ = message_of(why);
    if (absl::IsFailedPrecondition(why)) return refuse_all(why);
    connect_timer_.set(reconnect_.lost(std::chrono::steady_clock::now(), lost_), [this] { connect(); });
  }

  void refuse_all(const absl::Status& why) {
    refused_ = why;
    const auto alive = alive_;  // a callback may destroy us
    while (*alive && !pending_.empty()) answer(pending_.begin()->first, why);
  }

  void ask(uint64_t request, uint32_t count) {
    session_->send(FrameType::tso_request, 0, encode_tso_request({.request = request, .count = count}));
  }

  // An answer nobody waits for any more (it timed out) is dropped.
  void answer(uint64_t request, absl::StatusOr<TsoRange> result) {
    auto node = pending_.extract(request);
    if (node.empty()) return;
    node.mapped().done(std::move(result));
  }

  const OracleClientOptions options_;
  EventLoop& loop_;
  Reconnect reconnect_;
  LoopTimer connect_timer_;
  std::shared_ptr<bool> alive_;
  std::shared_ptr<ClientSession> session_;
  bool welcomed_ = false;
  std::string lost_;  // why there is no connection
  absl::Status refused_;
  uint64_t last_request_ = 0;
  std::map<uint64_t, Pending> pending_;
};

}  // namespace

std::unique_ptr<OracleClient> OracleClient::open(OracleClientOptions options, EventLoop& loop) {
  return std::make_unique<SessionOracleClient>(std::move(options), loop);
}

}  // namespace sluice::net
