#include "pump/oracle.h"

#include <charconv>

#include "base/logging.h"
#include "base/status.h"
#include "pump/durable_file.h"

namespace sluice::pump {
namespace {

uint64_t wall_ms(const Clock& clock) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(clock.wall_now().time_since_epoch()).count());
}

// The bound in milliseconds, one decimal number and a newline.
// Format:   docs/formats/data-folder.md
std::string bound_text(uint64_t bound_ms) {
  return fmt::format("{}\n", bound_ms);
}

absl::StatusOr<uint64_t> parse_bound(const std::filesystem::path& file, std::string_view text) {
  uint64_t bound_ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bound_ms);
  if (error != std::errc() || end + 1 != text.data() + text.size() || *end != '\n')
    return absl::DataLossError(fmt::format(
        "{} holds no timestamp bound; timestamps could repeat: restore the file, or write into it a millisecond "
        "time above every timestamp given out",
        file.string()));
  return bound_ms;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EmbeddedOracle>> EmbeddedOracle::open(std::filesystem::path file, Clock& clock,
                                                                     Worker& worker, PostToLoop post) {
  uint64_t bound_ms = 0;
  const absl::StatusOr<std::string> text = read_small_file(file);
  if (text.ok()) {
    SLUICE_ASSIGN_OR_RETURN(bound_ms, parse_bound(file, *text));
  } else if (!absl::IsNotFound(text.status())) {
    return text.status();
  }
  std::unique_ptr<EmbeddedOracle> oracle(new EmbeddedOracle(std::move(file), bound_ms, clock, worker, std::move(post)));
  SLUICE_RETURN_IF_ERROR(oracle->extend_now());
  return oracle;
}

EmbeddedOracle::EmbeddedOracle(std::filesystem::path file, uint64_t bound_ms, Clock& clock, Worker& worker,
                               PostToLoop post)
    : file_(std::move(file)), clock_(clock), worker_(worker), post_(std::move(post)), allocator_(bound_ms) {}

absl::Status EmbeddedOracle::extend_now() {
  if (const auto bound_ms = allocator_.wanted_bound(wall_ms(clock_))) {
    SLUICE_RETURN_IF_ERROR(annotate(replace_file(file_, bound_text(*bound_ms)), "oracle bound"));
    allocator_.bound_is_durable(*bound_ms);
  }
  return absl::OkStatus();
}

void EmbeddedOracle::refill(uint64_t bound_ms) {
  refilling_to_ms_ = bound_ms;
  worker_.run([this, bound_ms, file = file_, post = post_, alive = std::weak_ptr(alive_)] {
    const absl::Status status = replace_file(file, bound_text(bound_ms));
    post([this, bound_ms, status, alive] {
      if (alive.expired()) return;
      refilling_to_ms_ = 0;
      if (status.ok())
        allocator_.bound_is_durable(bound_ms);
      else
        spdlog::warn("oracle bound not extended, trying again error=\"{}\"", message_of(status));
    });
  });
}

void EmbeddedOracle::take(uint32_t count, Answer answer) {
  const uint64_t now_ms = wall_ms(clock_);
  std::optional<Tso> first = allocator_.allocate(count, now_ms);
  if (!first) {
    // Two writers of one file must not race: while a refill is under way the bound can't be used up unless the clock
    // leapt.
    if (refilling_to_ms_ != 0) return answer(absl::UnavailableError("the oracle's bound is being extended; ask again"));
    if (const absl::Status status = extend_now(); !status.ok()) return answer(status);
    first = allocator_.allocate(count, now_ms);
    if (!first) return answer(absl::UnavailableError("the oracle's clock leaps"));
  }
  if (refilling_to_ms_ == 0)
    if (const auto bound_ms = allocator_.wanted_bound(now_ms)) refill(*bound_ms);
  answer(*first);
}

}  // namespace sluice::pump
