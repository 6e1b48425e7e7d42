// The writer client's memory: steps waiting, steps on the wire, and which sequences of this connection they have. Pure.
// Contract: steps come out in the order they went in; after reset() or a retryable nack the affected ones come out
//           again, in that order, before the rest.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "base/bytes.h"
#include "net/native/service.h"

namespace sluice::net {

class SendQueue {
 public:
  using Done = std::function<void(const absl::Status&)>;
  struct Settled {
    Done done;
    absl::Status status;
  };
  struct Frame {
    uint64_t first_sequence = 0;
    std::string run;
  };

  // One step: a run of records that are acked as one.
  void push(std::string run, Done done);

  // The next frame of at most about `bytes_max`, if anything waits and the window allows: at the window's end a new
  // step waits, but one that was begun goes out to its end, so that a window smaller than a transaction can't stall it.
  [[nodiscard]] std::optional<Frame> next_frame(uint64_t bytes_max, uint64_t window_bytes);

  // Everything on the wire up to `through` is durable. The steps that are complete now, in order.
  [[nodiscard]] std::vector<Settled> ack(uint64_t through);

  struct NackOutcome {
    std::vector<Settled> settled;  // refused for good
    bool retry = false;            // some wait to be sent again
  };
  [[nodiscard]] NackOutcome nack(const Nack& nack);

  // The connection is gone: all un-acked steps wait again, sequences start at 1.
  void reset();
  // All steps end with `why`.
  [[nodiscard]] std::vector<Settled> fail_all(const absl::Status& why);

  [[nodiscard]] bool empty() const { return waiting_.empty() && on_wire_.empty(); }
  [[nodiscard]] uint64_t unacked_bytes() const { return unacked_bytes_; }
  [[nodiscard]] uint64_t wire_bytes() const { return wire_bytes_; }

 private:
  struct Step {
    uint64_t order = 0;
    std::string run;
    Done done;
    size_t sent_bytes = 0;
    uint64_t first_sequence = 0;  // on this connection, once begun
    uint64_t last_sequence = 0;   // of what was sent
    [[nodiscard]] bool begun() const { return sent_bytes != 0; }
    [[nodiscard]] bool sent() const { return sent_bytes == run.size(); }
  };
  struct SentFrame {
    uint64_t last_sequence = 0;
    uint64_t bytes = 0;
  };

  void append_front_of(Step& step, uint64_t bytes_max, std::string& run);
  void wait_again(Step step);
  // Frames whose every record is settled count no more.
  void release_frames(uint64_t through);
  Settled settle(Step& step, absl::Status status);

  std::map<uint64_t, Step> waiting_;  // by order
  std::optional<uint64_t> begun_;     // the waiting step that is partly sent: it goes on first
  std::deque<Step> on_wire_;          // wholly sent, by sequence
  std::deque<SentFrame> frames_;
  uint64_t next_order_ = 0;
  uint64_t next_sequence_ = 1;
  uint64_t unacked_bytes_ = 0;
  uint64_t wire_bytes_ = 0;  // of frames not wholly acked
};

}  // namespace sluice::net
