#include "pump/time/timekeeper.h"

#include <algorithm>

#include "base/assert.h"
#include "base/logging.h"
#include "base/status.h"

namespace sluice::pump {

bool Timekeeper::has_oracle() const {
  return oracle_ != nullptr && (source() == net::TimeSource::embedded || source() == net::TimeSource::pd);
}

absl::Status Timekeeper::check(net::TimeSource declared, bool log_is_empty) const {
  if (declared == net::TimeSource::unspecified || declared == source()) return absl::OkStatus();
  if (source() != net::TimeSource::unspecified)
    return absl::FailedPreconditionError(
        fmt::format("this pump's time source is {}, not {}", to_string(source()), to_string(declared)));
  if (declared == net::TimeSource::writer && !log_is_empty)
    return absl::FailedPreconditionError(
        "writer time can be declared to a pump with an empty log only; use an empty --data-dir");
  if (declared == net::TimeSource::pd && oracle_ == nullptr)
    return absl::FailedPreconditionError("this pump has no placement driver");
  return absl::OkStatus();
}

absl::Status Timekeeper::settle(net::TimeSource declared, bool log_is_empty) {
  SLUICE_RETURN_IF_ERROR(check(declared, log_is_empty));
  if (source() != net::TimeSource::unspecified) return absl::OkStatus();
  const net::TimeSource decided = declared == net::TimeSource::unspecified ? net::TimeSource::embedded : declared;
  SLUICE_RETURN_IF_ERROR(folder_.decide_time(decided));
  spdlog::info("time source decided source={}", to_string(decided));
  return absl::OkStatus();
}

void Timekeeper::ask(std::function<void(const absl::StatusOr<Tso>&)> then) {
  SLUICE_ASSERT(has_oracle(), "source={}", to_string(source()));
  waiting_.push_back(std::move(then));
  // Whoever asks while a call is under way needs a younger answer than that call's.
  if (!calling_) call();
}

void Timekeeper::call() {
  calling_ = true;
  oracle_->take(1, [this, asked = std::exchange(waiting_, {})](const absl::StatusOr<Tso>& answer) {
    if (answer.ok()) newest_ = std::max(newest_, *answer);
    calling_ = false;
    for (const auto& then : asked) then(answer);
    if (!calling_ && !waiting_.empty()) call();
  });
}

void Timekeeper::take(uint32_t count, Oracle::Answer answer) {
  // While nothing is decided too: what is given out binds nobody before a record comes.
  if (oracle_ == nullptr || source() == net::TimeSource::writer)
    return answer(absl::UnimplementedError("this cluster runs in writer time: there is no oracle"));
  oracle_->take(count, [this, count, answer = std::move(answer)](const absl::StatusOr<Tso>& first) {
    if (first.ok()) newest_ = std::max(newest_, Tso(first->value + count - 1));
    answer(first);
  });
}

}  // namespace sluice::pump
