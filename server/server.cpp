// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/access_log.h"
#include "server/http_server.h"
#include "server/metrics_page.h"
#include "server/rest.h"
#include "support/guard.h"

namespace tessera::server {

// Members go in the reverse order: connections before the log that their replies write to.
struct Server::Impl {
  ServerOptions options;
  std::shared_ptr<MemoryBudget> budget;
  std::shared_ptr<AccessLog> log;
  std::shared_ptr<ModelHub> hub;
  std::shared_ptr<ModelFolder> folder;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<GrpcServer> grpc;
  bool is_stopped = false, was_clean = true;

  Status start();
  ServerCounts counts() const;
};

ServerCounts Server::Impl::counts() const {
  ServerCounts counts;
  if (http) {
    const HttpCounts of_http = http->counts();
    counts = {of_http.open, of_http.requests, of_http.refused_connections};
  }
  counts.held_bytes = budget->held();
  if (log) counts.lost_log_lines = log->dropped();
  return counts;
}

Status Server::Impl::start() {
  budget = std::make_shared<MemoryBudget>(options.memory);
  hub = TRY(ModelHub::create());
  if (!options.access_log.empty()) log = TRY(AccessLog::open(options.access_log));
  const LoadOptions load{options.machine, options.runner, options.session, budget};
  for (const NamedFile& model : options.models)
    hub->add(TRY(load_model(model.name, "1", model.path, load)));
  if (!options.folder.path.empty()) folder = TRY(ModelFolder::open(options.folder, load, hub));
  const std::shared_ptr<ModelControl> control = options.allow_control ? folder : nullptr;
  RestParts parts;
  parts.control = control;
  parts.hub = hub;
  parts.log = log;
  parts.version = options.version;
  parts.metrics = [this] { return metrics_page(*hub, counts()); };
  http = TRY(HttpServer::start(options.http, rest_handler(std::move(parts)), budget));
  if (options.grpc) {
    GrpcParts same;
    same.hub = hub;
    same.control = control;
    same.log = log;
    same.budget = budget;
    same.version = options.version;
    grpc = TRY(GrpcServer::start(*options.grpc, std::move(same)));
  }
  hub->set_ready(true);
  return {};
}

Expected<NamedFile> parse_named_file(const std::string& word) {
  const size_t equals = word.find('=');
  if (equals != std::string::npos && equals + 1 < word.size() &&
      is_model_name(word.substr(0, equals)))
    return NamedFile{word.substr(0, equals), word.substr(equals + 1)};
  return Error{
      fmt::format("model: '{}', must be NAME=MODEL.popef, a name of {}", word, kModelNameRule),
      ErrorKind::Usage};
}

Server::Server() : impl_(std::make_unique<Impl>()) {}
Server::~Server() { stop(); }

Expected<std::unique_ptr<Server>> Server::start(const ServerOptions& options) {
  return guarded("server", [&]() -> Expected<std::unique_ptr<Server>> {
    std::unique_ptr<Server> server(new Server);
    server->impl_->options = options;
    TRY(server->impl_->start());
    return server;
  });
}

int Server::http_port() const { return impl_->http->port(); }
int Server::grpc_port() const { return impl_->grpc ? impl_->grpc->port() : 0; }
ModelHub& Server::hub() { return *impl_->hub; }

// Answers that models still owe are sent first, through the connections that are cut then.
bool Server::stop() {
  if (impl_->is_stopped) return impl_->was_clean;
  impl_->is_stopped = true;
  if (impl_->hub) impl_->hub->set_ready(false);
  if (impl_->folder) impl_->folder->stop();
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + impl_->options.drain;
  if (impl_->http) impl_->was_clean = impl_->http->drain(impl_->options.drain);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
  if (impl_->grpc) impl_->grpc->drain(std::max(left, std::chrono::milliseconds(0)));
  if (impl_->hub) impl_->hub->close();
  impl_->grpc.reset();
  impl_->http.reset();
  return impl_->was_clean;
}

}  // namespace tessera::server
