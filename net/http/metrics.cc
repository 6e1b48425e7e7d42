#include "net/http/metrics.h"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace sluice::net {

HttpResponse metrics_page(const prometheus::Registry& registry) {
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = prometheus::TextSerializer().Serialize(registry.Collect())};
}

}  // namespace sluice::net
