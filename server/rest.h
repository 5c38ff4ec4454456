// SPDX-License-Identifier: Apache-2.0
// The REST form of the Open Inference Protocol, with Triton's extensions for binary tensors,
// statistics, scheduling and the repository (docs/serving.md).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/access_log.h"
#include "server/http.h"
#include "server/infer_json.h"
#include "server/model_control.h"
#include "server/model_hub.h"

namespace tessera::server {

inline constexpr const char* kServerName = "tessera";

// The extensions that both protocols say they have.
std::vector<std::string> protocol_extensions(bool has_control);

struct RestParts {
  std::shared_ptr<ModelHub> hub;
  std::shared_ptr<ModelControl> control;  // load and unload; null: refused
  std::shared_ptr<AccessLog> log;         // null: none
  std::function<std::string()> metrics;   // the text of /metrics
  std::string version;                    // of this program
  JsonLimits limits;
};

// For HttpServer::start.
HttpHandler rest_handler(RestParts parts);

}  // namespace tessera::server
