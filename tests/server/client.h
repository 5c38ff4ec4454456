// SPDX-License-Identifier: Apache-2.0
// A server of echo models, and clients on real sockets that may misbehave.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "server/packed_model.h"
#include "server/server.h"
#include "tests/helpers/echo.h"

namespace tessera::server {

inline constexpr const char* kInfer = "/v2/models/echo/infer";

using std::chrono::milliseconds;

struct Reply {
  int status = 0;                              // 0: the connection ended before a reply had come
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
};

// Blocking; what it waits for comes within ten seconds, or it says that it has not.
class Client {
 public:
  explicit Client(int port);
  ~Client();
  Client(const Client&) = delete;

  bool is_open() const { return socket_ >= 0; }
  bool send(std::string_view bytes);
  Reply receive();
  // True once the server has closed the connection; what comes before is dropped.
  bool is_closed_within(milliseconds time);
  void stop_sending();
  void close();

  Reply get(const std::string& target);
  Reply post(const std::string& target, const std::string& body,
             const std::string& more_headers = "");

 private:
  std::optional<std::string> line();
  bool more();
  int socket_ = -1;
  std::string buffer_;
};

ServerOptions quick_options();
// Serves `echo`, whose answers say which ids they are of (tests/helpers/echo.h).
std::unique_ptr<Server> echo_server(ServerOptions options = quick_options(),
                                    PackingForm form = PackingForm::B);
std::shared_ptr<ServedModel> echo_model(const std::string& version, RunnerOptions runner,
                                        PackingForm form = PackingForm::B);
// A body of one input_ids of a row.
std::string body_of(const std::vector<int32_t>& ids, const nlohmann::json& parameters = {});

}  // namespace tessera::server
