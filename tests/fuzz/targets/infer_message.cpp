// SPDX-License-Identifier: Apache-2.0
// Messages of gRPC calls: one that is read keeps its limits, and is the same when it is written and
// read again.
#include "server/infer_message.h"

#include <google/protobuf/stubs/logging.h>

#include <array>

#include "tests/fuzz/infer_calls.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/wire.h"

namespace tessera::fuzz {
namespace {

using server::InferCall;
using server::InferResult;
using Buffers = std::deque<std::vector<std::byte>>;

constexpr int kMostOfField = 64;

// The objects that protobuf made of the message, which are larger than their fields.
void check_size(const inference::ModelInferRequest& message) {
  demand(message.inputs_size() <= kMostOfField && message.outputs_size() <= kMostOfField &&
             message.raw_input_contents_size() <= kMostOfField &&
             std::ssize(message.parameters()) <= kMostOfField,
         "more fields than a call may have");
}

// An answer holds the bytes that were given.
void check_answer(const InferResult& result, const InferCall& call) {
  inference::ModelInferResponse answer;
  server::write_infer_message(result, call, answer);
  demand(answer.outputs_size() == std::ssize(result.outputs), "an answer lost tensors");
  inference::ModelInferRequest request;
  for (int i = 0; i < answer.outputs_size(); ++i) {
    auto& input = *request.add_inputs();
    input.set_name(answer.outputs(i).name());
    input.set_datatype(answer.outputs(i).datatype());
    *input.mutable_shape() = answer.outputs(i).shape();
    request.add_raw_input_contents(answer.raw_output_contents(i));
  }
  Buffers buffers;
  const auto again = server::read_infer_message(request, buffers);
  demand(again.ok(), "an answer's tensors cannot be read");
  const InferResult same = echo(*again);
  demand(same.outputs.size() == result.outputs.size(), "an answer's tensor is not sound");
  for (size_t i = 0; i < same.outputs.size(); ++i)
    demand(same.outputs[i].bytes == result.outputs[i].bytes, "a tensor came back as another");
}

void compare_readings(const inference::ModelInferRequest& message, const InferCall& call) {
  std::string bytes;
  message.SerializeToString(&bytes);
  inference::ModelInferRequest again;
  demand(again.ParseFromString(bytes), "what was written cannot be read");
  Buffers buffers;
  const auto twice = server::read_infer_message(again, buffers);
  demand(twice.ok() && same_call(call, *twice), "written and read, it is another");
}

}  // namespace

void run(std::string_view input) {
  google::protobuf::SetLogHandler(nullptr);  // it tells of each text that is not UTF-8
  if (const Status counted = server::check_infer_message(std::as_bytes(std::span(input))); !counted)
    return check_refusal(counted.error());
  inference::ModelInferRequest message;
  if (!message.ParseFromArray(input.data(), static_cast<int>(input.size()))) return;
  note("messages");
  check_size(message);
  Buffers buffers;
  const auto call = server::read_infer_message(message, buffers);
  if (!call) return check_refusal(call.error());
  note("read");
  check_call(*call);
  compare_readings(message, *call);
  check_answer(echo(*call), *call);
}

std::string mutate(std::string_view input, Random& random) {
  static const std::array<std::string, 12> kWords = {
      "BOOL", "UINT8", "INT16",   "INT32",       "INT64",          "FP16",
      "FP32", "BYTES", "timeout", "sequence_id", "classification", "explain"};
  return mutate_wire(input, infer_request_schema(), kWords, random);
}

}  // namespace tessera::fuzz
