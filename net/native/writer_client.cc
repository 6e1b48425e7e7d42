#include "net/native/writer_client.h"

#include <optional>

#include "base/assert.h"
#include "base/status.h"
#include "net/loop/reconnect.h"
#include "net/native/client_session.h"
#include "net/native/messages.h"
#include "net/native/send_queue.h"

namespace sluice::net {
namespace {

// Handed to the socket and not yet taken: more would only copy a large transaction into memory twice.
constexpr uint64_t kOutboundBytesMax = 8u << 20;
constexpr uint64_t kWindowBytesDefault = 16u << 20;

// Kept alive by what it has posted; the client itself may go at any time.
class Writer : public std::enable_shared_from_this<Writer> {
 public:
  Writer(WriterClientOptions options, EventLoop& loop)
      : options_(std::move(options)),
        loop_(loop),
        reconnect_(options_.address, options_.backoff_min, options_.backoff_max),
        connect_timer_(loop),
        retry_timer_(loop) {}

  void connect() {
    session_ =
        ClientSession::open(loop_, options_.address,
                            {.role = PeerRole::writer,
                             .cluster_id = options_.cluster_id,
                             .time_source = options_.time_source,
                             .name = options_.name},
                            {.on_welcome = [this](const Welcome& welcome) { on_welcome(welcome); },
                             .on_control = [this](FrameType type, ByteSpan body) { return on_control(type, body); },
                             .on_run = nullptr,
                             .may_take_run = nullptr,
                             .on_drained = [this] { send_what_fits(); },
                             .on_closed = [this](const absl::Status& why) { on_closed(why); }});
  }

  void push(std::string run, WriterClient::Done done) {
    SLUICE_ASSERT(!finish_done_, "a step after finish()");
    if (!ended_.ok()) return loop_.post([done = std::move(done), why = ended_] { done(why); });
    queue_.push(std::move(run), std::move(done));
    schedule_send();
  }

  void finish(WriterClient::Done done) {
    SLUICE_ASSERT(!finish_done_, "finish() called twice");
    if (!ended_.ok()) return loop_.post([done = std::move(done), why = ended_] { done(why); });
    finish_done_ = std::move(done);
    schedule_send();
  }

  void drop() {
    dropped_ = true;
    connect_timer_.cancel();
    retry_timer_.cancel();
    if (const auto session = std::exchange(session_, nullptr)) session->drop();
  }

  [[nodiscard]] uint64_t unacked_bytes() const { return queue_.unacked_bytes(); }
  [[nodiscard]] uint64_t reconnects() const { return reconnects_; }
  [[nodiscard]] const std::string& standstill() const { return standstill_; }

 private:
  // Once a loop turn, so that many small steps share a frame.
  void schedule_send() {
    if (std::exchange(send_scheduled_, true)) return;
    loop_.post([self = shared_from_this()] {
      self->send_scheduled_ = false;
      self->send_what_fits();
    });
  }

  void send_what_fits() {
    if (dropped_ || !welcome_ || retry_timer_.pending()) return;
    while (session_->queued_bytes() < kOutboundBytesMax) {
      auto frame = queue_.next_frame(frame_bytes_max_, window_bytes_);
      if (!frame) break;
      session_->send(FrameType::write, frame->first_sequence, std::move(frame->run));
    }
    if (finish_done_ && queue_.empty() && !std::exchange(goodbye_sent_, true))
      session_->send(FrameType::goodbye, 0, {});
  }

  void on_welcome(const Welcome& welcome) {
    welcome_ = welcome;
    standstill_.clear();
    window_bytes_ = welcome.writer_window_bytes == 0 ? kWindowBytesDefault : welcome.writer_window_bytes;
    frame_bytes_max_ = kBulkBodyBytesTarget;
    if (welcome.frame_body_bytes_max != 0) frame_bytes_max_ = std::min(frame_bytes_max_, welcome.frame_body_bytes_max);
    reconnects_ += connected_before_ ? 1 : 0;
    connected_before_ = true;
    reconnect_.connected();
    send_what_fits();
  }

  absl::Status on_control(FrameType type, ByteSpan body) {
    const auto self = shared_from_this();  // a callback may destroy the client
    switch (type) {
      case FrameType::ack: {
        SLUICE_ASSIGN_OR_RETURN(const uint64_t through, decode_ack(body));
        settle(queue_.ack(through));
        break;
      }
      case FrameType::nack: {
        SLUICE_ASSIGN_OR_RETURN(const Nack nack, decode_nack(body));
        on_nack(nack);
        break;
      }
      case FrameType::goodbye:
        on_goodbye();
        return absl::OkStatus();
      default:
        return absl::InvalidArgumentError(fmt::format("frame type {} isn't for a writer", static_cast<int>(type)));
    }
    send_what_fits();
    return absl::OkStatus();
  }

