// SPDX-License-Identifier: Apache-2.0
#include "server/http_connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <nlohmann/json.hpp>

#include "support/guard.h"

namespace tessera::server {
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace asio = boost::asio;
namespace {

constexpr size_t kChunk = 64 << 10;        // of a body that is read at a time
constexpr size_t kFirstRead = 2048;        // most requests of one text come whole
constexpr size_t kMostLingered = 1 << 20;  // read and dropped behind a refusal
constexpr auto kLinger = std::chrono::seconds(2);

HttpReply error_reply(int status, const std::string& what, std::string_view type) {
  const nlohmann::json body = {
      {"error", what},
      {"type",  type}
  };
  return {.status = status,
          .body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

// The client sent something that is not HTTP; it did not just go away.
bool is_garbage(const beast::error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

std::string name_of(const asio::ip::tcp::socket& socket) {
  beast::error_code error;
  const auto peer = socket.remote_endpoint(error);
  return error ? "" : peer.address().to_string(error) + ":" + std::to_string(peer.port());
}

}  // namespace

HttpConnection::HttpConnection(asio::ip::tcp::socket socket, std::shared_ptr<HttpShared> shared)
    : stream_(std::move(socket)), shared_(std::move(shared)), peer_(name_of(stream_.socket())) {
  ++shared_->open;
}

HttpConnection::~HttpConnection() { --shared_->open; }

void HttpConnection::start() {
  beast::error_code ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->wait_for_request(); });
}

void HttpConnection::refuse_for_now() {
  ++shared_->refused;
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    const std::string what =
        fmt::format("server: has {} connections, the most at once; try again later",
                    self->shared_->options.max_connections);
    self->refuse(503, what, refusal::kBusy, true);
  });
}

void HttpConnection::close_if_idle() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (self->is_idle_) self->close();
  });
}

void HttpConnection::wait_for_request() {
  body_.clear();
  body_size_ = 0;
  held_ = HeldMemory(shared_->budget);
  if (buffer_.size() > 0) return read_header();
  if (shared_->is_draining) return close();
  is_idle_ = true;
  buffer_.shrink_to_fit();
  stream_.expires_after(shared_->options.idle_timeout);
  stream_.async_read_some(buffer_.prepare(kFirstRead), then(&HttpConnection::on_first_byte));
}

void HttpConnection::on_first_byte(ErrorCode error, size_t count) {
  is_idle_ = false;
  if (error) return close();
  buffer_.commit(count);
  read_header();
}

void HttpConnection::read_header() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(shared_->options.header_bytes));
  parser_->body_limit(static_cast<uint64_t>(shared_->options.body_bytes));
  stream_.expires_after(shared_->options.header_timeout);
  http::async_read_header(stream_, buffer_, *parser_, then(&HttpConnection::on_header));
}

void HttpConnection::on_header(ErrorCode error, size_t) {
  if (!error) return take_header();
  keep_alive_ = false;
  if (error == http::error::header_limit)
    return refuse(431, "request: its header is too long, must be shorter", refusal::kTooLarge,
                  false);
  if (error == http::error::body_limit)
    return refuse(413, "request: its body is too long, must be shorter", refusal::kTooLarge, false);
  if (is_garbage(error))
    return refuse(400, "request: is not HTTP/1.1: " + error.message(), refusal::kMalformed, false);
  close();
}

void HttpConnection::take_header() {
  const auto& message = parser_->get();
  keep_alive_ = message.keep_alive();
  const auto encoding = message.find(http::field::content_encoding);
  if (encoding != message.end() && !beast::iequals(encoding->value(), "identity")) {
    keep_alive_ = false;
    return refuse(415, "request: its body is compressed, must be plain", refusal::kUnsupported,
                  false);
  }
  stream_.expires_after(shared_->options.body_timeout);
  if (beast::iequals(message[http::field::expect], "100-continue")) return send_continue();
  read_body();
}

void HttpConnection::send_continue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(kContinue),
                    [self = shared_from_this()](ErrorCode error, size_t) {
                      if (error) return self->close();
                      self->read_body();
                    });
}

// The next chunk of a body, which grows as it comes, whatever its length is said to be.
void HttpConnection::read_body() {
  if (parser_->is_done()) return answer();
  const auto left = parser_->content_length_remaining();
  const size_t chunk = std::min<size_t>(kChunk, left ? std::max<uint64_t>(*left, 1) : kChunk);
  if (!held_.take(static_cast<int64_t>(chunk))) {
    keep_alive_ = false;
    return refuse(503, held_.refusal().message, refusal::kBusy, true);
  }
  body_.resize(body_size_ + chunk);
  auto& body = parser_->get().body();
  body.data = body_.data() + body_size_;
  body.size = chunk;
  body.more = true;
  http::async_read(stream_, buffer_, *parser_, then(&HttpConnection::on_body));
}

