#include "pump/time/remote_oracle.h"

#include <future>

#include "base/logging.h"
#include "base/status.h"

namespace sluice::pump {
namespace {

constexpr int kConnectTries = 4;  // of the client's timeout each

}  // namespace

absl::StatusOr<std::unique_ptr<RemoteOracle>> RemoteOracle::connect(const std::string& address, uint64_t cluster_id,
                                                                    net::EventLoop& loop) {
  std::unique_ptr<RemoteOracle> oracle(new RemoteOracle());
  net::OracleClientOptions options;
  options.address = address;
  options.cluster_id = cluster_id;
  options.on_welcome = [id = oracle->cluster_id_](const net::Welcome& welcome) { *id = welcome.cluster_id; };
  oracle->client_ = net::OracleClient::open(std::move(options), loop);
  absl::Status status;
  for (int i = 0; i < kConnectTries; ++i) {
    std::promise<absl::Status> answered;
    loop.post([&] {
      oracle->client_->fetch(1,
                             [&](const absl::StatusOr<net::TsoRange>& range) { answered.set_value(range.status()); });
    });
    status = answered.get_future().get();
    if (status.ok()) return oracle;
    if (!absl::IsDeadlineExceeded(status)) break;
    spdlog::warn("waiting for the oracle address={} reason=\"{}\"", address, message_of(status));
  }
  const std::string text = fmt::format("oracle {}: {}", address, message_of(status));
  if (absl::IsFailedPrecondition(status)) return absl::FailedPreconditionError(text);
  return absl::UnavailableError(text + "; start the pump at that address first, or correct --oracle");
}

void RemoteOracle::take(uint32_t count, Answer answer) {
  client_->fetch(count, [count, answer = std::move(answer)](const absl::StatusOr<net::TsoRange>& range) {
    if (!range.ok()) return answer(range.status());
    if (range->count < count)
      return answer(absl::UnavailableError(fmt::format("the oracle gave {} timestamps of {}", range->count, count)));
    answer(range->first);
  });
}

}  // namespace sluice::pump
