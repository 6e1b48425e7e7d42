// HTTP/1 on the public port: routes and plain values; Boost.Beast stays behind net/http/http.cc.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sluice::net {

struct HttpRequest {
  std::string method;                             // "GET"
  std::string path;                               // without the query
  std::map<std::string, std::string> parameters;  // of the pattern's {name}s
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::map<std::string, std::string> headers{};  // beside content-type and those of the connection
};

class HttpRoutes {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;  // on the loop's thread; must not block
  // `pattern`: "/state/{node}/{action}". Parameters arrive percent-decoded. A path that matches with another method
  // answers 405, no match 404 with the paths there are, a bad percent-encoding 400. HEAD is answered by GET's handler;
  // the session leaves the body out.
  void add(std::string method, std::string pattern, Handler handler);
  [[nodiscard]] HttpResponse dispatch(HttpRequest request) const;

 private:
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> segments;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace sluice::net
