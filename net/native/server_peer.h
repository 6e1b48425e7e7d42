// The server's side of one native connection: handshake, then frames to calls of NodeService and back.
// Threads:  the loop's only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/native/connection.h"
#include "net/native/service.h"

namespace sluice::net {

class ServerPeer final : public Peer, public ConnectionHandler, public std::enable_shared_from_this<ServerPeer> {
 public:
  struct Options {
    uint64_t id = 0;
    std::string address;
    uint32_t frame_body_bytes_max = kFrameBodyBytesMax;
    std::chrono::milliseconds handshake_timeout{10'000};
    std::function<absl::Status()> may_join{};  // asked once a hello is sound
  };
  // `closed` is called once, last.
  ServerPeer(EventLoop& loop, Options options, std::shared_ptr<Connection> connection, NodeService& service,
             std::function<void()> closed);

  void start(std::string first_bytes);
  // The server stops: goodbye, flush, close.
  void say_goodbye_and_close();
  void abort();
  [[nodiscard]] bool welcomed() const { return welcomed_; }
  [[nodiscard]] bool known() const { return connection_->known(); }
  // The service goes away: nothing is called any more.
  void detach() { service_ = nullptr; }

  // Peer
  [[nodiscard]] uint64_t id() const override { return options_.id; }
  [[nodiscard]] const Hello& hello() const override { return hello_; }
  [[nodiscard]] const std::string& address() const override { return options_.address; }
  void send_ack(uint64_t through) override;
  void send_nack(const Nack& nack) override;
  void send_tso(uint64_t request, Tso first, uint32_t count) override;
  void send_data(std::string run) override;
  void send_resolved(ResolvedTs ts) override;
  void send_gap(const Gap& gap) override;
  void send_end(CommitTs final_ts) override;
  void send_goodbye() override;
  [[nodiscard]] uint64_t queued_bytes() const override { return connection_->queued_bytes(); }
  void set_reading(bool reading) override { connection_->set_reading(reading); }
  void close(const absl::Status& why) override;

  // ConnectionHandler
  absl::Status on_control(const FrameHeader& header, ByteSpan body) override;
  absl::Status on_run(const FrameHeader& header, uint64_t records, std::string run, ByteReservation held) override;
  void on_drained() override;
  void on_closed(const absl::Status& why) override;

 private:
  absl::Status on_hello(ByteSpan body);
  absl::Status on_request(FrameType type, ByteSpan body);
  absl::Status on_pull(ByteSpan body);
  absl::Status on_goodbye();
  [[nodiscard]] absl::Status require_role(PeerRole role, std::string_view what) const;

  Options options_;
  std::shared_ptr<Connection> connection_;
  NodeService* service_;
  std::function<void()> closed_;
  LoopTimer handshake_timer_;
  Hello hello_;
  bool welcomed_ = false;
  bool pulling_ = false;
  bool goodbye_received_ = false;
  bool goodbye_sent_ = false;
  uint64_t next_sequence_ = 1;
};

}  // namespace sluice::net
