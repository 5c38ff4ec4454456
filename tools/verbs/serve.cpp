// SPDX-License-Identifier: Apache-2.0
// tessera serve: models over the network.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "server/server.h"
#include "tools/flags/flags.h"
#include "tools/flags/runner_flags.h"
#include "tools/flags/server_help.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/print.h"
#include "tools/verbs/session_flags.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

// A server always strips padding and runs batches at the start, and reads no records.
bool is_serve_flag(const RunnerOptionRow& row) {
  for (const char* name : {"max_records", "strip_padding", "keep_order", "warm_up"})
    if (row.name == name) return false;
  return true;
}

po::options_description serve_flags() {
  const server::ServerOptions usual;
  const auto number = [](int64_t value) { return po::value<int64_t>()->default_value(value); };
  const auto milliseconds = [&](std::chrono::milliseconds time) { return number(time.count()); };
  po::options_description flags("Serving");
  flags.add_options()(
      "models", po::value<Words>()->multitoken()->composing(),
      "NAME=MODEL.popef …: what is served, and under which name; of NAME=MODEL.onnx, calls are "
      "batches of a session, which compiles new shapes as --on_recompile says")(
      "model_folder", po::value<std::string>()->default_value(""),
      "serve the newest VERSION of each NAME/VERSION/model.popef or model.onnx in this folder")(
      "poll_seconds", number(0), "look at the folder again so often; 0: never")(
      "allow_model_control", po::bool_switch(), "let callers load and unload models of the folder")(
      "host", po::value<std::string>()->default_value(usual.http.host), kHostHelp)(
      "http_port", number(usual.http.port), "for REST; 0: any that is free")(
      "grpc_port", number(server::GrpcOptions().port), "for gRPC; 0: any that is free; -1: none")(
      "http_threads", number(usual.http.threads), "threads for all connections of REST")(
      "access_log", po::value<std::string>()->default_value(""),
      "append a line of JSON a call to this file; -: to standard output")(
      "drain_seconds", number(usual.drain.count() / 1000), kDrainHelp);
  po::options_description limits("Limits of callers");
  limits.add_options()("max_connections", number(usual.http.max_connections),
                       "connections at a time")("max_header_bytes", number(usual.http.header_bytes),
                                                "of a request's head")(
      "max_body_bytes", number(usual.http.body_bytes), "of a request's body, or gRPC's message")(
      "max_memory_bytes", number(usual.memory), "of all bodies and answers on their way")(
      "idle_milliseconds", milliseconds(usual.http.idle_timeout),
      "from one request of a connection to the next")(
      "header_milliseconds", milliseconds(usual.http.header_timeout), "for a request's head")(
      "body_milliseconds", milliseconds(usual.http.body_timeout), "for a request's body")(
      "write_milliseconds", milliseconds(usual.http.write_timeout), "for a client to take a reply");
  flags.add(limits);
  po::options_description packing("Packing");
  add_runner_flags(packing, is_serve_flag);
  flags.add(packing).add(session_flags()).add(compile_flags());
  flags.add(machine_flags()).add(signature_flags()).add(limit_flags());
  return flags;
}

Expected<std::chrono::milliseconds> milliseconds_of(const po::variables_map& flags,
                                                    const char* name) {
  constexpr int64_t kMost = int64_t{24} * 3600 * 1000;
  return std::chrono::milliseconds(TRY(number_flag(flags, name, 1, kMost)));
}

Status set_http_options(const po::variables_map& flags, server::HttpOptions& http) {
  http.host = flags["host"].as<std::string>();
  http.port = static_cast<int>(TRY(number_flag(flags, "http_port", 0, 65535)));
  http.threads = static_cast<int>(TRY(number_flag(flags, "http_threads", 1, 256)));
  http.max_connections = TRY(number_flag(flags, "max_connections", 1, 1 << 20));
  http.header_bytes = TRY(number_flag(flags, "max_header_bytes", 256, 1 << 20));
  http.body_bytes = TRY(number_flag(flags, "max_body_bytes", 1, int64_t{1} << 40));
  http.idle_timeout = TRY(milliseconds_of(flags, "idle_milliseconds"));
  http.header_timeout = TRY(milliseconds_of(flags, "header_milliseconds"));
  http.body_timeout = TRY(milliseconds_of(flags, "body_milliseconds"));
  http.write_timeout = TRY(milliseconds_of(flags, "write_milliseconds"));
  return {};
}

void say_loaded(const server::ModelControl::Entry& model) {
  if (model.reason.empty()) {
    print("serving {} version {}\n", model.name, model.version);
    (void)output_error();  // flushed
  } else {
    print_error("tessera: warning: {} version {} is not served: {}\n", model.name, model.version,
                model.reason);
  }
}

