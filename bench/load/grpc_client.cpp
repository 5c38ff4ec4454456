// SPDX-License-Identifier: Apache-2.0
#include <grpcpp/grpcpp.h>

#include <cstring>

#include "bench/load/clients.h"
#include "inference.grpc.pb.h"

namespace tessera::load {
namespace {

class GrpcClient final : public CallClient {
 public:
  GrpcClient(int port, std::string model) : model_(std::move(model)) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                         grpc::InsecureChannelCredentials(), arguments);
    stub_ = inference::GRPCInferenceService::NewStub(channel_);
  }
  // Where many channels connect at once, gRPC's client says now and then that connect() left an
  // error of a file behind it. It tries again a second later, and calls until then fail.
  bool is_connected() const {
    return channel_->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  }

  Expected<Outcome> infer(const Call& call) override {
    inference::ModelInferRequest request;
    request.set_model_name(model_);
    auto& input = *request.add_inputs();
    input.set_name("input_ids");
    input.set_datatype("INT32");
    input.add_shape(1);
    input.add_shape(static_cast<int64_t>(call.ids.size()));
    request.add_raw_input_contents(call.ids.data(), call.ids.size() * sizeof(int32_t));
    request.add_outputs()->set_name(kAsked);
    if (call.timeout.count() > 0)
      (*request.mutable_parameters())["timeout"].set_int64_param(call.timeout.count());
    grpc::ClientContext context;
    inference::ModelInferResponse response;
    const grpc::Status status = stub_->ModelInfer(&context, request, &response);
    Outcome outcome{static_cast<int>(status.error_code()), {}};
    if (!status.ok() || response.raw_output_contents_size() == 0) return outcome;
    const std::string& bytes = response.raw_output_contents(0);
    outcome.answer.resize(bytes.size() / sizeof(float));
    std::memcpy(outcome.answer.data(), bytes.data(), outcome.answer.size() * sizeof(float));
    return outcome;
  }

  Status ask_if_alive() override {
    grpc::ClientContext context;
    inference::ServerLiveResponse response;
    const grpc::Status status = stub_->ServerLive(&context, {}, &response);
    if (status.ok() && response.live()) return {};
    return Error{"grpc: the server is not alive: " + status.error_message()};
  }

 private:
  std::string model_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
};

}  // namespace

Expected<std::unique_ptr<CallClient>> grpc_client(int port, const std::string& model) {
  auto client = std::make_unique<GrpcClient>(port, model);
  if (!client->is_connected()) return Error{"grpc: no connection within 10 s"};
  return std::unique_ptr<CallClient>(std::move(client));
}

}  // namespace tessera::load