void HttpConnection::take_body(ErrorCode error) {
  body_size_ = body_.size() - parser_->get().body().size;
  if (!error || error == http::error::need_buffer) return read_body();
  keep_alive_ = false;
  if (error == http::error::body_limit)
    return refuse(413, "request: its body is too long, must be shorter", refusal::kTooLarge, false);
  if (is_garbage(error))
    return refuse(400, "request: is not HTTP/1.1: " + error.message(), refusal::kMalformed, false);
  close();
}

void HttpConnection::answer() {
  body_.resize(body_size_);
  const auto& message = parser_->get();
  auto request = std::make_shared<HttpRequest>();
  request->method = message.method_string().to_string();
  request->target = message.target().to_string();
  request->body = std::move(body_);
  request->peer = peer_;
  const auto length = message.find("Inference-Header-Content-Length");
  if (length != message.end()) request->inference_header_length = length->value().to_string();
  ++shared_->requests;
  stream_.expires_never();
  is_answering_ = true;
  const uint64_t number = ++number_;
  const auto send = [self = shared_from_this(), number](MakeReply make) {
    asio::post(self->stream_.get_executor(),
               [self, number, make = std::move(make)] { self->reply(number, make); });
  };
  const Status handled = guarded("server", [&]() -> Status {
    running_ = shared_->handler(std::move(request), send);
    return {};
  });
  if (!handled) return refuse(503, handled.error().message, handled.error().type, true);
  watch_for_hang_up();
}

// A client that closes its side has gone, or will not read: as Go's and other servers take it.
void HttpConnection::watch_for_hang_up() {
  if (!is_answering_) return;
  stream_.socket().async_wait(asio::ip::tcp::socket::wait_read,
                              [self = shared_from_this(), number = number_](ErrorCode error) {
                                if (error || !self->is_answering_ || self->number_ != number)
                                  return;
                                char byte;
                                const ssize_t got = ::recv(self->stream_.socket().native_handle(),
                                                           &byte, 1, MSG_PEEK | MSG_DONTWAIT);
                                if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
                                  return;  // the next request
                                if (self->running_) self->running_->cancel();
                                self->close();
                              });
}

void HttpConnection::reply(uint64_t number, const MakeReply& make) {
  if (!is_answering_ || number != number_) return;
  Expected<HttpReply> made = guarded("server", [&]() -> Expected<HttpReply> { return make(); });
  if (!made) return refuse(503, made.error().message, made.error().type, true);
  write(made.take());
}

void HttpConnection::refuse(int status, const std::string& what, std::string_view type,
                            bool may_retry) {
  HttpReply reply = error_reply(status, what, type);
  if (may_retry) reply.headers.emplace_back("Retry-After", "1");
  write(std::move(reply));
}

void HttpConnection::write(HttpReply reply) {
  is_answering_ = false;
  keep_alive_ = keep_alive_ && !shared_->is_draining;
  response_.emplace();
  response_->version(11);
  response_->result(static_cast<unsigned>(reply.status));
  response_->set(http::field::content_type, reply.content_type);
  for (const auto& [name, value] : reply.headers) response_->set(name, value);
  response_->body() = std::move(reply.body);
  response_->keep_alive(keep_alive_);
  response_->prepare_payload();
  stream_.expires_after(shared_->options.write_timeout);
  http::async_write(stream_, *response_, then(&HttpConnection::on_written));
}

void HttpConnection::after_write(ErrorCode error) {
  running_.reset();
  response_.reset();
  if (error) return close();
  if (keep_alive_) return wait_for_request();
  linger();
}

// A client that still sends would lose the reply if its bytes met a closed socket.
void HttpConnection::linger() {
  ErrorCode ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.expires_after(kLinger);
  stream_.async_read_some(asio::buffer(scratch_), then(&HttpConnection::on_lingered));
}

void HttpConnection::on_lingered(ErrorCode error, size_t count) {
  lingered_ += count;
  if (error || lingered_ > kMostLingered) return close();
  stream_.async_read_some(asio::buffer(scratch_), then(&HttpConnection::on_lingered));
}

void HttpConnection::close() {
  is_answering_ = is_idle_ = false;
  running_.reset();
  ErrorCode ignored;
  stream_.socket().close(ignored);
}

}  // namespace tessera::server
