// SPDX-License-Identifier: Apache-2.0
#include "server/grpc_server.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <mutex>

#include "inference.grpc.pb.h"
#include "server/grpc_infer.h"
#include "server/rest.h"
#include "support/guard.h"

namespace tessera::server {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;

void fill(
    const std::vector<TensorFacts>& tensors,
    google::protobuf::RepeatedPtrField<inference::ModelMetadataResponse::TensorMetadata>* out) {
  for (const TensorFacts& tensor : tensors) {
    auto& item = *out->Add();
    item.set_name(tensor.name);
    item.set_datatype(std::string(to_string(tensor.type)));
    for (const int64_t size : tensor.shape) item.add_shape(size);
  }
}

void fill(const CountedTime& time, inference::StatisticDuration* out) {
  out->set_count(time.count);
  out->set_ns(time.ns);
}

void fill(const ServedModel& model, inference::ModelStatistics* out) {
  const ModelStatistics now = model.statistics();
  out->set_name(model.facts().name);
  out->set_version(model.facts().version);
  out->set_last_inference(static_cast<uint64_t>(now.last_inference_ms));
  out->set_inference_count(now.inferences);
  out->set_execution_count(now.executions);
  auto& all = *out->mutable_inference_stats();
  fill(now.success, all.mutable_success());
  fill(now.fail, all.mutable_fail());
  fill(now.queue, all.mutable_queue());
  fill(now.compute_input, all.mutable_compute_input());
  fill(now.compute_infer, all.mutable_compute_infer());
  fill(now.compute_output, all.mutable_compute_output());
  for (const auto& [size, times] : now.by_batch) {
    auto& batch = *out->add_batch_stats();
    batch.set_batch_size(static_cast<uint64_t>(size));
    fill(times.compute_input, batch.mutable_compute_input());
    fill(times.compute_infer, batch.mutable_compute_infer());
  }
}

google::protobuf::LogHandler* log_before = nullptr;

// Its caller is told of a string that is not UTF-8. A line for each would flood the log.
void log_without_callers(google::protobuf::LogLevel level, const char* file, int line,
                         const std::string& message) {
  const bool is_callers = level == google::protobuf::LOGLEVEL_ERROR &&
                          message.find("invalid UTF-8 data when parsing") != std::string::npos;
  if (!is_callers && log_before != nullptr) log_before(level, file, line, message);
}

void keep_callers_out_of_the_log() {
  static std::once_flag once;
  std::call_once(once, [] { log_before = google::protobuf::SetLogHandler(log_without_callers); });
}

Reactor* finished(Context* context, const grpc::Status& status) {
  Reactor* const reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

class Refused final : public grpc::ServerBidiReactor<inference::ModelInferRequest,
                                                     inference::ModelStreamInferResponse> {
 public:
  Refused() {
    Finish({grpc::StatusCode::UNIMPLEMENTED,
            "ModelStreamInfer: streaming is not there, must be asked for by ModelInfer"});
  }
  void OnDone() override { delete this; }
};

// ModelInfer comes as bytes, which are looked at before protobuf makes a message of them.
using Base = inference::GRPCInferenceService::WithRawCallbackMethod_ModelInfer<
    inference::GRPCInferenceService::CallbackService>;

class Service final : public Base {
 public:
  explicit Service(GrpcParts parts) : parts_(std::make_shared<const GrpcParts>(std::move(parts))) {}

  Reactor* ServerLive(Context* context, const inference::ServerLiveRequest*,
                      inference::ServerLiveResponse* response) override {
    response->set_live(true);
    return finished(context, grpc::Status::OK);
  }

  Reactor* ServerReady(Context* context, const inference::ServerReadyRequest*,
                       inference::ServerReadyResponse* response) override {
    response->set_ready(parts_->hub->is_ready());
    return finished(context, grpc::Status::OK);
  }

  Reactor* ModelReady(Context* context, const inference::ModelReadyRequest* request,
                      inference::ModelReadyResponse* response) override {
    const bool is_there = parts_->hub->find(request->name(), request->version()).ok();
    response->set_ready(is_there && parts_->hub->is_ready());
    return finished(context, grpc::Status::OK);
  }

  Reactor* ServerMetadata(Context* context, const inference::ServerMetadataRequest*,
                          inference::ServerMetadataResponse* response) override {
    response->set_name(kServerName);
    response->set_version(parts_->version);
    for (const std::string& name : protocol_extensions(parts_->control != nullptr))
      response->add_extensions(name);
    return finished(context, grpc::Status::OK);
  }

  Reactor* ModelMetadata(Context* context, const inference::ModelMetadataRequest* request,
                         inference::ModelMetadataResponse* response) override {
    const auto model = parts_->hub->find(request->name(), request->version());
    if (!model) return finished(context, grpc_status(model.error()));
    const ModelFacts& facts = (*model)->facts();
    response->set_name(facts.name);
    response->add_versions(facts.version);
    response->set_platform(facts.platform);
    fill(facts.inputs, response->mutable_inputs());
    fill(facts.outputs, response->mutable_outputs());
    return finished(context, grpc::Status::OK);
  }

  Reactor* ModelInfer(Context* context, const grpc::ByteBuffer* request,
                      grpc::ByteBuffer* response) override {
    return start_infer(parts_, context, request, response);
  }

  grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
  ModelStreamInfer(Context*) override {
    return new Refused;
  }

  Reactor* ModelStatistics(Context* context, const inference::ModelStatisticsRequest* request,
                           inference::ModelStatisticsResponse* response) override {
    if (request->name().empty()) {
      for (const auto& model : parts_->hub->all()) fill(*model, response->add_model_stats());
      return finished(context, grpc::Status::OK);
    }
    const auto model = parts_->hub->find(request->name(), request->version());
    if (!model) return finished(context, grpc_status(model.error()));
    fill(**model, response->add_model_stats());
    return finished(context, grpc::Status::OK);
  }

  Reactor* RepositoryIndex(Context* context, const inference::RepositoryIndexRequest* request,
                           inference::RepositoryIndexResponse* response) override {
    for (const ModelControl::Entry& entry : repository_index(*parts_->hub, parts_->control.get())) {
      if (request->ready() && entry.state != "READY") continue;
      auto& item = *response->add_models();
      item.set_name(entry.name);
      item.set_version(entry.version);
      item.set_state(entry.state);
      item.set_reason(entry.reason);
    }
    return finished(context, grpc::Status::OK);
  }

  Reactor* RepositoryModelLoad(Context* context,
                               const inference::RepositoryModelLoadRequest* request,
                               inference::RepositoryModelLoadResponse*) override {
    if (!parts_->control) return finished(context, grpc_status(no_control()));
    Reactor* const reactor = context->DefaultReactor();
    parts_->control->load(request->model_name(), finish(reactor));
    return reactor;
  }

  Reactor* RepositoryModelUnload(Context* context,
                                 const inference::RepositoryModelUnloadRequest* request,
                                 inference::RepositoryModelUnloadResponse*) override {
    if (!parts_->control) return finished(context, grpc_status(no_control()));
    Reactor* const reactor = context->DefaultReactor();
    parts_->control->unload(request->model_name(), finish(reactor));
    return reactor;
  }

 private:
  static ModelControl::Done finish(Reactor* reactor) {
    return [reactor](const Status& status) {
      reactor->Finish(status ? grpc::Status::OK : grpc_status(status.error()));
    };
  }

  const std::shared_ptr<const GrpcParts> parts_;
};

}  // namespace

struct GrpcServer::Impl {
  std::unique_ptr<Service> service;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

GrpcServer::GrpcServer() : impl_(std::make_unique<Impl>()) {}
GrpcServer::~GrpcServer() { drain(std::chrono::milliseconds(0)); }

Expected<std::unique_ptr<GrpcServer>> GrpcServer::start(const GrpcOptions& options,
                                                        GrpcParts parts) {
  return guarded("grpc", [&]() -> Expected<std::unique_ptr<GrpcServer>> {
    keep_callers_out_of_the_log();
    std::unique_ptr<GrpcServer> out(new GrpcServer);
    Impl& impl = *out->impl_;
    impl.service = std::make_unique<Service>(std::move(parts));
    const bool is_v6 = options.host.find(':') != std::string::npos;
    const std::string address =
        fmt::format(fmt::runtime(is_v6 ? "[{}]:{}" : "{}:{}"), options.host, options.port);
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &impl.port);
    builder.RegisterService(impl.service.get());
    builder.SetMaxReceiveMessageSize(static_cast<int>(
        std::min<int64_t>(options.message_bytes, std::numeric_limits<int>::max())));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.most_streams);
    // A peer that went without a word is found out, and one that pings without end is cut.
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16 << 10);
    impl.server = builder.BuildAndStart();
    if (!impl.server || impl.port == 0)
      return Error{fmt::format("grpc: {} port {}: cannot be had", options.host, options.port)};
    return out;
  });
}

int GrpcServer::port() const { return impl_->port; }

void GrpcServer::drain(std::chrono::milliseconds patience) {
  if (!impl_->server) return;
  impl_->server->Shutdown(std::chrono::system_clock::now() + patience);
  impl_->server->Wait();
  impl_->server.reset();
}

}  // namespace tessera::server
