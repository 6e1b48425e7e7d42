#include "net/http/http_client.h"

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace sluice::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

asio::awaitable<HttpAnswer> exchange(const HostPort& node, const HttpAsk& ask) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  const std::string host = node.host.empty() ? "127.0.0.1" : node.host;
  const auto endpoints = co_await resolver.async_resolve(host, std::to_string(node.port), asio::use_awaitable);
  beast::tcp_stream stream(executor);
  stream.expires_after(ask.timeout);
  co_await stream.async_connect(endpoints, asio::use_awaitable);

  http::request<http::empty_body> request;
  request.method_string({ask.method.data(), ask.method.size()});
  request.target({ask.target.data(), ask.target.size()});
  request.version(11);
  request.set(http::field::host, host);
  request.set(http::field::connection, "close");
  request.prepare_payload();
  co_await http::async_write(stream, request, asio::use_awaitable);

  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kHttpAnswerBytesMax);
  co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  co_return HttpAnswer{.status = static_cast<int>(parser.get().result_int()), .body = std::move(parser.get().body())};
}

absl::Status failure(const HostPort& node, const boost::system::system_error& error) {
  const std::string name = fmt::format("{}:{}", node.host.empty() ? "127.0.0.1" : node.host, node.port);
  if (error.code() == beast::error::timeout)
    return absl::DeadlineExceededError(fmt::format("{} doesn't answer in time", name));
  return absl::UnavailableError(fmt::format("{} can't be asked ({}): is the node running, and is this its address?",
                                            name, error.code().message()));
}

}  // namespace

absl::StatusOr<HttpAnswer> ask_http(const HostPort& node, const HttpAsk& ask) {
  asio::io_context loop;
  absl::StatusOr<HttpAnswer> answer = absl::UnknownError("no answer");
  asio::co_spawn(loop, exchange(node, ask), [&](std::exception_ptr thrown, HttpAnswer got) {
    if (!thrown) {
      answer = std::move(got);
      return;
    }
    try {
      std::rethrow_exception(thrown);
    } catch (const boost::system::system_error& error) {
      answer = failure(node, error);
    } catch (const std::exception& error) {
      answer = absl::InternalError(error.what());
    }
  });
  loop.run();
  return answer;
}

}  // namespace sluice::net
