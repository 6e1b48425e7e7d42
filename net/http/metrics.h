// Prometheus text exposition, for GET /metrics.
#pragma once

#include "net/http/http.h"

namespace prometheus {
class Registry;
}

namespace sluice::net {

[[nodiscard]] HttpResponse metrics_page(const prometheus::Registry& registry);

}  // namespace sluice::net
