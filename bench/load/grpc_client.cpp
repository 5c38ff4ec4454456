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
    stub_ = inference::GRPCInferenceService::NewStub(grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), arguments));
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

 private:
  std::string model_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
};

}  // namespace

Expected<std::unique_ptr<CallClient>> grpc_client(int port, const std::string& model) {
  return std::unique_ptr<CallClient>(std::make_unique<GrpcClient>(port, model));
}

}  // namespace tessera::load
