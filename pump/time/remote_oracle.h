// Another pump's oracle, over the native protocol: what --oracle names. It gives the cluster id too.
// Threads:  connect() on a thread that may wait; take() on the event loop's.
#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "net/loop/event_loop.h"
#include "net/native/oracle_client.h"
#include "pump/time/oracle.h"

namespace sluice::pump {

class RemoteOracle final : public Oracle {
 public:
  // Waits for the first answer, some seconds at most.
  // Errors:   UNAVAILABLE when the oracle doesn't answer in time, FAILED_PRECONDITION when it refuses us; both name the
  //           address.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RemoteOracle>> connect(const std::string& address,
                                                                             uint64_t cluster_id, net::EventLoop& loop);

  [[nodiscard]] uint64_t cluster_id() const { return *cluster_id_; }
  void take(uint32_t count, Answer answer) override;

 private:
  RemoteOracle() = default;

  std::shared_ptr<uint64_t> cluster_id_ = std::make_shared<uint64_t>(0);  // written before the first answer
  std::unique_ptr<net::OracleClient> client_;
};

}  // namespace sluice::pump