  void on_nack(const Nack& nack) {
    SendQueue::NackOutcome outcome = queue_.nack(nack);
    settle(std::move(outcome.settled));
    if (!outcome.retry || dropped_) return;
    standstill_ = fmt::format("takes nothing: {}", nack.text);
    spdlog::debug("pump asks to retry address={} first={} last={} reason={}", options_.address, nack.first, nack.last,
                  nack.text);
    // Pausing all keeps the order: what follows would overtake what must go again.
    retry_backoff_ = std::clamp(retry_backoff_ * 2, options_.backoff_min, options_.backoff_max);
    retry_timer_.set(retry_backoff_, [this] { send_what_fits(); });
  }

  void on_goodbye() {
    if (!goodbye_sent_) session_->send(FrameType::goodbye, 0, {});  // the pump stops: we come back when it does
    session_->close(absl::UnavailableError("the pump said goodbye"));
    goodbye_received_ = true;
  }

  void on_closed(const absl::Status& why) {
    const auto self = shared_from_this();  // a callback may destroy the client
    session_ = nullptr;
    welcome_.reset();
    retry_timer_.cancel();
    queue_.reset();
    const bool finished =
        std::exchange(goodbye_sent_, false) && std::exchange(goodbye_received_, false) && queue_.empty();
    goodbye_received_ = false;
    if (finished) return end(absl::OkStatus());
    if (absl::IsFailedPrecondition(why)) return end(why);
    const auto now = std::chrono::steady_clock::now();
    const auto pause = reconnect_.lost(now, message_of(why));
    standstill_ = fmt::format("can't be reached: {}", message_of(why));
    if (options_.give_up_after.count() != 0 && reconnect_.unreachable_for(now) >= options_.give_up_after)
      return end(absl::UnavailableError(
          fmt::format("given up after {} ms: {}", options_.give_up_after.count(), message_of(why))));
    connect_timer_.set(pause, [this] { connect(); });
  }

  // No more connections: every step and finish() end with `why`.
  void end(const absl::Status& why) {
    ended_ = why.ok() ? absl::FailedPreconditionError("the writer client has finished") : why;
    settle(queue_.fail_all(ended_));
    if (finish_done_ && !dropped_) std::exchange(finish_done_, nullptr)(why);
  }

  void settle(std::vector<SendQueue::Settled> settled) {
    for (const SendQueue::Settled& one : settled) {
      if (dropped_) return;
      if (one.status.ok()) {
        retry_backoff_ = std::chrono::milliseconds(0);
        standstill_.clear();
      }
      if (one.done) one.done(one.status);
    }
  }

  const WriterClientOptions options_;
  EventLoop& loop_;
  SendQueue queue_;
  Reconnect reconnect_;
  std::shared_ptr<ClientSession> session_;
  std::optional<Welcome> welcome_;
  uint64_t window_bytes_ = kWindowBytesDefault;
  uint32_t frame_bytes_max_ = kBulkBodyBytesTarget;
  uint64_t reconnects_ = 0;
  std::string standstill_;
  bool connected_before_ = false;
  bool send_scheduled_ = false;
  bool dropped_ = false;
  bool goodbye_sent_ = false;
  bool goodbye_received_ = false;
  std::chrono::milliseconds retry_backoff_{0};
  LoopTimer connect_timer_;
  LoopTimer retry_timer_;
  WriterClient::Done finish_done_;
  absl::Status ended_;
};

class SessionWriterClient final : public WriterClient {
 public:
  SessionWriterClient(WriterClientOptions options, EventLoop& loop)
      : loop_(loop), writer_(std::make_shared<Writer>(std::move(options), loop)) {
    loop_.run_and_wait([this] { writer_->connect(); });
  }

  ~SessionWriterClient() override {
    loop_.run_and_wait([this] { writer_->drop(); });
  }

  void prewrite(StartTs start, PayloadFormat format, ByteSpan payload, Done done) override {
    std::string run;
    encode_prewrite(start, format, payload, run);
    writer_->push(std::move(run), std::move(done));
  }

  void commit(StartTs start, CommitTs commit, Done done) override {
    std::string run;
    encode_commit(start, commit, run);
    writer_->push(std::move(run), std::move(done));
  }

  void rollback(StartTs start, Done done) override {
    std::string run;
    encode_rollback(start, run);
    writer_->push(std::move(run), std::move(done));
  }

  void progress(Tso ts, Done done) override {
    std::string run;
    encode_progress(ts, run);
    writer_->push(std::move(run), std::move(done));
  }

  void stray(StartTs start, CommitTs commit, Done done) override {
    std::string run;
    encode_commit(start, commit, run, RecordKind::stray);
    writer_->push(std::move(run), std::move(done));
  }

  [[nodiscard]] uint64_t unacked_bytes() const override { return writer_->unacked_bytes(); }
  void finish(Done done) override { writer_->finish(std::move(done)); }
  [[nodiscard]] uint64_t reconnects() const override { return writer_->reconnects(); }
  [[nodiscard]] std::string standstill() const override { return writer_->standstill(); }

 private:
  EventLoop& loop_;
  std::shared_ptr<Writer> writer_;
};

}  // namespace

std::unique_ptr<WriterClient> WriterClient::connect(WriterClientOptions options, EventLoop& loop) {
  return std::make_unique<SessionWriterClient>(std::move(options), loop);
}

}  // namespace sluice::net
