#include "pump/time/oracle.h"

#include <future>

#include "base/logging.h"
#include "base/status.h"

namespace sluice::pump {
namespace {

constexpr uint64_t kYearMs = 366ull * 24 * 3600 * 1000;
constexpr uint64_t kAheadWarnMs = 60'000;

absl::Status check_clock(const std::filesystem::path& file, uint64_t bound_ms, uint64_t now_ms) {
  if (bound_ms != 0 && now_ms > bound_ms + kYearMs)
    return absl::FailedPreconditionError(
        fmt::format("this machine's clock ({} ms) is {} days beyond the last timestamp given out ({} ms), and "
                    "timestamps never go back: set the clock right; or, if it is right, remove {} and start again",
                    now_ms, (now_ms - bound_ms) / (kYearMs / 366), bound_ms, file.string()));
  if (bound_ms > now_ms + kAheadWarnMs)
    spdlog::warn(
        "timestamps are ahead of this machine's clock until it has caught up ahead_ms={} bound_ms={} clock_ms={}",
        bound_ms - now_ms, bound_ms, now_ms);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<EmbeddedOracle>> EmbeddedOracle::open(std::filesystem::path file, Clock& clock,
                                                                     host::Worker& worker, PostToLoop post) {
  SLUICE_ASSIGN_OR_RETURN(auto bound, BoundFile::open(file));
  SLUICE_RETURN_IF_ERROR(check_clock(file, bound->bound_ms(), wall_ms(clock)));
  std::unique_ptr<EmbeddedOracle> oracle(new EmbeddedOracle(std::move(bound), clock, worker, std::move(post)));
  SLUICE_RETURN_IF_ERROR(oracle->extend_now(wall_ms(clock)));
  return oracle;
}

EmbeddedOracle::EmbeddedOracle(std::unique_ptr<BoundFile> file, Clock& clock, host::Worker& worker, PostToLoop post)
    : file_(std::move(file)),
      clock_(clock),
      worker_(worker),
      post_(std::move(post)),
      believed_(wall_ms(clock), clock.now()),
      allocator_(file_->bound_ms()) {}

uint64_t EmbeddedOracle::read_clock() {
  const uint64_t now_ms = believed_.read(wall_ms(clock_), clock_.now());
  const bool leapt = believed_.leapt_ms() != 0;
  if (leapt && !leap_said_)
    spdlog::warn(
        "this machine's clock leapt ahead and isn't followed; set it right, or restart the pump if it is "
        "leapt_ms={}",
        believed_.leapt_ms());
  if (!leapt && leap_said_) spdlog::info("this machine's clock is followed again");
  leap_said_ = leapt;
  return now_ms;
}

absl::Status EmbeddedOracle::extend_now(uint64_t now_ms) {
  if (const auto bound_ms = allocator_.wanted_bound(now_ms)) {
    SLUICE_RETURN_IF_ERROR(annotate(file_->write(*bound_ms), "oracle bound"));
    allocator_.bound_is_durable(*bound_ms);
  }
  return absl::OkStatus();
}

void EmbeddedOracle::refill(uint64_t bound_ms) {
  refilling_ = true;
  worker_.run([this, bound_ms, file = file_, post = post_, alive = std::weak_ptr(alive_)] {
    const absl::Status status = file->write(bound_ms);
    post([this, bound_ms, status, alive] {
      if (alive.expired()) return;
      refilling_ = false;
      if (status.ok())
        allocator_.bound_is_durable(bound_ms);
      else
        spdlog::warn("oracle bound not extended, trying again error=\"{}\"", message_of(status));
    });
  });
}

void EmbeddedOracle::take(uint32_t count, Answer answer) {
  if (closed_) return answer(absl::UnavailableError("the oracle stops"));
  const uint64_t now_ms = read_clock();
  std::optional<Tso> first = allocator_.allocate(count, now_ms);
  if (!first) {
    // Two writers of one file must not race: while a refill is under way the bound can't be used up unless the clock
    // leapt, or the disk stands still.
    if (refilling_) return answer(absl::UnavailableError("the oracle's bound is being extended; ask again"));
    if (const absl::Status status = extend_now(now_ms); !status.ok()) return answer(status);
    first = allocator_.allocate(count, now_ms);
    if (!first) return answer(absl::UnavailableError("the oracle's clock leaps"));
  }
  if (!refilling_)
    if (const auto bound_ms = allocator_.wanted_bound(now_ms)) refill(*bound_ms);
  answer(*first);
}

absl::Status EmbeddedOracle::close() {
  closed_ = true;
  auto done = std::make_shared<std::promise<absl::Status>>();
  // Behind a refill that may be under way: the worker is the file's one writer now.
  worker_.run([file = file_, bound_ms = allocator_.exact_bound(), done] { done->set_value(file->write(bound_ms)); });
  return annotate(done->get_future().get(), "oracle bound");
}

}  // namespace sluice::pump