Status set_models(const po::variables_map& flags, server::ServerOptions& options) {
  const Words words = flags.count("models") ? flags["models"].as<Words>() : Words();
  for (const std::string& word : words)
    options.models.push_back(TRY(server::parse_named_file(word)));
  options.folder.path = flags["model_folder"].as<std::string>();
  options.folder.poll = std::chrono::seconds(TRY(number_flag(flags, "poll_seconds", 0, 86400)));
  options.folder.on_load = say_loaded;
  options.allow_control = flags["allow_model_control"].as<bool>();
  const bool has_folder = !options.folder.path.empty();
  const bool has_onnx = std::ranges::any_of(
      options.models, [](const auto& model) { return model.path.ends_with(".onnx"); });
  if (!has_folder && !has_onnx) TRY(check_no_session_flags(flags));
  if (!flags["metrics"].defaulted())
    return Error{"--metrics: is for runs that end, must be left out: GET /metrics has them",
                 ErrorKind::Usage};
  if (words.empty() && !has_folder)
    return Error{"serve: no model, must be at least one NAME=MODEL.popef or a --model_folder",
                 ErrorKind::Usage};
  if (!has_folder && (options.allow_control || options.folder.poll.count() > 0))
    return Error{
        "serve: --allow_model_control and --poll_seconds are for a --model_folder, must be "
        "left out without one",
        ErrorKind::Usage};
  return {};
}

// New shapes come from callers: they are padded where that is possible, and compiled only so often.
Status set_session(const po::variables_map& flags, SessionOptions& session) {
  constexpr int64_t kMostRecompiles = 16;
  session = TRY(session_options(flags));
  session.compile = TRY(compile_options(flags));
  if (flags["on_recompile"].defaulted()) session.on_recompile = OnRecompile::Pad;
  if (flags["recompile_limit"].defaulted()) session.recompile_limit = kMostRecompiles;
  if (session.warm_up.empty() && !session.compile.input_shape.empty())
    session.warm_up.push_back(session.compile.input_shape);
  session.compile.input_shape.clear();
  return {};
}

Expected<server::ServerOptions> server_options(const po::variables_map& flags) {
  server::ServerOptions options;
  options.version = TESSERA_VERSION;
  TRY(set_models(flags, options));
  TRY(set_http_options(flags, options.http));
  const int64_t port = TRY(number_flag(flags, "grpc_port", -1, 65535));
  options.grpc.reset();
  if (port >= 0)
    options.grpc = server::GrpcOptions{.host = options.http.host,
                                       .port = static_cast<int>(port),
                                       .message_bytes = options.http.body_bytes};
  options.memory = TRY(number_flag(flags, "max_memory_bytes", 1, int64_t{1} << 40));
  options.access_log = flags["access_log"].as<std::string>();
  options.drain = std::chrono::seconds(TRY(number_flag(flags, "drain_seconds", 0, 3600)));
  options.machine = TRY(machine_options(flags));
  options.machine.require_signature = TRY(required_key(flags));
  options.runner.runner.warm_up = true;
  TRY(set_runner_options(flags, options.runner));
  TRY(set_session(flags, options.session));
  return options;
}

// As many descriptors as the system lets us have: a connection is one.
void raise_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

Status do_serve(const po::variables_map& flags) {
  const server::ServerOptions options = TRY(server_options(flags));
  raise_descriptors();
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);  // of the threads that are started from here on too
  const std::unique_ptr<server::Server> server = TRY(server::Server::start(options));
  for (const server::NamedFile& model : options.models) print("serving {} version 1\n", model.name);
  if (server->hub().all().empty())
    print_error("tessera: warning: {}: no model of this folder is served yet\n",
                options.folder.path);
  print("listening at {} port {} (REST)\n", options.http.host, server->http_port());
  if (options.grpc)
    print("listening at {} port {} (gRPC)\n", options.http.host, server->grpc_port());
  (void)output_error();  // flushed: a caller may wait for this line
  int signal = 0;
  while (sigwait(&stops, &signal) == EINTR) continue;
  print("stopping\n");
  if (server->stop()) return {};
  return Error{fmt::format("serve: {} seconds were not enough for what was on its way",
                           options.drain.count() / 1000),
               ErrorKind::Refused};
}

}  // namespace

Verb serve_verb() {
  return {"serve executables over REST and gRPC",
          "NAME=MODEL.popef … [FLAGS] | --model_folder FOLDER [FLAGS]",
          "tessera serve bert=bert.popef --http_port 8000 --timeout_microseconds 5000\n"
          "  curl -s localhost:8000/v2/models/bert/infer -d '{\"inputs\":[{\"name\":\"input_ids\","
          "\"datatype\":\"INT64\",\"shape\":[1,3],\"data\":[101,2054,102]}]}'",
          serve_flags,
          "models",
          do_serve};
}

}  // namespace tessera::tools
