// The drainer's Prometheus metrics: TiDB-Binlog's names where they mean the same here, ours beside them.
// Threads:  one (the loop's); values are taken from a snapshot at each scrape.
#pragma once

#include <memory>

#include "drainer/status_page.h"
#include "net/http/http.h"

namespace sluice::drainer {

class DrainerMetrics {
 public:
  DrainerMetrics();
  ~DrainerMetrics();
  [[nodiscard]] net::HttpResponse page(const DrainerSnapshot& snapshot);

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace sluice::drainer
