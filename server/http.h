// SPDX-License-Identifier: Apache-2.0
// HTTP as the rest of the server sees it: a request that has come whole, and a reply.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/call.h"

namespace tessera::server {

struct HttpRequest {
  std::string method, target;  // "POST", "/v2/models/bert/infer"
  std::string body;
  std::optional<std::string> inference_header_length;  // of the binary tensor extension
  std::string peer;                                    // "127.0.0.1:40112", for logs
};

struct HttpReply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// Called once, from any thread; the server calls what it is given on a thread of its own, where a
// large reply holds up no model.
using MakeReply = std::function<HttpReply()>;
using SendReply = std::function<void(MakeReply)>;

// Answers a request, now or later. The call that it returns, if any, is cancelled when the client
// goes away before its reply.
using HttpHandler =
    std::function<std::shared_ptr<RunningCall>(std::shared_ptr<const HttpRequest>, SendReply)>;

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8000;  // 0: any that is free
  int threads = 2;
  int64_t max_connections = 16384;
  int64_t header_bytes = 16 << 10;
  int64_t body_bytes = int64_t{32} << 20;
  std::chrono::milliseconds idle_timeout{75'000};    // between requests
  std::chrono::milliseconds header_timeout{10'000};  // from a request's first byte to its body
  std::chrono::milliseconds body_timeout{60'000};    // all of a body
  std::chrono::milliseconds write_timeout{60'000};   // all of a reply
};

}  // namespace tessera::server
