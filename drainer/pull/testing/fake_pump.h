// A pump for tests: a real server on a free port of the loopback that serves what the test tells it, with credit as a
// pump honours it.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/record.h"
#include "net/loop/event_loop.h"
#include "net/native/service.h"
#include "net/server.h"

namespace sluice::drainer::pull {

class FakePump : public net::NodeService {
 public:
  explicit FakePump(std::string node_id, uint64_t cluster_id = 7)
      : node_id_(std::move(node_id)), cluster_id_(cluster_id), loop_("fake_pump") {
    listen(0);
  }
  ~FakePump() override {
    if (server_) stop_listening();
  }

  [[nodiscard]] std::string address() const { return fmt::format("127.0.0.1:{}", port_); }

  // The words of this pump's stream, in order; pullers above them get each as soon as their credit allows.
  void data(uint64_t commit, std::string payload, uint64_t start = 0) {
    std::string run;
    encode_commit(StartTs(start == 0 ? commit - 1 : start), CommitTs(commit), run);
    encode_prewrite(StartTs(start == 0 ? commit - 1 : start), PayloadFormat::tidb, as_bytes(payload), run);
    say({.ts = commit, .run = std::move(run)});
  }
  void raw(uint64_t ts, std::string run) { say({.ts = ts, .run = std::move(run)}); }
  void resolved(uint64_t ts) { say({.ts = ts, .kind = Word::resolved}); }
  void end(uint64_t ts) { say({.ts = ts, .kind = Word::end}); }
  void gap(uint64_t ts) { say({.ts = ts, .kind = Word::gap}); }

  // Ends every session at once, as a crash of the pump would look.
  void crash() { stop_listening(); }
  // Serves again on the same port.
  void come_back() {
    {
      const std::lock_guard lock(mutex_);
      want_ = CommitTs();
    }
    listen(port_);
  }
  void crash_and_return() {
    crash();
    come_back();
  }
  // The same with an empty log, as if someone had wiped its folder: born anew, or an old copy of the same birth.
  void lose_log_and_return(uint64_t birth_id) {
    stop_listening();
    words_.clear();
    largest_ = 0;
    birth_id_ = birth_id;
    listen(port_);
  }
  // Breaks the session after this many more bytes of data.
  void break_after(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    break_after_ = bytes;
  }

