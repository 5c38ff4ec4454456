// SPDX-License-Identifier: Apache-2.0
// A server: its models, and the protocols that they are asked by.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/grpc_server.h"
#include "server/http.h"
#include "server/load_model.h"
#include "server/model_folder.h"
#include "server/model_hub.h"
#include "support/expected.h"

namespace tessera::server {

struct NamedFile {
  std::string name, path;
};

struct ServerOptions {
  std::vector<NamedFile> models;
  ModelFolderOptions folder;   // path "": none
  bool allow_control = false;  // models of the folder are loaded and unloaded on demand
  HttpOptions http;
  std::optional<GrpcOptions> grpc = GrpcOptions();
  MachineOptions machine;
  RunnerOptions runner;
  SessionOptions session;                   // of ONNX models
  int64_t memory = int64_t{1} << 30;        // of bodies and answers on their way
  std::string access_log;                   // a file, "-" for standard output, "" for none
  std::chrono::milliseconds drain{30'000};  // how long a stop waits for what is on its way
  std::string version;                      // of this program
};

// "NAME=MODEL.popef"; a Usage error says what it must be.
Expected<NamedFile> parse_named_file(const std::string& word);

class Server {
 public:
  // Serves once it returns. Errors: a model that is not one, a port that cannot be had.
  static Expected<std::unique_ptr<Server>> start(const ServerOptions& options);
  ~Server();  // stop()

  int http_port() const;
  int grpc_port() const;  // 0: not served
  ModelHub& hub();
  // Says that it is not ready, takes no new connections, answers what was asked, within
  // options.drain, and ends. False: some connections had to be cut.
  bool stop();

 private:
  Server();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera::server
