// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 over Boost.Beast: a few threads for all connections, none of which waits for one of
// them, so a client that is slow, or says nothing, holds a descriptor and some kilobytes until its
// time is over. No claim of a client is believed: memory follows the bytes that have come.
#pragma once

#include <memory>

#include "server/http.h"
#include "server/memory_budget.h"
#include "support/expected.h"

namespace tessera::server {

struct HttpCounts {
  int64_t open = 0;  // connections now
  int64_t requests = 0, refused_connections = 0;
};

// Thread-safe.
class HttpServer {
 public:
  // Listens from now on. Errors: an address that cannot be had.
  static Expected<std::unique_ptr<HttpServer>> start(const HttpOptions& options,
                                                     HttpHandler handler,
                                                     std::shared_ptr<MemoryBudget> budget);
  ~HttpServer();  // closes what is open

  int port() const;
  HttpCounts counts() const;
  // Takes no new connection, closes those between requests and each other one behind its reply, and
  // returns when none is left or the time is over: whether none is.
  bool drain(std::chrono::milliseconds patience);

 private:
  HttpServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera::server
