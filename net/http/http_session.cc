#include "net/http/http_session.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace sluice::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

using Request = http::request<http::string_body>;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

using Response = http::response<http::string_body>;

std::string text_of(beast::string_view view) {
  return {view.data(), view.size()};
}

Response to_beast(HttpResponse from, unsigned version, bool keep_alive) {
  Response response(http::int_to_status(static_cast<unsigned>(from.status)), version);
  for (const auto& [name, value] : from.headers) response.set(name, value);
  response.set(http::field::content_type, from.content_type);
  response.body() = std::move(from.body);
  response.keep_alive(keep_alive);
  response.prepare_payload();
  return response;
}

// Against a lost, idle or finished connection, where nobody waits for an answer.
bool is_bad_request(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

HttpResponse refusal_of(const error_code& error) {
  if (error == http::error::body_limit) return {.status = 413, .body = "the body is too large\n"};
  if (error == http::error::header_limit) return {.status = 431, .body = "the headers are too large\n"};
  return {.status = 400, .body = "bad request: " + error.message() + "\n"};
}

class Session final : public HttpSession, public std::enable_shared_from_this<Session> {
 public:
  Session(asio::ip::tcp::socket socket, std::string first_bytes, const HttpRoutes& routes, std::function<void()> closed)
      : stream_(std::move(socket)), routes_(routes), closed_(std::move(closed)) {
    const auto room = buffer_.prepare(first_bytes.size());
    asio::buffer_copy(room, asio::buffer(first_bytes));
    buffer_.commit(first_bytes.size());
  }

  void start() {
    asio::co_spawn(
        stream_.get_executor(), [self = shared_from_this()] { return self->serve(); },
        [self = shared_from_this()](std::exception_ptr thrown) {
          if (thrown) std::rethrow_exception(thrown);
          self->closed_();
        });
  }

  void stop() override {
    stopping_ = true;
    if (!writing_) stream_.close();
  }

 private:
  asio::awaitable<void> serve() {
    while (!stopping_ && co_await serve_one()) {
    }
    error_code ignored;  // the peer may be gone already
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    stream_.close();
  }

  // False: no further request on this connection.
  asio::awaitable<bool> serve_one() {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHttpHeaderBytesMax);
    parser.body_limit(kHttpBodyBytesMax);
    stream_.expires_after(kHttpIdle);
    error_code error;
    co_await http::async_read_header(stream_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
    // Who asks whether to send the body waits for this.
    if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue"))
      co_await asio::async_write(stream_, asio::buffer(kContinue), asio::redirect_error(asio::use_awaitable, error));
    if (!error && !parser.is_done())
      co_await http::async_read(stream_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
    if (error && !is_bad_request(error)) co_return false;
    const bool keep_alive = !error && parser.get().keep_alive() && !stopping_;
    const unsigned version = error ? 11 : parser.get().version();
    const bool head = parser.get().method() == http::verb::head;
    Response response = to_beast(error ? refusal_of(error) : answer(parser.release()), version, keep_alive);
    if (head) response.body().clear();  // the length stays as GET's
    stream_.expires_after(kHttpIdle);   // for a peer that doesn't read
    writing_ = true;
    co_await http::async_write(stream_, response, asio::redirect_error(asio::use_awaitable, error));
    writing_ = false;
    co_return !error && keep_alive;
  }

  HttpResponse answer(Request request) {
    return routes_.dispatch({.method = text_of(request.method_string()),
                             .path = text_of(request.target()),
                             .parameters = {},
                             .body = std::move(request.body())});
  }

  beast::tcp_stream stream_;
  const HttpRoutes& routes_;
  std::function<void()> closed_;
  beast::flat_buffer buffer_;
  bool stopping_ = false;
  bool writing_ = false;
};

}  // namespace

std::shared_ptr<HttpSession> HttpSession::start(asio::ip::tcp::socket socket, std::string first_bytes,
                                                const HttpRoutes& routes, std::function<void()> closed) {
  auto session = std::make_shared<Session>(std::move(socket), std::move(first_bytes), routes, std::move(closed));
  session->start();
  return session;
}

}  // namespace sluice::net
