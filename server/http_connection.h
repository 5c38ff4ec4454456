// SPDX-License-Identifier: Apache-2.0
// One connection of an HttpServer: reads a request, has it answered, writes the reply, and begins
// again. All of it runs on the connection's own strand.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>

#include "server/http.h"
#include "server/memory_budget.h"

namespace tessera::server {

// The connections of a server share this.
struct HttpShared {
  HttpOptions options;
  HttpHandler handler;
  std::shared_ptr<MemoryBudget> budget;
  std::atomic<int64_t> open{0}, requests{0}, refused{0};
  std::atomic<bool> is_draining{false};
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<HttpShared> shared);
  ~HttpConnection();

  void start();
  void refuse_for_now();  // one connection too many: says so and closes
  void close_if_idle();   // from any thread

 private:
  using ErrorCode = boost::beast::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;

  void wait_for_request();
  void read_header();
  void take_header();
  void send_continue();
  void read_body();
  void take_body(ErrorCode error);
  void answer();
  void watch_for_hang_up();
  void reply(uint64_t number, const MakeReply& make);
  void refuse(int status, const std::string& what, std::string_view type, bool may_retry);
  void write(HttpReply reply);
  void after_write(ErrorCode error);
  void linger();
  void close();

  // A step of this object, on its strand, for asynchronous operations.
  template <class Step>
  auto then(Step step) {
    return [self = shared_from_this(), step](ErrorCode error, size_t count) {
      (self.get()->*step)(error, count);
    };
  }
  void on_first_byte(ErrorCode error, size_t count);
  void on_header(ErrorCode error, size_t count);
  void on_body(ErrorCode error, size_t count) { (void)count, take_body(error); }
  void on_written(ErrorCode error, size_t count) { (void)count, after_write(error); }
  void on_lingered(ErrorCode error, size_t count);

  boost::beast::tcp_stream stream_;
  std::shared_ptr<HttpShared> shared_;
  std::string peer_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<Response> response_;
  std::string body_;
  size_t body_size_ = 0;  // of body_, what has come
  HeldMemory held_;
  std::shared_ptr<RunningCall> running_;
  uint64_t number_ = 0;  // of the request; a reply to another is late
  bool is_idle_ = false, is_answering_ = false, keep_alive_ = false;
  size_t lingered_ = 0;
  char scratch_[512];
};

}  // namespace tessera::server
