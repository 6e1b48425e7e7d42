#include "net/http/http.h"

#include <optional>
#include <string_view>

#include "base/assert.h"

namespace sluice::net {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const size_t end = std::min(path.find('/'), path.size());
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = hex_digit(text[i + 1]);
    const auto low = hex_digit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    decoded += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return decoded;
}

bool is_parameter(std::string_view segment) {
  return segment.starts_with('{') && segment.ends_with('}');
}

// Segments are split before they are decoded: an encoded slash belongs to its parameter.
bool match(const std::vector<std::string>& pattern, const std::vector<std::string>& path,
           std::map<std::string, std::string>& parameters) {
  if (pattern.size() != path.size()) return false;
  parameters.clear();
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (is_parameter(pattern[i])) {
      if (path[i].empty()) return false;
      parameters[pattern[i].substr(1, pattern[i].size() - 2)] = path[i];
    } else if (pattern[i] != path[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

void HttpRoutes::add(std::string method, std::string pattern, Handler handler) {
  SLUICE_ASSERT(pattern.starts_with('/'), "pattern={}", pattern);
  std::vector<std::string> segments = split(pattern);
  routes_.push_back({std::move(method), std::move(pattern), std::move(segments), std::move(handler)});
}

HttpResponse HttpRoutes::dispatch(HttpRequest request) const {
  request.path = request.path.substr(0, request.path.find('?'));
  if (!request.path.starts_with('/')) return {.status = 400, .body = "the target must begin with /\n"};
  std::vector<std::string> path = split(request.path);
  for (std::string& segment : path) {
    auto decoded = percent_decode(segment);
    if (!decoded) return {.status = 400, .body = "bad percent-encoding in the path\n"};
    segment = std::move(*decoded);
  }
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allowed;
  for (const Route& route : routes_) {
    if (!match(route.segments, path, request.parameters)) continue;
    if (route.method == method) return route.handler(request);
    allowed += (allowed.empty() ? "" : ", ") + route.method;
  }
  if (allowed.empty()) {
    std::string body = "no such page: " + request.path + "\nthere are:\n";
    for (const Route& route : routes_) body += "  " + route.method + " " + route.pattern + "\n";
    return {.status = 404, .body = std::move(body)};
  }
  return {.status = 405,
          .body = request.method + " is not allowed here, only " + allowed + "\n",
          .headers = {{"Allow", allowed}}};
}

}  // namespace sluice::net
