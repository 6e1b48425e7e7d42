// Where a pump takes timestamps from: its own embedded oracle, another pump's, or, in writer time, nowhere.
// Contract: an answer is above every timestamp whose giver had answered before the call; answers ascend, across
//           restarts too.
// Threads:  the event loop's.
// Errors:   UNAVAILABLE when the oracle can't be reached or its bound can't be made durable; retry.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "base/clock.h"
#include "base/tso.h"
#include "host/worker.h"
#include "pump/time/bound_file.h"
#include "pump/time/tso_allocator.h"

namespace sluice::pump {

class Oracle {
 public:
  using Answer = std::function<void(absl::StatusOr<Tso> first)>;
  virtual ~Oracle() = default;
  // `count` consecutive timestamps, at most TsoAllocator::kCountMax. May answer before it returns.
  virtual void take(uint32_t count, Answer answer) = 0;
};

// Persists its bound ahead of what it gives out, on `worker`; blocks on the disk itself only when the bound is used up
// (at the start, and when the clock leaps).
class EmbeddedOracle final : public Oracle {
 public:
  using PostToLoop = std::function<void(std::function<void()>)>;
  // Errors:   DATA_LOSS a damaged bound; FAILED_PRECONDITION a clock more than a year beyond the bound.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<EmbeddedOracle>> open(std::filesystem::path file, Clock& clock,
                                                                            host::Worker& worker, PostToLoop post);

  // Only timestamps above `ts` are given out.
  void raise(Tso ts) { allocator_.raise(ts); }
  void take(uint32_t count, Answer answer) override;
  // Gives out no more, and leaves the exact bound, so that a clean restart costs nothing. Waits for the worker.
  [[nodiscard]] absl::Status close();

 private:
  EmbeddedOracle(std::unique_ptr<BoundFile> file, Clock& clock, host::Worker& worker, PostToLoop post);
  void refill(uint64_t bound_ms);
  [[nodiscard]] absl::Status extend_now(uint64_t now_ms);
  [[nodiscard]] uint64_t read_clock();

  const std::shared_ptr<BoundFile> file_;  // shared with the worker's job
  Clock& clock_;
  host::Worker& worker_;
  const PostToLoop post_;
  BelievedClock believed_;
  bool leap_said_ = false;
  TsoAllocator allocator_;
  bool refilling_ = false;
  bool closed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // what is posted may come after the end
};

}  // namespace sluice::pump
