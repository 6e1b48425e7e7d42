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
#include "pump/tso_allocator.h"
#include "pump/worker.h"

namespace sluice::pump {

class Oracle {
 public:
  using Answer = std::function<void(absl::StatusOr<Tso> first)>;
  virtual ~Oracle() = default;
  // `count` consecutive timestamps, at most TsoAllocator::kCountMax. May answer before it returns.
  virtual void take(uint32_t count, Answer answer) = 0;
};

// Persists its bound in one small file, ahead of what it gives out, on `worker`; blocks on the disk itself only when
// the bound is used up (at the start, and when the clock leaps).
class EmbeddedOracle final : public Oracle {
 public:
  using PostToLoop = std::function<void(std::function<void()>)>;
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<EmbeddedOracle>> open(std::filesystem::path file, Clock& clock,
                                                                            Worker& worker, PostToLoop post);

  // Only timestamps above `ts` are given out.
  void raise(Tso ts) { allocator_.raise(ts); }
  void take(uint32_t count, Answer answer) override;

 private:
  EmbeddedOracle(std::filesystem::path file, uint64_t bound_ms, Clock& clock, Worker& worker, PostToLoop post);
  void refill(uint64_t bound_ms);
  [[nodiscard]] absl::Status extend_now();

  const std::filesystem::path file_;
  Clock& clock_;
  Worker& worker_;
  const PostToLoop post_;
  TsoAllocator allocator_;
  uint64_t refilling_to_ms_ = 0;                                // 0: no refill under way
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // what is posted may come after the end
};

}  // namespace sluice::pump