  [[nodiscard]] std::vector<CommitTs> pulls() {
    const std::lock_guard lock(mutex_);
    return pulls_;
  }
  // Blocks until the pump was asked for progress to `ts`.
  void await_want(CommitTs ts) {
    std::unique_lock lock(mutex_);
    SLUICE_ASSERT(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return want_ >= ts; }), "no WANT of {}", ts);
  }
  // The most bytes that were ever sent beyond the credit given.
  [[nodiscard]] int64_t overdrawn_max() {
    const std::lock_guard lock(mutex_);
    return overdrawn_max_;
  }

  absl::StatusOr<net::Welcome> on_hello(const net::Hello& hello) override {
    if (hello.cluster_id != 0 && hello.cluster_id != cluster_id_)
      return absl::FailedPreconditionError("another cluster");
    return net::Welcome{.cluster_id = cluster_id_,
                        .features = 0,
                        .time_source = net::TimeSource::writer,
                        .node_id = node_id_,
                        .writer_window_bytes = 1 << 20,
                        .log_birth_id = birth_id_,
                        .log_largest_ts = Tso(largest_)};
  }
  void on_write(const net::PeerPtr&, uint64_t, std::string, ByteReservation) override {}
  void on_pull(const net::PeerPtr& peer, const net::PullRequest& request) override {
    {
      const std::lock_guard lock(mutex_);
      pulls_.push_back(request.after);
    }
    sessions_[peer->id()] = {
        .peer = peer, .after = request.after.value, .credit = static_cast<int64_t>(request.credit_bytes)};
    serve(sessions_[peer->id()]);
  }
  void on_credit(const net::PeerPtr& peer, uint64_t bytes) override {
    const auto found = sessions_.find(peer->id());
    if (found == sessions_.end()) return;
    found->second.credit += static_cast<int64_t>(bytes);
    serve(found->second);
  }
  void on_want(const net::PeerPtr&, CommitTs ts) override {
    const std::lock_guard lock(mutex_);
    want_ = std::max(want_, ts);
    changed_.notify_all();
  }
  void on_tso_request(const net::PeerPtr&, uint64_t, uint32_t) override {}
  void on_goodbye(const net::PeerPtr& peer) override { peer->send_goodbye(); }
  void on_closed(const net::PeerPtr& peer, const absl::Status&) override { sessions_.erase(peer->id()); }

 private:
  struct Word {
    enum Kind { data, resolved, gap, end };
    uint64_t ts = 0;
    Kind kind = data;
    std::string run{};
  };
  struct Session {
    net::PeerPtr peer;
    uint64_t after = 0;
    int64_t credit = 0;
    size_t next = 0;         // word
    size_t next_record = 0;  // byte offset in its run
  };

  void listen(uint16_t port) {
    net::ServerOptions options{.address = fmt::format("127.0.0.1:{}", port)};
    options.stop_timeout = std::chrono::milliseconds(10);
    auto server = net::Server::listen(options, loop_, this, {});
    SLUICE_ASSERT(server.ok(), "{}", std::string(server.status().message()));
    server_ = std::move(*server);
    port_ = server_->port();
  }
  void stop_listening() {
    loop_.run_and_wait([this] {
      for (auto& [id, session] : std::exchange(sessions_, {})) session.peer->close(absl::OkStatus());
    });
    server_->stop();
    server_.reset();
  }
  void say(Word word) {
    loop_.run_and_wait([this, &word] {
      largest_ = std::max(largest_, word.ts);
      words_.push_back(std::move(word));
      for (auto& [id, session] : sessions_) serve(session);
    });
  }

  // One record a frame, so that transactions are cut everywhere.
  void serve(Session& session) {
    while (session.next < words_.size()) {
      const Word& word = words_[session.next];
      if (word.kind != Word::data) {
        if (word.kind == Word::resolved && word.ts > session.after) session.peer->send_resolved(ResolvedTs(word.ts));
        if (word.kind == Word::end) session.peer->send_end(CommitTs(word.ts));
        if (word.kind == Word::gap)
          session.peer->send_gap({.kind = net::GapKind::purged,
                                  .after = CommitTs(session.after),
                                  .first_available = CommitTs(word.ts),
                                  .text = "gc"});
        ++session.next;
        continue;
      }
      if (word.ts > session.after) {
        if (!serve_data(session, word)) return;
      }
      ++session.next;
      session.next_record = 0;
    }
  }

  bool serve_data(Session& session, const Word& word) {
    while (session.next_record < word.run.size()) {
      if (session.credit <= 0) return false;
      const auto record =
          decode_record(as_bytes(std::string_view(word.run).substr(session.next_record)), {.verify_body = false});
      SLUICE_ASSERT(record.ok());
      const size_t bytes = record->bytes.size();
      session.peer->send_data(word.run.substr(session.next_record, bytes));
      session.next_record += bytes;
      session.credit -= static_cast<int64_t>(bytes);
      const std::lock_guard lock(mutex_);
      overdrawn_max_ = std::max(overdrawn_max_, -session.credit);
      if (break_after_ == 0) continue;
      break_after_ -= std::min<uint64_t>(break_after_, bytes);
      if (break_after_ > 0) continue;
      session.peer->close(absl::UnavailableError("broken by the test"));
      session.credit = INT64_MIN / 2;
      return false;
    }
    return true;
  }

  const std::string node_id_;
  uint64_t birth_id_ = 0xb1;
  uint64_t largest_ = 0;  // the loop's
  const uint64_t cluster_id_;
  uint16_t port_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<CommitTs> pulls_;
  CommitTs want_;
  uint64_t break_after_ = 0;
  int64_t overdrawn_max_ = 0;

  // On the loop's thread only.
  std::vector<Word> words_;
  std::map<uint64_t, Session> sessions_;

  net::EventLoop loop_;
  std::unique_ptr<net::Server> server_;
};

}  // namespace sluice::drainer::pull
