// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <fmt/format.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "server/http_connection.h"
#include "support/guard.h"

namespace tessera::server {
namespace asio = boost::asio;
using asio::ip::tcp;

struct HttpServer::Impl {
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  asio::strand<asio::io_context::executor_type> strand = asio::make_strand(io);  // of the acceptor
  tcp::acceptor acceptor{strand};
  asio::steady_timer pause{strand};
  std::shared_ptr<HttpShared> shared = std::make_shared<HttpShared>();
  std::vector<std::thread> threads;
  int port = 0;
  std::mutex mutex;
  std::unordered_map<HttpConnection*, std::weak_ptr<HttpConnection>> connections;
  size_t sweep_at = 1024;

  Status listen();
  void accept();
  void take(tcp::socket socket);
  void remember(const std::shared_ptr<HttpConnection>& connection);
  void close_idle();
  void stop();
};

Status HttpServer::Impl::listen() {
  const HttpOptions& options = shared->options;
  boost::system::error_code error;
  const auto failed = [&](const char* what) {
    return Error{
        fmt::format("http: {} port {}: {}: {}", options.host, options.port, what, error.message())};
  };
  const auto address = asio::ip::make_address(options.host, error);
  if (error) {
    return Error{fmt::format("--host: '{}', must be an IPv4 or IPv6 address", options.host),
                 ErrorKind::Usage};
  }
  const tcp::endpoint endpoint(address, static_cast<unsigned short>(options.port));
  acceptor.open(endpoint.protocol(), error);
  if (error) return failed("cannot be opened");
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  acceptor.bind(endpoint, error);
  if (error) return failed("cannot be had");
  acceptor.listen(4096, error);
  if (error) return failed("cannot be listened at");
  port = acceptor.local_endpoint(error).port();
  asio::post(strand, [this] { accept(); });
  return {};
}

void HttpServer::Impl::accept() {
  acceptor.async_accept(asio::make_strand(io),
                        [this](boost::system::error_code error, tcp::socket socket) {
                          if (error == asio::error::operation_aborted || !acceptor.is_open())
                            return;
                          if (!error) {
                            (void)guarded("http", [&]() -> Status {
                              take(std::move(socket));
                              return {};
                            });
                            return accept();
                          }
                          // No descriptor or no memory is left: those that are held will come back.
                          pause.expires_after(std::chrono::milliseconds(50));
                          pause.async_wait([this](boost::system::error_code stopped) {
                            if (!stopped) accept();
                          });
                        });
}

void HttpServer::Impl::take(tcp::socket socket) {
  const auto connection = std::make_shared<HttpConnection>(std::move(socket), shared);
  if (shared->open > shared->options.max_connections) return connection->refuse_for_now();
  remember(connection);
  connection->start();
}

// Connections that have gone are dropped now and then.
void HttpServer::Impl::remember(const std::shared_ptr<HttpConnection>& connection) {
  const std::lock_guard lock(mutex);
  connections[connection.get()] = connection;
  if (connections.size() < sweep_at) return;
  std::erase_if(connections, [](const auto& entry) { return entry.second.expired(); });
  sweep_at = std::max<size_t>(1024, 2 * connections.size());
}

void HttpServer::Impl::close_idle() {
  const std::lock_guard lock(mutex);
  for (const auto& [address, weak] : connections)
    if (const auto connection = weak.lock()) connection->close_if_idle();
}

void HttpServer::Impl::stop() {
  work.reset();
  io.stop();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

HttpServer::HttpServer() : impl_(std::make_unique<Impl>()) {}
HttpServer::~HttpServer() { impl_->stop(); }

Expected<std::unique_ptr<HttpServer>> HttpServer::start(const HttpOptions& options,
                                                        HttpHandler handler,
                                                        std::shared_ptr<MemoryBudget> budget) {
  return guarded("http", [&]() -> Expected<std::unique_ptr<HttpServer>> {
    std::unique_ptr<HttpServer> server(new HttpServer);
    Impl& impl = *server->impl_;
    impl.shared->options = options;
    impl.shared->handler = std::move(handler);
    impl.shared->budget = std::move(budget);
    TRY(impl.listen());
    for (int i = 0; i < std::max(1, options.threads); ++i) {
      impl.threads.push_back(TRY(start_thread("http", [&io = impl.io] {
        const auto run = [&]() -> Status {
          io.run();
          return {};
        };
        while (!guarded("http", run).ok()) continue;  // what a handler threw ends its connection
      })));
    }
    return server;
  });
}

int HttpServer::port() const { return impl_->port; }

HttpCounts HttpServer::counts() const {
  const HttpShared& shared = *impl_->shared;
  return {shared.open, shared.requests, shared.refused};
}

bool HttpServer::drain(std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  impl_->shared->is_draining = true;
  asio::post(impl_->strand, [this] {
    boost::system::error_code ignored;
    impl_->acceptor.close(ignored);
    impl_->pause.cancel();
  });
  const Clock::time_point end = Clock::now() + patience;
  constexpr auto kLook = std::chrono::milliseconds(10);
  for (;;) {
    impl_->close_idle();
    if (impl_->shared->open == 0) return true;
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace tessera::server
