// The seam between the native protocol's server and the node behind it. A pump implements NodeService; net/server.cc
// calls it. Everything here happens on the event loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/byte_budget.h"
#include "base/bytes.h"
#include "base/tso.h"

namespace sluice::net {

enum class PeerRole : uint8_t { writer = 1, puller = 2, oracle_client = 3 };

enum class TimeSource : uint8_t { unspecified = 0, pd = 1, embedded = 2, writer = 3 };

// Feature bits of hello and welcome; the connection uses the intersection. A peer that sets a bit at or above
// kFeatureCriticalFrom that we don't know is refused.
inline constexpr uint64_t kFeatureWant = 1;
inline constexpr uint64_t kFeaturesKnown = kFeatureWant;
inline constexpr unsigned kFeatureCriticalFrom = 48;

struct Hello {
  PeerRole role{};
  uint64_t cluster_id = 0;  // 0: whatever the pump has
  uint64_t features = 0;
  TimeSource time_source = TimeSource::unspecified;  // a writer may declare `writer` to a pump whose log is empty
  std::string name{};                                // for logs: "replay", a drainer's node id
};

struct Welcome {
  uint64_t cluster_id = 0;
  uint64_t features = 0;
  TimeSource time_source{};
  std::string node_id{};
  uint64_t writer_window_bytes = 0;   // un-acked bytes a writer may have outstanding; 0: the writer's own default
  uint32_t frame_body_bytes_max = 0;  // of write frames; filled in by the server
  // Which log this is, and how far it has got: a log that was replaced has another birth id, one that an older copy
  // took the place of has a smaller largest timestamp. 0: a pump that doesn't say.
  uint64_t log_birth_id = 0;
  Tso log_largest_ts{};  // of all start, commit and progress timestamps that are durable
};

enum class NackReason : uint8_t {
  no_space = 1,         // retry later
  not_online = 2,       // prewrites only; retry elsewhere
  read_only = 3,        // the log failed; retry elsewhere
  commit_too_low = 4,   // at or below the bound or the resolved ts
  ahead_of_oracle = 5,  // above a fresh oracle answer
  aborted = 6,          // FATAL_ABORTED: the transaction was closed here
  unknown_prewrite = 7,
  bad_record = 8,
  wrong_time = 9,  // progress sent to a pump that isn't in writer time; a ts too far above the clock in writer time
  no_oracle = 10,  // no fresh oracle answer to judge by; retry
  // It was being written when the log failed: it may be durable here, and nobody knows before a restart. Retry here;
  // who goes elsewhere owes this pump a stray record (docs/architecture.md).
  unknown_outcome = 11,
};

struct Nack {
  uint64_t first = 0;  // sequences, inclusive
  uint64_t last = 0;
  NackReason reason{};
  bool retryable = false;
  std::string text{};  // names the values
};

struct PullRequest {
  CommitTs after;             // exclusive; 0: from the oldest
  uint64_t credit_bytes = 0;  // initial
};

enum class GapKind : uint8_t { purged = 1, data_loss = 2 };

struct Gap {
  GapKind kind{};
  CommitTs after;            // exclusive
  CommitTs first_available;  // or last lost, for data_loss
  std::string text{};
};

// One connection as the node sees it. send_* queue; the loop sends once a turn.
class Peer {
 public:
  virtual ~Peer() = default;
  [[nodiscard]] virtual uint64_t id() const = 0;
  [[nodiscard]] virtual const Hello& hello() const = 0;
  [[nodiscard]] virtual const std::string& address() const = 0;

  // Cumulative: every sequence up to `through` that no nack named is durable. So a nack goes out before an ack that
  // passes it.
  virtual void send_ack(uint64_t through) = 0;
  virtual void send_nack(const Nack& nack) = 0;
  virtual void send_tso(uint64_t request, Tso first, uint32_t count) = 0;
  virtual void send_data(
      std::string run) = 0;  // of commit and prewrite records, any length; takes from no credit itself
  virtual void send_resolved(ResolvedTs ts) = 0;
  virtual void send_gap(const Gap& gap) = 0;
  virtual void send_end(CommitTs final_ts) = 0;
  virtual void send_goodbye() = 0;
  // Not yet taken by the socket. A peer that lets more than ServerOptions::outbound_bytes_max pile up is dropped.
  [[nodiscard]] virtual uint64_t queued_bytes() const = 0;
  // Stops and restarts reading: back-pressure that TCP carries to the peer.
  virtual void set_reading(bool reading) = 0;
  // A refusal with the reason, then closed. OK closes quietly.
  virtual void close(const absl::Status& why) = 0;
};
using PeerPtr = std::shared_ptr<Peer>;

class NodeService {
 public:
  virtual ~NodeService() = default;
  // An error refuses the peer with its text; UNAVAILABLE tells it to try again. Features and limits are the server's to
  // fill.
  [[nodiscard]] virtual absl::StatusOr<Welcome> on_hello(const Hello& hello) = 0;
  // A run of records whose lengths, hashes and frame hash are already verified; `first` is the first record's sequence,
  // each record counts one.
  // `held` are the run's bytes in the server's budget, if it has one: kept as long as the run is.
  virtual void on_write(const PeerPtr& peer, uint64_t first, std::string run, ByteReservation held) = 0;
  virtual void on_pull(const PeerPtr& peer, const PullRequest& request) = 0;
  virtual void on_credit(const PeerPtr& peer, uint64_t bytes) = 0;
  virtual void on_want(const PeerPtr& peer, CommitTs ts) = 0;
  virtual void on_tso_request(const PeerPtr& peer, uint64_t request, uint32_t count) = 0;
  // The peer sends no more. Once all it sent is settled: peer->send_goodbye(), after which the connection closes.
  virtual void on_goodbye(const PeerPtr& peer) = 0;
  virtual void on_drained(const PeerPtr& peer) { (void)peer; }  // queued_bytes() has come down to 0
  virtual void on_closed(const PeerPtr& peer, const absl::Status& why) = 0;
};

}  // namespace sluice::net
