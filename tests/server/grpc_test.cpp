// SPDX-License-Identifier: Apache-2.0
// The gRPC protocol as its clients see it.
#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <thread>

#include "inference.grpc.pb.h"
#include "server/infer_message.h"
#include "tests/server/client.h"

namespace tessera::server {
namespace {

using grpc::StatusCode;
using inference::ModelInferRequest;
using inference::ModelInferResponse;
using ::testing::HasSubstr;
using ::testing::Not;

ModelInferRequest request_of(const std::vector<int64_t>& ids) {
  ModelInferRequest request;
  request.set_model_name("echo");
  auto& input = *request.add_inputs();
  input.set_name("input_ids");
  input.set_datatype("INT64");
  input.add_shape(1);
  input.add_shape(static_cast<int64_t>(ids.size()));
  request.add_raw_input_contents(ids.data(), ids.size() * sizeof(int64_t));
  return request;
}

class Grpc : public ::testing::Test {
 protected:
  void SetUp() override { serve(quick_options()); }
  void serve(const ServerOptions& options) {
    stub_.reset();
    server_ = echo_server(options);
    const std::string address = "127.0.0.1:" + std::to_string(server_->grpc_port());
    channel_ = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
    stub_ = inference::GRPCInferenceService::NewStub(channel_);
  }
  grpc::Status infer(const ModelInferRequest& request, ModelInferResponse& response,
                     milliseconds deadline = std::chrono::seconds(20)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    const grpc::Status status = stub_->ModelInfer(&context, request, &response);
    const auto& trailing = context.GetServerTrailingMetadata();
    const auto found = trailing.find("retry-after");
    retry_after_ =
        found == trailing.end() ? "" : std::string(found->second.data(), found->second.size());
    return status;
  }
  StatusCode code_of(const ModelInferRequest& request) {
    ModelInferResponse response;
    return infer(request, response).error_code();
  }

  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
  std::string retry_after_;
};

TEST_F(Grpc, a_call_is_answered_in_raw_bytes) {
  ModelInferRequest request = request_of({3, 4});
  request.set_id("seven");
  (*request.mutable_parameters())["explain"].set_bool_param(true);
  (*request.mutable_parameters())["priority"].set_int64_param(2);
  ModelInferResponse response;
  const grpc::Status status = infer(request, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.id(), "seven");
  EXPECT_EQ(response.model_name(), "echo");
  EXPECT_EQ(response.outputs(0).datatype(), "INT32");
  EXPECT_EQ(response.outputs(0).shape(1), 2);
  const std::string& raw = response.raw_output_contents(0);
  EXPECT_EQ(values_of<int32_t>(std::as_bytes(std::span(raw))), echo_of({3, 4}, 1));
  EXPECT_THAT(response.parameters().at("rides").string_param(),
              HasSubstr("\"reason\":\"timeout\""));
}

TEST_F(Grpc, typed_contents_are_taken) {
  ModelInferRequest request = request_of({});
  request.clear_raw_input_contents();
  auto& input = *request.mutable_inputs(0);
  input.set_shape(1, 2);
  for (const int64_t id : {5, 6}) input.mutable_contents()->add_int64_contents(id);
  ModelInferResponse response;
  ASSERT_TRUE(infer(request, response).ok());
  const std::string& raw = response.raw_output_contents(0);
  EXPECT_EQ(values_of<int32_t>(std::as_bytes(std::span(raw))), echo_of({5, 6}, 1));
}

TEST_F(Grpc, the_pages_say_what_the_protocol_asks) {
  grpc::ClientContext live, ready, model, metadata, statistics, index;
  inference::ServerLiveResponse is_live;
  EXPECT_TRUE(stub_->ServerLive(&live, {}, &is_live).ok() && is_live.live());
  inference::ServerReadyResponse is_ready;
  EXPECT_TRUE(stub_->ServerReady(&ready, {}, &is_ready).ok() && is_ready.ready());
  inference::ModelReadyRequest of_model;
  of_model.set_name("echo");
  inference::ModelReadyResponse model_ready;
  EXPECT_TRUE(stub_->ModelReady(&model, of_model, &model_ready).ok() && model_ready.ready());
  inference::ModelMetadataRequest of_metadata;
  of_metadata.set_name("echo");
  inference::ModelMetadataResponse facts;
  ASSERT_TRUE(stub_->ModelMetadata(&metadata, of_metadata, &facts).ok());
  EXPECT_EQ(facts.inputs(0).name(), "input_ids");
  EXPECT_EQ(facts.inputs(0).shape(1), -1);
  ModelInferResponse response;
  ASSERT_TRUE(infer(request_of({1}), response).ok());
  inference::ModelStatisticsResponse counts;
  ASSERT_TRUE(stub_->ModelStatistics(&statistics, {}, &counts).ok());
  EXPECT_EQ(counts.model_stats(0).inference_count(), 1u);
  inference::RepositoryIndexResponse models;
  ASSERT_TRUE(stub_->RepositoryIndex(&index, {}, &models).ok());
  EXPECT_EQ(models.models(0).state(), "READY");
}

TEST_F(Grpc, errors_have_the_codes_of_their_kinds) {
  ModelInferRequest unknown = request_of({1});
  unknown.set_model_name("none");
  EXPECT_EQ(code_of(unknown), StatusCode::NOT_FOUND);
  EXPECT_EQ(code_of(request_of({99999})), StatusCode::INVALID_ARGUMENT);
  ModelInferRequest two = request_of({1});
  two.add_raw_input_contents("x");
  EXPECT_EQ(code_of(two), StatusCode::INVALID_ARGUMENT);
  ModelInferRequest floats = request_of({1});
  floats.mutable_inputs(0)->set_datatype("FP64");
  EXPECT_EQ(code_of(floats), StatusCode::INVALID_ARGUMENT);
  ModelInferRequest words = request_of({1});
  words.clear_raw_input_contents();
  words.mutable_inputs(0)->mutable_contents()->add_bytes_contents("a");
  EXPECT_EQ(code_of(words), StatusCode::INVALID_ARGUMENT);
  ModelInferRequest late = request_of({1});
  (*late.mutable_parameters())["timeout"].set_int64_param(1);
  EXPECT_EQ(code_of(late), StatusCode::DEADLINE_EXCEEDED);
  grpc::ClientContext load;
  inference::RepositoryModelLoadResponse loaded;
  EXPECT_EQ(stub_->RepositoryModelLoad(&load, {}, &loaded).error_code(),
            StatusCode::PERMISSION_DENIED);
}

TEST_F(Grpc, a_stream_is_refused_by_name) {
  grpc::ClientContext context;
  auto stream = stub_->ModelStreamInfer(&context);
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(status.error_message(), HasSubstr("streaming"));
}

TEST_F(Grpc, a_cancelled_call_is_taken_back) {
  ServerOptions options = quick_options();
  options.runner.runner.former.timeout = std::chrono::hours(1);
  serve(options);
  grpc::ClientContext context;
  ModelInferResponse response;
  grpc::Status status;
  std::thread caller([&] { status = stub_->ModelInfer(&context, request_of({1}), &response); });
  const auto model = server_->hub().find("echo", "").take();
  while (model->packing()->admitted == 0) std::this_thread::sleep_for(milliseconds(1));
  context.TryCancel();
  caller.join();
  EXPECT_EQ(status.error_code(), StatusCode::CANCELLED);
  for (int i = 0; i < 1000 && model->packing()->cancelled == 0; ++i)
    std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(model->packing()->cancelled, 1u);
}

TEST_F(Grpc, a_full_queue_is_exhausted_with_a_time_to_come_back) {
  ServerOptions options = quick_options();
  options.runner.runner.former.timeout = std::chrono::hours(1);
  options.runner.runner.former.max_queue = 1;
  serve(options);
  grpc::ClientContext context;
  ModelInferResponse first;
  std::thread caller([&] { (void)stub_->ModelInfer(&context, request_of({1}), &first); });
  const auto model = server_->hub().find("echo", "").take();
  while (model->packing()->admitted == 0) std::this_thread::sleep_for(milliseconds(1));
  grpc::ClientContext second;
  ModelInferResponse response;
  EXPECT_EQ(stub_->ModelInfer(&second, request_of({2}), &response).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(second.GetServerTrailingMetadata().count("retry-after"), 1u);
  context.TryCancel();
  caller.join();
}

// Bytes as they are, past the client's own checks.
grpc::Status infer_bytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& bytes) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  auto call = stub.PrepareUnaryCall(&context, "/inference.GRPCInferenceService/ModelInfer", request,
                                    &queue);
  grpc::ByteBuffer response;
  grpc::Status status;
  call->StartCall();
  call->Finish(&response, &status, &call);
  void* tag = nullptr;
  bool good = false;
  queue.Next(&tag, &good);
  return status;
}

TEST_F(Grpc, a_name_that_is_not_utf8_is_refused_and_writes_nothing_to_the_log) {
  testing::internal::CaptureStderr();
  const grpc::Status status = infer_bytes(channel_, "\x0a\x02\xff\xfe");  // model_name
  GOOGLE_LOG(ERROR) << "another line";
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(log, Not(HasSubstr("UTF-8")));
  EXPECT_THAT(log, HasSubstr("another line"));
}

TEST_F(Grpc, bytes_that_are_no_message_are_refused) {
  for (const std::string& bytes : {std::string("\xff\xff\xff"), std::string(1000, '\x2b'),
                                   std::string("\x2a\x7f"), std::string(100, '\0')})
    EXPECT_EQ(infer_bytes(channel_, bytes).error_code(), StatusCode::INVALID_ARGUMENT);
  std::string many;  // a million empty inputs
  for (int i = 0; i < 1'000'000; ++i) many += std::string("\x2a\x00", 2);
  const grpc::Status status = infer_bytes(channel_, many);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("must have fewer"));
  const std::string large(40 << 20, 'x');
  EXPECT_EQ(infer_bytes(channel_, large).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(code_of(request_of({1})), StatusCode::OK);
}

TEST_F(Grpc, a_stop_answers_what_is_on_its_way) {
  ServerOptions options = quick_options();
  options.runner.runner.former.timeout = milliseconds(300);
  serve(options);
  grpc::ClientContext context;
  ModelInferResponse response;
  grpc::Status status;
  std::thread caller([&] { status = stub_->ModelInfer(&context, request_of({1}), &response); });
  const auto model = server_->hub().find("echo", "").take();
  while (model->packing()->admitted == 0) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_TRUE(server_->stop());
  caller.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace tessera::server
