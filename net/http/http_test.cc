#include "net/http/http.h"

#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include "net/http/metrics.h"
#include "net/loop/address.h"

namespace sluice::net {
namespace {

HttpRoutes routes() {
  HttpRoutes r;
  r.add("PUT", "/state/{node}/{action}", [](const HttpRequest& request) {
    return HttpResponse{.body = request.parameters.at("node") + "|" + request.parameters.at("action")};
  });
  r.add("GET", "/", [](const HttpRequest&) { return HttpResponse{.body = "root"}; });
  return r;
}

HttpResponse ask(std::string method, std::string path) {
  return routes().dispatch({.method = std::move(method), .path = std::move(path), .parameters = {}, .body = {}});
}

TEST(HttpRoutes, FillsParametersAndDecodesThem) {
  EXPECT_EQ(ask("PUT", "/state/pump-1/pause?x=1").body, "pump-1|pause");
  EXPECT_EQ(ask("PUT", "/state/a%2Fb%20c/close").body, "a/b c|close");
  EXPECT_EQ(ask("GET", "/").body, "root");
}

TEST(HttpRoutes, SaysWhatIsWrong) {
  EXPECT_EQ(ask("GET", "/nowhere").status, 404);
  EXPECT_EQ(ask("PUT", "/state/pump-1").status, 404);
  EXPECT_EQ(ask("PUT", "/state//pause").status, 404);
  EXPECT_EQ(ask("PUT", "/state/%zz/pause").status, 400);
  EXPECT_EQ(ask("PUT", "/state/%4").status, 400);
  EXPECT_EQ(ask("GET", "*").status, 400);
  const HttpResponse not_allowed = ask("GET", "/state/pump-1/pause");
  EXPECT_EQ(not_allowed.status, 405);
  EXPECT_EQ(not_allowed.headers.at("Allow"), "PUT");
}

TEST(HttpRoutes, AnswersHeadWhereGetIsAnswered) {
  EXPECT_EQ(ask("HEAD", "/").status, 200);
  EXPECT_EQ(ask("HEAD", "/state/pump-1/pause").status, 405);
}

TEST(HttpRoutes, NamesThePathsThereAre) {
  EXPECT_NE(ask("GET", "/nowhere").body.find("PUT /state/{node}/{action}"), std::string::npos);
}

TEST(Metrics, PageHasTheRegistrysFamilies) {
  prometheus::Registry registry;
  prometheus::BuildCounter().Name("sluice_test_total").Help("help").Register(registry).Add({{"a", "b"}}).Increment(3);
  const HttpResponse page = metrics_page(registry);
  EXPECT_NE(page.body.find("sluice_test_total{a=\"b\"} 3"), std::string::npos) << page.body;
  EXPECT_TRUE(page.content_type.starts_with("text/plain; version=0.0.4"));
}

TEST(Address, ParsesHostsNamesAndBrackets) {
  EXPECT_EQ(parse_host_port("127.0.0.1:8250")->port, 8250);
  EXPECT_EQ(parse_host_port("[::1]:8250")->host, "::1");
  EXPECT_EQ(parse_host_port(":8250")->host, "");
  for (const char* bad : {"", "host", "host:", "host:x", "host:70000", "::1:8250", "host:80 "})
    EXPECT_FALSE(parse_host_port(bad).ok()) << bad;
}

}  // namespace
}  // namespace sluice::net
